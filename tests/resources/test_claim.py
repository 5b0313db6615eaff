"""A claim is held by one, freed by any end of its holder, and leaves nothing behind."""

import os
import signal
import subprocess
import sys

import pytest

from pipeline.errors import ResourceError
from resources.claim import claim

HOLD = """\
import sys, time
from pathlib import Path
from resources.claim import claim
with claim(Path(sys.argv[1]), "it", "wait"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search" / "running"


@pytest.fixture
def holder(path):
    """Another process that holds the name."""
    running = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "held\n"
    yield running
    running.kill()
    running.communicate()


def test_nobody_else_gets_in_and_is_told_who_is(path, holder):
    with pytest.raises(ResourceError, match="another process is at it") as told, claim(path, "it", "wait"):
        pass
    assert (told.value.value, told.value.exit_code, told.value.fix) == (f"PID {holder.pid}", 4, "wait")


def test_a_killed_holder_holds_nothing(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with claim(path, "it", "wait"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.parent.exists(), "an empty folder goes too"


def test_it_is_free_again_after_a_failure_and_other_files_stay(path):
    path.parent.mkdir()
    (path.parent / "report.html").write_text("kept")
    with pytest.raises(KeyboardInterrupt), claim(path, "it", "wait"):
        raise KeyboardInterrupt
    with claim(path, "it", "wait"):
        pass
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "search").write_text("a file")
    with (
        pytest.raises(ResourceError, match="cannot be made"),
        claim(tmp_path / "search" / "running", "it", "wait"),
    ):
        pass
