"""Who holds a file, by the kernel's lists and by a made-up /proc."""

import fcntl
import os
import subprocess
import sys

import pytest

from warehouse.foreign import Holder, busy, command_of, holders


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "file"
    made.write_text("x")
    return made


def test_nobody_holds_a_file_that_is_closed_or_missing(path):
    assert holders(path) == ()
    assert holders(path.with_name("missing")) == ()


def test_a_process_that_only_has_it_open_is_named(path):
    with path.open():
        (holder,) = holders(path)
    assert (holder.pid, holder.locked) == (os.getpid(), False)


def test_a_process_with_a_lock_is_named_before_those_that_only_look(path):
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, 2); print('in', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        child.stdout.readline()
        with path.open():
            (holder,) = holders(path)
    finally:
        child.communicate(b"out\n")
    assert (holder.pid, holder.locked) == (child.pid, True)
    assert "import fcntl" in holder.command


def test_waiters_and_locks_on_other_files_are_not_holders(path, tmp_path):
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "locks").write_text(
        f"1: FLOCK  ADVISORY  WRITE 11 {device}:{status.st_ino} 0 EOF\n"
        f"1: -> FLOCK  ADVISORY  WRITE 12 {device}:{status.st_ino} 0 EOF\n"
        f"2: POSIX  ADVISORY  WRITE 13 {device}:{status.st_ino + 1} 0 EOF\n"
        f"3: OFDLCK ADVISORY  WRITE -1 {device}:{status.st_ino} 1 1\n"
        f"4: FLOCK  ADVISORY  READ 14 fe:99:{status.st_ino} 0 EOF\n"
        "garbage\n"
    )
    assert holders(path, proc=proc) == (Holder(11, "", locked=True),)


def test_without_proc_nobody_is_named(path, tmp_path):
    assert holders(path, proc=tmp_path / "no proc") == ()
    assert command_of(1, proc=tmp_path / "no proc") == ""


def test_a_lock_seen_through_another_device_number_counts_when_the_file_is_open(path, tmp_path):
    proc = tmp_path / "proc"
    (proc / "21" / "fd").mkdir(parents=True)
    (proc / "21" / "fd" / "3").symlink_to(path)
    (proc / "21" / "cmdline").write_bytes(b"python\0work.py\0")
    (proc / "locks").write_text(f"1: FLOCK  ADVISORY  WRITE 21 fe:99:{path.stat().st_ino} 0 EOF\n")
    assert holders(path, proc=proc) == (Holder(21, "python work.py", locked=True),)


def test_our_own_flock_is_seen(path):
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert holders(path)[0].locked


def test_the_error_names_pids_and_says_how_to_go_on(path):
    error = busy(path, (Holder(7, "duckdb", locked=True), Holder(8, "", locked=True)))
    assert "PID 7 (duckdb), PID 8" in str(error)
    assert "kill 7 8" in error.fix
    assert "repeat" in busy(path, ()).fix
