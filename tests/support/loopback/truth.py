"""What really happened on a loopback venue: bars that follow from their open time alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bar:
    """One bar; ``at`` is its open time in seconds since 1970, prices carry two decimals, volume four."""

    at: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def values(self) -> tuple[float, float, float, float, float]:
        """Open, high, low, close, volume."""
        return (self.open, self.high, self.low, self.close, self.volume)


def bar_at(symbol: str, at: int) -> Bar:
    """Return the bar that opens at ``at``: any two differ, and OHLC are in order."""
    draw = zlib.crc32(f"{symbol} {at}".encode())
    opened = 20_000 + draw % 1_000_000 / 100
    closed = opened + (draw >> 8) % 20_000 / 100 - 100
    high, low = max(opened, closed) + (draw >> 4) % 997 / 100, min(opened, closed) - (draw >> 6) % 997 / 100
    volume = (draw >> 2) % 10_000_000 / 10_000
    return Bar(at, *(round(price, 2) for price in (opened, high, low, closed)), volume=volume)


@dataclass(frozen=True)
class History:
    """The bars of one symbol and length since its listing.

    Parameters
    ----------
    symbol
        The venue's own symbol.
    listed
        Open time of the first bar.
    holes
        Stretches without bars, ``first <= open < end``.
    """

    symbol: str
    listed: datetime
    holes: Sequence[tuple[datetime, datetime]] = ()

    def between(self, first: int, end: int, step: timedelta, now: datetime) -> list[Bar]:
        """Return the bars with ``first <= at < end`` that have opened by ``now``; the last may be forming."""
        seconds = int(step.total_seconds())
        start = -(-max(first, stamp(self.listed)) // seconds) * seconds
        stop = min(end, stamp(now) + 1)
        holes = [(stamp(a), stamp(b)) for a, b in self.holes]
        return [
            self.bar(at, seconds, now)
            for at in range(start, stop, seconds)
            if not any(a <= at < b for a, b in holes)
        ]

    def bar(self, at: int, seconds: int, now: datetime) -> Bar:
        """Return the bar as it stands at ``now``: while it is open its close and volume still change."""
        bar = bar_at(self.symbol, at)
        if bar.at + seconds <= stamp(now):
            return bar
        share = (stamp(now) - bar.at) / seconds
        close = round(bar.open + (bar.close - bar.open) * share, 2)
        return Bar(bar.at, bar.open, bar.high, bar.low, close, round(bar.volume * share, 4))


def stamp(at: datetime) -> int:
    """Return whole seconds since 1970."""
    return (at - EPOCH) // timedelta(seconds=1)
