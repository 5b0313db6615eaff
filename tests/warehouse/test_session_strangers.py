"""Sessions beside processes that know nothing of them: foreign holders, and logs that the killed left."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import ConfigError, WarehouseBusyError
from tests.support.sessions import count, foreign, insert, sessions_in


@pytest.fixture
def sessions(tmp_path):
    return sessions_in(tmp_path)


def test_a_reader_of_an_unread_result_leaves_the_file_free(sessions):
    with sessions.write() as cursor:
        insert(cursor, 100_000)
    with sessions.read() as cursor:
        pending = cursor.execute("SELECT * FROM market.bars")
    with foreign(sessions.path):  # the kernel would refuse it if our process still held the file
        pass
    with pytest.raises(duckdb.Error):
        pending.fetchone()


def test_a_connection_of_our_own_to_the_same_file_is_refused_by_name(sessions):
    own = duckdb.connect(str(sessions.path))
    try:
        with pytest.raises(ConfigError, match="another way"), sessions.read():
            pass
    finally:
        own.close()
    assert count(sessions) == 0


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_foreign_holder_is_waited_for_and_then_named(sessions, mode):
    with foreign(sessions.path) as child:
        begun = time.monotonic()
        with pytest.raises(WarehouseBusyError) as busy, getattr(sessions, mode)(timeout=0.4):
            pass
        assert 0.4 <= time.monotonic() - begun < 1.5
    assert f"PID {child.pid}" in str(busy.value)
    assert f"kill {child.pid}" in busy.value.fix


def test_a_foreign_reader_lets_us_read_but_not_write(sessions):
    with foreign(sessions.path, read_only=True) as child:
        assert count(sessions) == 0
        with pytest.raises(WarehouseBusyError, match=f"PID {child.pid}"), sessions.write(timeout=0.2):
            pass


def test_a_session_gets_in_once_the_foreigner_leaves(sessions):
    with foreign(sessions.path, seconds=0.5), sessions.write(timeout=20) as cursor:
        insert(cursor)
    assert count(sessions) == 1


def test_our_own_readers_go_on_while_a_writer_waits_for_a_foreign_reader(sessions):
    outcome: list[str] = []

    def try_to_write():
        try:
            with sessions.write(timeout=1.0):
                outcome.append("in")
        except WarehouseBusyError:
            outcome.append("busy")

    with foreign(sessions.path, read_only=True):
        writer = threading.Thread(target=try_to_write)
        writer.start()
        reads = 0
        while writer.is_alive():
            reads += 1 + count(sessions)
        writer.join()
    assert outcome == ["busy"]
    assert reads >= 5


DIE_WITH_A_LOG = """
import os, sys
import duckdb
c = duckdb.connect(sys.argv[1])
c.execute("INSERT INTO market.bars SELECT 'SPY', range FROM range(7)")
c.execute("BEGIN")
c.execute("INSERT INTO market.bars SELECT 'LOST', range FROM range(9)")
print("acknowledged", flush=True)
os.kill(os.getpid(), 9)
"""


def leave_a_log(sessions) -> Path:
    subprocess.run([sys.executable, "-c", DIE_WITH_A_LOG, str(sessions.path)], check=False)
    log = sessions.path.with_name(sessions.path.name + ".wal")
    assert log.stat().st_size > 0
    return log


def test_the_first_reader_folds_in_the_log_of_a_killed_writer(sessions):
    log = leave_a_log(sessions)
    assert count(sessions) == 7
    assert not log.exists()


def test_a_log_is_read_even_while_a_foreign_reader_forbids_folding_it_in(sessions):
    log = leave_a_log(sessions)
    with foreign(sessions.path, read_only=True):
        assert count(sessions) == 7
        assert log.exists()
    assert count(sessions) == 7
    assert not log.exists()


def test_readers_that_meet_a_log_together_all_read(sessions):
    leave_a_log(sessions)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(count(sessions))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [7] * 4
