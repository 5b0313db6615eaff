"""Short sessions on the warehouse file: wait, attach, one transaction, detach.

Compute outside, materialise inside, hold for less than half a second.  An Arrow reader or a lazy relation
that outlives its session ends early without an error: take ``fetchall()``, ``.pl()`` or
``.to_arrow_table()``.  Tables and SQL belong elsewhere.
"""

import contextlib
import os
import random
import re
import threading
import time
from collections.abc import Generator
from pathlib import Path

import duckdb

from pipeline.errors import ConfigError, DataError, ResourceError, WarehouseBusyError
from warehouse.foreign import Holder, busy, command_of, holders
from warehouse.instance import ForeignLockError, SessionSettings, attached, create, one_thread, prepare
from warehouse.interrupts import interrupts_held
from warehouse.locks import Held, Locks
from warehouse.torn import mend

__all__ = ["SessionSettings", "Sessions"]

BACKOFF_S = (0.01, 0.2)
"""Shortest and longest sleep while a foreign process holds DuckDB's own lock."""

_in_session = threading.local()


class _KilledWriterError(Exception):
    """A reader came after a killed writer: there is a log to apply, and the file may be torn."""


class Sessions:
    """Sessions on one database file, for any number of threads and processes.

    Parameters
    ----------
    path
        The database file.  Side files ``.gate``, ``.urgent`` and ``.lock`` appear beside it.
    settings
        Waiting time and DuckDB's limits.

    Examples
    --------
    >>> sessions = Sessions(Path("var/warehouse.duckdb"))
    >>> with sessions.write() as cursor:
    ...     _ = cursor.execute("CREATE SCHEMA IF NOT EXISTS market")
    """

    def __init__(self, path: Path, settings: SessionSettings = SessionSettings()) -> None:  # noqa: B008 - frozen
        self.path = Path(path).absolute()
        self.settings = settings
        self.locks = Locks(self.path)

    @contextlib.contextmanager
    def read(self, *, timeout: float | None = None) -> Generator[duckdb.DuckDBPyConnection]:
        """Yield a cursor in a transaction on the file, attached read-only.

        Parameters
        ----------
        timeout
            Longest wait, seconds; the settings' when None.

        Raises
        ------
        DataError
            When the file does not exist or is no DuckDB database.
        WarehouseBusyError
            When no session could be had in time; names the process in the way.
        ConfigError
            When this thread is in a session already.
        """
        with self._session(write=False, urgent=False, timeout=timeout) as cursor:
            yield cursor

    @contextlib.contextmanager
    def write(
        self, *, urgent: bool = False, timeout: float | None = None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Yield a cursor in a transaction on the file, attached for writing; the file is made when missing.

        The transaction commits at a clean exit and rolls back on any exception.

        Parameters
        ----------
        urgent
            Pass ordinary sessions that wait: for a decision, not for bulk.
        timeout
            Longest wait, seconds; the settings' when None.

        Raises
        ------
        DataError, WarehouseBusyError, ConfigError
            As for `read`.
        """
        with self._session(write=True, urgent=urgent, timeout=timeout) as cursor:
            yield cursor

    @contextlib.contextmanager
    def _session(
        self, *, write: bool, urgent: bool, timeout: float | None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        self._refuse_nesting()
        deadline = time.monotonic() + (self.settings.timeout_s if timeout is None else timeout)
        owner = os.getpid()
        stack = contextlib.ExitStack()
        _in_session.path = self.path
        try:
            cursor = self._open(stack, write=write, urgent=urgent, deadline=deadline)
            try:
                cursor.execute("BEGIN")
                yield cursor
            except BaseException as error:
                if os.getpid() == owner:
                    _roll_back(cursor)
                cause = error.__cause__
                if isinstance(error, RuntimeError) and cause and not isinstance(cause, Exception):
                    raise cause from error  # DuckDB wraps a Ctrl-C that met a running query
                raise
            if os.getpid() != owner:
                raise ResourceError(
                    "the process forked inside a warehouse session",
                    field="warehouse",
                    value=str(self.path),
                    constraint="only the parent's session is committed; nothing survives a fork",
                    fix="leave the session before forking, or open one in the child",
                )
            with interrupts_held():
                _commit(cursor)
                stack.close()
        finally:
            _in_session.path = None
            with interrupts_held():
                stack.close()

    def _refuse_nesting(self) -> None:
        outer = getattr(_in_session, "path", None)
        if outer is not None:
            raise ConfigError(
                "this thread is in a warehouse session already",
                field="warehouse",
                value=str(outer),
                constraint="sessions are never nested: the inner one would wait for the outer one for ever",
                fix="materialise what the outer session read, leave it, then open the next",
            )

    def _open(
        self, stack: contextlib.ExitStack, *, write: bool, urgent: bool, deadline: float
    ) -> duckdb.DuckDBPyConnection:
        """Take the locks and attach, letting go of everything while a foreign process holds the file."""
        delay, longest = BACKOFF_S
        recovered = False
        if write:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        else:
            self._require_file()
        prepare(self.settings, self.path, deadline, write=write)
        while True:
            if not write:
                self._require_file()
            try:
                with contextlib.ExitStack() as attempt:
                    cursor = self._attach(
                        attempt, write=write, urgent=urgent, deadline=deadline, may_recover=not recovered
                    )
                    stack.push(attempt.pop_all())
                    return cursor
            except _KilledWriterError:
                recovered = True
                self._recover(deadline)
                continue
            except ForeignLockError as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._busy(str(error)) from error
            time.sleep(min(delay * random.uniform(0.5, 1.5), left))  # noqa: S311 - jitter, not a secret
            delay = min(delay * 1.5, longest)

    def _attach(
        self,
        attempt: contextlib.ExitStack,
        *,
        write: bool,
        urgent: bool,
        deadline: float,
        may_recover: bool,
    ) -> duckdb.DuckDBPyConnection:
        held = attempt.enter_context(self.locks.hold(exclusive=write, urgent=urgent, deadline=deadline))
        if not write and may_recover and (held.died or self._log().exists()):  # no writer of ours lives
            raise _KilledWriterError
        attempt.enter_context(one_thread(self.path, deadline))
        with interrupts_held():
            if write:
                self._mend(held)
            if write and not self.path.exists():
                create(self.path, self.settings)
            return attempt.enter_context(attached(self.path, self.settings, write=write))

    def _log(self) -> Path:
        return self.path.with_name(self.path.name + ".wal")

    def _mend(self, held: Held) -> None:
        """After a killed writer, mend the file before it is attached; after an orderly one do nothing."""
        if self.path.exists() and (held.died or self._log().exists()):
            mend(self.path)
        held.died = False

    def _recover(self, deadline: float) -> None:
        """Mend the file and fold in the log that a killed writer left, so that not every reader applies it.

        While a foreign process reads the file, nobody can: the reader's own attach then applies it in memory.
        """
        with contextlib.suppress(ForeignLockError), contextlib.ExitStack() as attempt:
            held = attempt.enter_context(self.locks.hold(exclusive=True, urgent=False, deadline=deadline))
            attempt.enter_context(one_thread(self.path, deadline))
            with interrupts_held():
                self._mend(held)
                if not self._log().exists():
                    return
                with attached(self.path, self.settings, write=True) as cursor:
                    cursor.execute("CHECKPOINT")

    def _require_file(self) -> None:
        if not self.path.exists():
            raise DataError(
                "there is no warehouse yet",
                field="warehouse",
                value=str(self.path),
                constraint="a read needs an existing file",
                fix="run `bells run`, or point EIGHTBELLS_HOME at the folder that has one",
            )

    def _busy(self, message: str) -> WarehouseBusyError:
        """Name the foreign process: by the kernel's list, else by DuckDB's own words."""
        found = tuple(holder for holder in holders(self.path) if holder.pid != os.getpid())
        named = re.search(r"\(PID (\d+)\)", message)
        if not found and named:
            pid = int(named.group(1))
            found = (Holder(pid, command_of(pid), locked=True),)
        return busy(self.path, found, detail="another program has the file open outside the desk's sessions")


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    """Undo the transaction; a query that Ctrl-C stopped is told so first, else it would run to its end."""
    with interrupts_held(), contextlib.suppress(duckdb.Error):  # closing the cursor rolls back as well
        cursor.interrupt()
        cursor.execute("ROLLBACK")


def _commit(cursor: duckdb.DuckDBPyConnection) -> None:
    """Commit, unless the session's code has ended the transaction itself.

    A failed statement aborts the transaction, and DuckDB answers COMMIT of an aborted one with success, so a
    swallowed error would lose the session's work without a word: a probe asks first.
    """
    try:
        cursor.execute("SELECT 1")
        cursor.execute("COMMIT")
    except duckdb.TransactionException as error:
        if "no transaction is active" in str(error):
            return
        if "No space left" in str(error):
            raise ResourceError(
                "the disk is full, nothing of the session is stored",
                field="warehouse",
                constraint=str(error)[:200],
                fix="free space on that disk, or move EIGHTBELLS_HOME, and repeat",
            ) from error
        raise ResourceError(
            "the session's transaction was aborted by a failed statement, nothing of it is stored",
            field="warehouse",
            constraint=str(error)[:200],
            fix="let the statement's own error leave the session instead of catching it inside",
        ) from error


def _forget_session() -> None:
    _in_session.path = None


os.register_at_fork(after_in_child=_forget_session)
