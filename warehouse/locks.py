"""Who may enter the warehouse, and in which order: three side files and the kernel's own locks.

``.gate`` is the queue of ordinary sessions, ``.urgent`` the queue of urgent ones, ``.lock`` is held shared or
exclusive while a session lasts.  The first of a queue tries the lock, so a waiting writer keeps later readers
out; an ordinary first steps aside while an urgent one waits, but not for ever.  Every lock belongs to an open
file, so a killed process leaves none behind.  Nothing here knows DuckDB.
"""

import contextlib
import fcntl
import os
import random
import struct
import time
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from pipeline.errors import ConfigError
from warehouse.foreign import busy, holders_of

PATIENCE_S = 0.5
"""An ordinary session that is first and was passed by urgent ones for this long joins their queue."""

POLL_S = (0.0005, 0.003)
"""Shortest and longest sleep between two looks of whoever is first in a queue."""

QUEUE_POLL_S = (0.001, 0.008)
"""The same for those behind, who have time: looking costs the processor that the first one needs."""

_MUTEX = 0
_FLOCK = "hhqqi4x"
_OFD = hasattr(fcntl, "F_OFD_SETLK")
_opened: weakref.WeakSet[FileIO] = weakref.WeakSet()


def _forget_after_fork() -> None:
    """Close the child's copies: closing leaves the parent's locks alone, unlocking would release them."""
    for file in list(_opened):
        file.close()


os.register_at_fork(after_in_child=_forget_after_fork)


@contextlib.contextmanager
def _side_file(path: Path) -> Generator[FileIO]:
    try:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
    except OSError as error:
        raise ConfigError(
            "the warehouse's side file cannot be opened",
            field="warehouse",
            value=str(path),
            constraint=error.strerror,
            fix="give this user write access to the folder, or move EIGHTBELLS_HOME",
        ) from error
    _opened.add(file)
    try:
        yield file
    finally:
        file.close()


def _unlock(file: FileIO) -> None:
    if not file.closed:  # a forked child has closed its copy and must not unlock the parent's
        fcntl.flock(file, fcntl.LOCK_UN)


def _try_flock(file: FileIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _range_lock(file: FileIO, kind: int, start: int, length: int) -> bool:
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0))
    except BlockingIOError:
        return False
    return True


def _range_locked(file: FileIO, start: int, length: int) -> bool:
    """Whether another open file holds a lock in the range; length 0 reaches to the end of all numbers."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked)
    return struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK


class Place(Protocol):
    """A place in a queue."""

    def first(self) -> bool:
        """Whether nobody stands before it."""
        ...


class Queue(Protocol):
    """A queue between processes that a crash cannot block."""

    def stand(self, deadline: float) -> contextlib.AbstractContextManager[Place]:
        """Take a place and keep it until the context is left."""
        ...

    def occupied(self) -> contextlib.AbstractContextManager[Callable[[], bool]]:
        """Yield a function that says whether anybody stands in it."""
        ...


class _Ticket:
    def __init__(self, file: FileIO, number: int) -> None:
        self._file = file
        self.number = number
        self._first = False

    def first(self) -> bool:
        self._first = self._first or self.number == 1 or not _range_locked(self._file, 1, self.number - 1)
        return self._first


class TicketQueue:
    """First come, first served: a ticket is a number whose byte is locked for as long as its holder waits.

    The side file's first eight bytes count the tickets given; a lock on byte ``n`` >= 1 is ticket ``n`` and
    one on byte 0 guards the counter.  Ticket ``n`` is first when no byte below ``n`` is locked.  The kernel
    drops the locks of a killed process, so its ticket vanishes.

    Parameters
    ----------
    path
        The side file; made when missing, never deleted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def stand(self, deadline: float) -> Generator[Place]:
        """Take the next ticket, or raise WarehouseBusyError when the counter stays guarded till then."""
        with _side_file(self.path) as file:
            try:
                poll(lambda: _range_lock(file, fcntl.F_WRLCK, _MUTEX, 1), deadline, self.path)
                number = 1 + int.from_bytes(os.pread(file.fileno(), 8, 0).ljust(8, b"\0"), "little")
                while not _range_lock(file, fcntl.F_WRLCK, number, 1):  # its taker died before counting
                    number += 1
                os.pwrite(file.fileno(), number.to_bytes(8, "little"), 0)
                _range_lock(file, fcntl.F_UNLCK, _MUTEX, 1)
                yield _Ticket(file, number)
            finally:
                if not file.closed:
                    _range_lock(file, fcntl.F_UNLCK, 0, 0)

    @contextlib.contextmanager
    def occupied(self) -> Generator[Callable[[], bool]]:
        """Yield a function that says whether anybody stands in the queue."""
        with _side_file(self.path) as file:
            yield lambda: _range_locked(file, 1, 0)


class _Turnstile:
    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._first = False

    def first(self) -> bool:
        self._first = self._first or _try_flock(self._file, fcntl.LOCK_EX)
        return self._first


class TurnstileQueue:
    """The same without Linux's open-file locks (macOS): who gets the flock is first, fair only on average.

    Parameters
    ----------
    path
        The side file; made when missing, never deleted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def stand(self, deadline: float) -> Generator[Place]:  # noqa: ARG002 - the port's signature; flock needs none
        """Stand before the turnstile."""
        with _side_file(self.path) as file:
            try:
                yield _Turnstile(file)
            finally:
                _unlock(file)

    @contextlib.contextmanager
    def occupied(self) -> Generator[Callable[[], bool]]:
        """Yield a function that says whether somebody is in the turnstile."""
        with _side_file(self.path) as file:

            def taken() -> bool:
                free = _try_flock(file, fcntl.LOCK_EX)
                if free:
                    _unlock(file)
                return not free

            yield taken


def poll(
    attempt: Callable[[], bool], deadline: float, path: Path, pace: tuple[float, float] = POLL_S
) -> None:
    """Repeat ``attempt`` with growing, jittered sleeps until it succeeds.

    Raises
    ------
    WarehouseBusyError
        When ``time.monotonic()`` passes ``deadline``; names who holds ``path``.
    """
    delay, longest = pace
    while not attempt():
        left = deadline - time.monotonic()
        if left <= 0:
            raise busy(path, holders_of(path))
        time.sleep(min(delay * random.uniform(0.7, 1.3), left))  # noqa: S311 - jitter, not a secret
        delay = min(delay * 1.5, longest)


@dataclass
class Held:
    """The lock while it is held.

    Attributes
    ----------
    died
        Whether the writer before us was killed while it held the lock: its PID still stands in the side file.
        A writer that has seen to what is left sets it to False; otherwise the next one is told again.
    """

    died: bool


class Locks:
    """The side files of one database file.

    Parameters
    ----------
    path
        The database file; the side files stand beside it with ``.gate``, ``.urgent`` and ``.lock`` appended.
    tickets
        Serve in order of arrival (open-file locks, Linux) or fall back on turnstiles; by default whatever the
        system offers.
    """

    def __init__(self, path: Path, *, tickets: bool = _OFD) -> None:
        queue = TicketQueue if tickets else TurnstileQueue
        self.path = path
        self.lock_path = path.with_name(path.name + ".lock")
        self.gate: Queue = queue(path.with_name(path.name + ".gate"))
        self.urgent: Queue = queue(path.with_name(path.name + ".urgent"))

    @contextlib.contextmanager
    def hold(self, *, exclusive: bool, urgent: bool, deadline: float) -> Generator[Held]:
        """Wait in the right queue, then hold the lock until the context is left.

        Parameters
        ----------
        exclusive
            Alone (a writer) or together with other readers.
        urgent
            Stand in the urgent queue, which ordinary sessions let pass.
        deadline
            On ``time.monotonic()``; tried at least once.

        Raises
        ------
        WarehouseBusyError
            When the deadline passes first.
        """
        with _side_file(self.lock_path) as lock:
            how = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
            with contextlib.ExitStack() as queues:
                mine = queues.enter_context((self.urgent if urgent else self.gate).stand(deadline))
                poll(mine.first, deadline, self.lock_path, QUEUE_POLL_S)
                may_go = (lambda: True) if urgent else self._step_aside(queues, deadline)
                poll(lambda: may_go() and _try_flock(lock, how), deadline, self.lock_path)
            held = Held(died=bool(os.pread(lock.fileno(), 20, 0).strip()))
            try:
                if exclusive:
                    os.pwrite(lock.fileno(), f"{os.getpid():<20d}".encode(), 0)
                yield held
            finally:
                if exclusive and not held.died and not lock.closed:
                    os.ftruncate(lock.fileno(), 0)
                _unlock(lock)

    def _step_aside(self, queues: contextlib.ExitStack, deadline: float) -> Callable[[], bool]:
        """Say when the first ordinary session may try: no urgent one waits, or it has let enough pass."""
        urgent_waits = queues.enter_context(self.urgent.occupied())
        passed_since: float | None = None
        among_urgent: Place | None = None

        def may_go() -> bool:
            nonlocal passed_since, among_urgent
            if among_urgent is not None:
                return among_urgent.first()
            if not urgent_waits():
                return True
            now = time.monotonic()
            passed_since = now if passed_since is None else passed_since
            if now - passed_since >= PATIENCE_S:
                among_urgent = queues.enter_context(self.urgent.stand(deadline))
            return False

        return may_go
