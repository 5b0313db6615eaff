"""The one in-memory DuckDB of a process, to which the warehouse file is attached for each session.

Attaching costs about a millisecond, a fresh connection 15-70.  One thread at a time uses the instance, and a
forked child gets a new one.  Nothing here knows locks.
"""

import contextlib
import ctypes
import importlib
import os
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline.errors import ConfigError, DataError
from warehouse.foreign import Holder, busy, command_of
from warehouse.interrupts import interrupts_held

CATALOGUE = "eightbells"
"""Name under which the file is attached; sessions make it the default."""


@dataclass(frozen=True)
class SessionSettings:
    """How sessions wait and what DuckDB may use.

    Attributes
    ----------
    timeout_s
        Longest wait for a session, seconds.
    memory_limit
        DuckDB's ``memory_limit``, e.g. ``"2GB"``.
    threads
        DuckDB's worker threads.
    temp_directory
        Where DuckDB spills; ``None`` means beside the database file, with ``.tmp`` appended.
    """

    timeout_s: float = 30.0
    memory_limit: str = "2GB"
    threads: int = 2
    temp_directory: Path | None = None


class ForeignLockError(Exception):
    """DuckDB's own lock on the file is held by a process that does not use sessions."""


class _State:
    """What a process owns; replaced, never reused, after a fork."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.configured: tuple[str, int, str] | None = None


_state = _State()


def _start_anew() -> None:
    global _state  # noqa: PLW0603 - a fork replaces the whole state of the process
    if _state.connection is not None:
        # The parent's worker threads do not exist here: running the destructor would hang or abort.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_state.connection))
    _state = _State()


os.register_at_fork(after_in_child=_start_anew)


@contextlib.contextmanager
def one_thread(path: Path, deadline: float) -> Generator[None]:
    """Keep the process's other threads out of the instance; raises WarehouseBusyError at the deadline."""
    mutex = _state.mutex
    if not mutex.acquire(timeout=max(0.0, deadline - time.monotonic())):
        own = Holder(os.getpid(), command_of(os.getpid()), locked=True)
        raise busy(path, (own,), detail="another thread of this process is in a session")
    try:
        yield
    finally:
        mutex.release()


def _wanted(settings: SessionSettings, path: Path) -> tuple[str, int, str]:
    spill = settings.temp_directory or path.with_name(path.name + ".tmp")
    return settings.memory_limit, settings.threads, str(spill)


def prepare(settings: SessionSettings, path: Path, deadline: float, *, write: bool) -> None:
    """Do before any lock is held what the first session of a process would do inside it, half a second long.

    DuckDB starts; it imports pandas, where installed, when it sees the first parameter of a statement, and
    pyarrow's data sets when it sees the first registered frame; answers leave a session as polars frames.
    """
    importlib.import_module("polars")
    if write:
        importlib.import_module("pyarrow.dataset")
    if _state.connection is None or _state.configured != _wanted(settings, path):
        with one_thread(path, deadline), interrupts_held():
            _connection(settings, path).execute("SELECT ?", [0])


def _connection(settings: SessionSettings, path: Path) -> duckdb.DuckDBPyConnection:
    wanted = _wanted(settings, path)
    if _state.connection is None or _state.configured != wanted:
        drop_instance()
        memory_limit, threads, spill = wanted
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
        }
        connection = duckdb.connect(":memory:", config=options)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        _state.connection, _state.configured = connection, wanted
    return _state.connection


def drop_instance() -> None:
    """Close the process's instance, and with it any file that it still has attached."""
    connection, _state.connection, _state.configured = _state.connection, None, None
    if connection is not None:
        connection.close()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@contextlib.contextmanager
def attached(path: Path, settings: SessionSettings, *, write: bool) -> Generator[duckdb.DuckDBPyConnection]:
    """Attach the file and yield a cursor that has it as default catalogue; detach afterwards.

    Raises
    ------
    ForeignLockError
        When DuckDB finds its lock taken; the message names the process.
    DataError
        When the file is no DuckDB database, or one of a version that this DuckDB cannot read.
    ConfigError
        When this process has the file open through a connection of its own.
    """
    owner = os.getpid()
    connection = _connection(settings, path)
    cursor = connection.cursor()
    try:
        try:
            mode = "READ_WRITE" if write else "READ_ONLY"
            cursor.execute(f"ATTACH {_quoted(path)} AS {CATALOGUE} ({mode})")
            cursor.execute(f"USE {CATALOGUE}")
            cursor.execute("SET enable_progress_bar = false")  # it would be drawn on stdout, amid JSON
        except duckdb.Error as error:
            raise _explained(error, path) from error
        yield cursor
    finally:
        if os.getpid() == owner:
            _let_go(connection, cursor)


def _let_go(connection: duckdb.DuckDBPyConnection, cursor: duckdb.DuckDBPyConnection) -> None:
    """Close the cursor and detach; if the file cannot be detached, close the whole instance."""
    with interrupts_held():
        cursor.close()
        try:
            connection.execute(f"DETACH DATABASE IF EXISTS {CATALOGUE}")
        except duckdb.Error:
            drop_instance()
            raise


def _explained(error: duckdb.Error, path: Path) -> Exception:
    message = str(error)
    if "set lock on file" in message or "Conflicting lock" in message:
        return ForeignLockError(message)
    if "Unique file handle conflict" in message:
        return own_handle(path)
    if isinstance(error, duckdb.IOException | duckdb.SerializationException | duckdb.InvalidInputException):
        return DataError(
            "the warehouse file cannot be attached",
            field="warehouse",
            value=str(path),
            constraint=message[:200],
            fix="restore it from a snapshot, or move it away and run `bells run` to build a new one",
        )
    return error


def own_handle(path: Path) -> ConfigError:
    """Build the error that says that this process has the file open outside its session."""
    return ConfigError(
        "this process has the warehouse file open by another way",
        field="warehouse",
        value=str(path),
        constraint="one process opens the file once, through sessions",
        fix="close that connection and use Warehouse.read() or write()",
    )


def create(path: Path, settings: SessionSettings) -> None:
    """Create an empty database file under its final name in one step.

    A file that a killed process left half-made keeps its provisional name and is made again.

    Raises
    ------
    DataError
        When a write-ahead log of a database that is gone lies where the new one's would be.
    """
    log = path.with_name(path.name + ".wal")
    if log.exists():
        raise DataError(
            "a write-ahead log lies beside a warehouse that does not exist",
            field="warehouse",
            value=str(log),
            constraint="the log belongs to a database file that was moved or deleted",
            fix="put the database file back, or move the log away",
        )
    provisional = path.with_name(path.name + ".new")
    for leftover in (provisional, provisional.with_name(provisional.name + ".wal")):
        leftover.unlink(missing_ok=True)
    with attached(provisional, settings, write=True) as cursor:
        cursor.execute("CHECKPOINT")
    provisional.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
