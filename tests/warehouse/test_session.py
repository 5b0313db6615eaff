"""Sessions: one transaction each, refused nesting, foreign holders, left logs, Ctrl-C, forks, odd paths."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import ConfigError, DataError, ResourceError, WarehouseBusyError
from warehouse import instance
from warehouse import session as session_module
from warehouse.session import Sessions, SessionSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sessions(tmp_path):
    made = Sessions(tmp_path / 'it\'s a "desk" file.duckdb')  # every statement has to quote it
    with made.write() as cursor:
        cursor.execute("CREATE SCHEMA market")
        cursor.execute("CREATE TABLE market.bars (symbol VARCHAR, close DOUBLE)")
    return made


def count(sessions) -> int:
    with sessions.read() as cursor:
        return cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0]


def insert(cursor, rows=1) -> None:
    cursor.execute("INSERT INTO market.bars SELECT 'SPY', range FROM range(?)", [rows])


def run(code: str, *arguments: object, wait=60) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=wait,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def foreign(path, *, read_only=False, seconds=30.0):
    """A process that knows nothing of sessions and has the file open, as a person's CLI would."""
    code = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'True');"
        " print('open', flush=True); time.sleep(float(sys.argv[3]))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(read_only), str(seconds)], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"open\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_write_session_commits_at_a_clean_exit(sessions):
    with sessions.write() as cursor:
        insert(cursor, 3)
    assert count(sessions) == 3


def test_an_exception_rolls_back_and_comes_out(sessions):
    def fail():
        with sessions.write() as cursor:
            insert(cursor)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(sessions) == 0


def test_a_swallowed_sql_error_does_not_pass_for_a_commit(sessions):
    """DuckDB answers COMMIT of an aborted transaction with success and stores nothing."""

    def swallow():
        with sessions.write() as cursor:
            insert(cursor)
            with pytest.raises(duckdb.Error, match="no"):
                cursor.execute("SELECT error('no')").fetchall()

    with pytest.raises(ResourceError, match="nothing of it is stored"):
        swallow()
    assert count(sessions) == 0


def test_code_that_commits_by_itself_is_let_be(sessions):
    with sessions.write() as cursor:
        insert(cursor)
        cursor.execute("COMMIT")
    assert count(sessions) == 1


def test_a_cursor_is_dead_after_its_session(sessions):
    with sessions.read() as cursor:
        pass
    with pytest.raises(duckdb.ConnectionException):
        cursor.execute("SELECT 1")


def test_a_read_session_cannot_write(sessions):
    with pytest.raises(duckdb.InvalidInputException, match="read-only"), sessions.read() as cursor:
        insert(cursor)


def test_reading_a_missing_file_says_what_to_do(tmp_path):
    with (
        pytest.raises(DataError, match="no warehouse yet") as missing,
        Sessions(tmp_path / "no.duckdb").read(),
    ):
        pass
    assert "bells run" in missing.value.fix
    assert list(tmp_path.iterdir()) == []


def test_the_first_write_makes_the_file_and_its_folder(tmp_path):
    path = tmp_path / "var" / "warehouse.duckdb"
    with Sessions(path).write() as cursor:
        cursor.execute("CREATE TABLE t (a INT)")
    assert path.is_file()
    assert not path.with_name("warehouse.duckdb.new").exists()


def test_a_half_made_file_of_a_killed_process_is_made_again(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.with_name("warehouse.duckdb.new").write_bytes(b"")
    with Sessions(path).write() as cursor:
        cursor.execute("CREATE TABLE t (a INT)")
    assert [p.name for p in tmp_path.glob("*.new*")] == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"not a database" * 500)
    for session in (Sessions(path).read, Sessions(path).write):
        with pytest.raises(DataError, match="cannot be attached"), session():
            pass
    assert path.read_bytes() == b"not a database" * 500


def test_a_log_without_its_database_is_not_replayed_into_a_new_one(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.with_name("warehouse.duckdb.wal").write_bytes(b"of another life")
    with pytest.raises(DataError, match="write-ahead log"), Sessions(path).write():
        pass
    assert not path.exists()


def test_nested_sessions_of_one_thread_are_refused(sessions, tmp_path):
    with sessions.read():
        for inner in (sessions.read, sessions.write, Sessions(tmp_path / "other.duckdb").write):
            with pytest.raises(ConfigError, match="already"), inner():
                pass
    assert count(sessions) == 0


def test_threads_of_one_process_take_turns(sessions):
    def work():
        for _ in range(5):
            with sessions.write() as cursor:
                insert(cursor)
            with sessions.read() as cursor:
                cursor.execute("SELECT sum(close) FROM market.bars").fetchall()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count(sessions) == 20


def test_a_thread_that_waits_for_another_one_gives_up_at_its_deadline(sessions):
    inside, leave = threading.Event(), threading.Event()

    def keep():
        with sessions.read():
            inside.set()
            leave.wait(20)

    keeper = threading.Thread(target=keep)
    keeper.start()
    inside.wait(20)
    try:
        with (
            pytest.raises(WarehouseBusyError, match=f"PID {os.getpid()}") as busy,
            sessions.read(timeout=0.1),
        ):
            pass
        assert "another thread" in busy.value.constraint
    finally:
        leave.set()
        keeper.join(20)


def test_settings_reach_duckdb_and_times_are_utc(tmp_path):
    settings = SessionSettings(memory_limit="300MB", threads=1, temp_directory=tmp_path / "spill")
    with Sessions(tmp_path / "w.duckdb", settings).write() as cursor:
        got = cursor.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads'),"
            " current_setting('temp_directory'), current_setting('TimeZone')"
        ).fetchone()
    assert got == ("286.1 MiB", 1, str(tmp_path / "spill"), "UTC")


def test_no_progress_bar_is_ever_drawn_on_stdout(sessions):
    code = (
        "import sys; from pathlib import Path; from warehouse.session import Sessions\n"
        "with Sessions(Path(sys.argv[1])).read() as cursor:\n"
        "    print(cursor.execute(\"SELECT current_setting('enable_progress_bar')\").fetchone()[0])\n"
    )
    assert run(code, sessions.path) == "False\n"


def test_what_the_first_session_imports_is_imported_before_it_holds_a_lock(tmp_path):
    code = """
import sys
from pathlib import Path
import pyarrow as pa
from warehouse.session import Sessions
with Sessions(Path(sys.argv[1])).write() as cursor:
    before = set(sys.modules)
    cursor.register("incoming", pa.table({"a": [1]}))
    cursor.execute("CREATE TABLE t AS SELECT a FROM incoming WHERE a = ?", [1])
    cursor.execute("SELECT a FROM t").fetchall()
    print(len(set(sys.modules) - before))
"""
    assert run(code, tmp_path / "w.duckdb") == "0\n"


def test_the_spill_folder_stands_beside_the_file_unless_set(sessions):
    with sessions.read() as cursor:
        spill = cursor.execute("SELECT current_setting('temp_directory')").fetchone()[0]
    assert spill == f"{sessions.path}.tmp"


def test_temporary_tables_do_not_outlive_their_session(sessions):
    with sessions.write() as cursor:
        cursor.execute("CREATE TEMP TABLE incoming AS SELECT 'SPY' AS symbol, 1.0 AS close")
        cursor.execute("INSERT INTO market.bars SELECT * FROM incoming")
    with pytest.raises(duckdb.CatalogException), sessions.read() as cursor:
        cursor.execute("SELECT * FROM incoming")
    assert count(sessions) == 1


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


CTRL_C = """
import os, signal, sys, threading, time
from pathlib import Path
from warehouse.session import Sessions
sessions = Sessions(Path(sys.argv[1]))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell leaves it ignored
try:
    with sessions.write() as cursor:
        cursor.execute("INSERT INTO market.bars VALUES ('SPY', 1.0)")
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        if sys.argv[2] == "in a query":
            cursor.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b"
                           " WHERE (a.range * b.range) % 7 = 3").fetchall()
        else:
            time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
with sessions.write(timeout=5) as cursor:
    print("rows", cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0])
"""


@pytest.mark.parametrize("where", ["in a query", "in python"])
def test_ctrl_c_rolls_back_releases_and_comes_out_as_keyboard_interrupt(sessions, where):
    assert run(CTRL_C, sessions.path, where) == "interrupted\nrows 0\n"


CTRL_C_STORM = """
import os, random, signal, sys, threading, time
from pathlib import Path
from warehouse.session import Sessions
sessions = Sessions(Path(sys.argv[1]))
generator = random.Random(7)
stop = threading.Event()
armed = False
def interrupt(number, frame):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
def pester():
    while not stop.wait(generator.choice([0.001, 0.01, 0.1])):
        os.kill(os.getpid(), signal.SIGINT)
acknowledged = interrupted = 0
thread = threading.Thread(target=pester)
over = time.monotonic() + 1.5
thread.start()
while time.monotonic() < over or not acknowledged:
    try:
        armed = True
        with sessions.write(timeout=2) as cursor:
            cursor.execute("INSERT INTO market.bars VALUES ('SPY', 1.0)")
        armed = False
        acknowledged += 1
    except KeyboardInterrupt:
        armed = False
        interrupted += 1
stop.set()
thread.join()
with sessions.read(timeout=2) as cursor:
    rows = cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0]
print(interrupted > 5, acknowledged > 0, acknowledged <= rows <= acknowledged + interrupted)
"""


def test_a_storm_of_interrupts_never_leaves_the_warehouse_held(sessions):
    assert run(CTRL_C_STORM, sessions.path) == "True True True\n"


FORK = """
import os, sys
from pathlib import Path
from pipeline.errors import ResourceError
from warehouse.session import Sessions
sessions = Sessions(Path(sys.argv[1]))
def rows():
    with sessions.read(timeout=5) as cursor:
        return cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0]
def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
rows()
child = os.fork()
if child == 0:
    with sessions.write(timeout=5) as cursor:  # with an instance of its own
        cursor.execute("INSERT INTO market.bars VALUES ('child', 1.0)")
    sys.exit(0)
print("child after a session", wait(child), rows())
with sessions.write(timeout=5) as cursor:
    cursor.execute("INSERT INTO market.bars VALUES ('parent', 1.0)")
    child = os.fork()
    if child == 0:
        break_out = True
    else:
        break_out = False
        print("child inside a session", wait(child))
    if break_out:
        raise SystemExit(3)
print("rows", rows())
child = None
try:
    with sessions.write(timeout=5):
        child = os.fork()
except ResourceError as error:
    sys.exit(4 if "forked inside" in str(error) else 5)
print("child that leaves its block", wait(child), rows())
"""


def test_nothing_survives_a_fork(sessions):
    assert run(FORK, sessions.path).splitlines() == [
        "child after a session 0 1",
        "child inside a session 3",
        "rows 2",
        "child that leaves its block 4 2",
    ]


def test_sigterm_in_a_commit_is_delivered_after_it(sessions):
    arrived: list[int] = []
    commit = session_module._commit

    def commit_under_fire(cursor):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert arrived == []
        commit(cursor)

    before = signal.signal(signal.SIGTERM, lambda number, _: arrived.append(number))
    try:
        with pytest.MonkeyPatch.context() as patch, sessions.write() as cursor:
            patch.setattr(session_module, "_commit", commit_under_fire)
            insert(cursor)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert arrived == [signal.SIGTERM]
    assert count(sessions) == 1


def test_a_detach_that_fails_closes_the_instance_so_that_the_file_is_free(sessions, monkeypatch):
    class Stuck:
        def __init__(self, connection):
            self.connection = connection

        def cursor(self):
            return self.connection.cursor()

        def execute(self, sql):
            raise duckdb.IOException(f"cannot: {sql}")

        def close(self):
            self.connection.close()

    assert count(sessions) == 0
    monkeypatch.setattr(instance._state, "connection", Stuck(instance._state.connection))
    with pytest.raises(duckdb.IOException, match="DETACH"), sessions.read():
        pass
    with foreign(sessions.path):
        pass
    assert count(sessions) == 0
