"""Sessions: one transaction each, refused nesting, threads in turn, odd paths and files."""

import os
import threading

import duckdb
import pytest

from pipeline.errors import ConfigError, DataError, ResourceError, WarehouseBusyError
from tests.support.sessions import count, foreign, insert, run, sessions_in
from warehouse import instance
from warehouse.session import Sessions, SessionSettings


@pytest.fixture
def sessions(tmp_path):
    return sessions_in(tmp_path)


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
