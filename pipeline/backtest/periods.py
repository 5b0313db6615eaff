"""A run cut into periods people ask about: months and years of returns, and stretches below a peak of NAV."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D, Time1D

_MONTHS = 12


@dataclass(frozen=True, eq=False)
class Calendar:
    """Returns by year and month.

    Attributes
    ----------
    years
        Ascending, shape ``(years,)``.
    monthly
        Return of each month, NaN where the run holds none, shape ``(years, 12)``.
    annual
        The months of each year compounded, shape ``(years,)``.
    """

    years: Int1D
    monthly: Float2D
    annual: Float1D


def calendar_of(months: Time1D, returns: Float1D) -> Calendar:
    """Return the calendar of ``returns`` over ``months`` (``datetime64[M]``, ascending, not empty)."""
    number = months.astype("datetime64[M]").astype(np.int64)
    years = 1970 + np.arange(number[0] // _MONTHS, number[-1] // _MONTHS + 1)
    monthly = np.full((years.size, _MONTHS), np.nan)
    monthly[number // _MONTHS + 1970 - years[0], number % _MONTHS] = returns
    annual = np.where(np.isnan(monthly), 0.0, monthly)
    grown = np.prod(1.0 + annual, axis=1) - 1.0
    return Calendar(years, monthly, np.where(np.isnan(monthly).all(axis=1), np.nan, grown))


@dataclass(frozen=True)
class Underwater:
    """A stretch below a peak of NAV.

    Parameters
    ----------
    peak, trough, recovery
        Rows: the peak (-1 when it is the initial NAV), the lowest NAV after it, and the first row at or above
        the peak (None while it has not been reached again).
    depth
        Fall from peak to trough, positive fraction.
    """

    peak: int
    trough: int
    recovery: int | None
    depth: float


def underwater(drawdown: Float1D) -> list[Underwater]:
    """Return every stretch of a drawdown series, the deepest first.

    Parameters
    ----------
    drawdown
        Fall from the highest NAV so far, shape ``(bars,)``; 0 at a peak.
    """
    below = np.concatenate([[False], drawdown > 0.0, [False]])
    starts, ends = np.flatnonzero(below[1:] & ~below[:-1]), np.flatnonzero(below[:-1] & ~below[1:])
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(np.argmax(drawdown[start:end]))
        recovery = end if end < drawdown.size else None
        found.append(Underwater(start - 1, trough, recovery, float(drawdown[trough])))
    return sorted(found, key=lambda stretch: (-stretch.depth, stretch.peak))
