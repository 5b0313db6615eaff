"""The Clock port: the only module of the house that reads the time.

Everything else takes ``now`` as an argument or a `Clock`; tests and backtests hand in `SimulatedClock`.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol

from pipeline.errors import TimestampError

_LONGEST_NAP_S = 30.0


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start, never going back: for durations, not for instants."""
        ...

    def sleep_until(self, instant: datetime) -> None:
        """Return at the instant or just after it, at once if it has passed."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds of the process-independent performance counter."""
        return time.perf_counter()

    def sleep_until(self, instant: datetime) -> None:
        """Sleep in short naps, so that a corrected wall clock is noticed.

        Raises
        ------
        TimestampError
            When the instant is naive.
        """
        target = _aware(instant)
        while (left := (target - self.now()).total_seconds()) > 0:
            time.sleep(min(left, _LONGEST_NAP_S))


@dataclass
class SimulatedClock:
    """A clock that stands still until it is moved; sleeping moves it.

    Parameters
    ----------
    at
        The instant it shows first, aware.
    """

    at: datetime
    _start: datetime = field(init=False, repr=False)
    _lock: Lock = field(init=False, repr=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self.at = _aware(self.at)
        self._start = self.at

    def now(self) -> datetime:
        """Return the simulated instant, UTC."""
        return self.at

    def monotonic(self) -> float:
        """Return the simulated seconds since the clock was made."""
        return (self.at - self._start).total_seconds()

    def advance(self, by: timedelta) -> datetime:
        """Move forward and return the new instant.

        Raises
        ------
        TimestampError
            When asked to go back.
        """
        if by < timedelta(0):
            raise TimestampError("time does not go back", "by", str(by), "a duration >= 0")
        with self._lock:
            self.at += by
            return self.at

    def sleep_until(self, instant: datetime) -> None:
        """Move to the instant, unless it has passed.

        Raises
        ------
        TimestampError
            When the instant is naive.
        """
        with self._lock:
            self.at = max(self.at, _aware(instant))


def _aware(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise TimestampError(
            "a naive time names no instant", "instant", instant, "a time zone", "add tzinfo=UTC"
        )
    return instant.astimezone(UTC)
