"""The earliest instant at which a value can have been known, by plain New York wall-clock arithmetic.

This is the independent check of `known`: it shares no calendar, no holiday list and no time-zone code
with the modules that stamp ``known_at``, and must never import them.  A bound may be too low (the check
then sees less), never too high.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from pipeline.arrays import Time1D
from pipeline.errors import ComponentNotFoundError, SchemaError

_NEW_YORK = ZoneInfo("America/New_York")
_CELL = timedelta(hours=4)
_DAY = timedelta(days=1)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_REGULAR_SINCE = 1985
"""Before that year hours varied too much for a tight bound: noon is the bound."""
_HALF_DAYS = {(7, 3), (7, 5), (12, 24), (12, 26), (12, 31)}


def known_at_lower_bound(kind: str, ts: Time1D) -> Time1D:
    """Return the earliest honest ``known_at`` of values labelled ``ts``, shape ``(n,)``.

    Parameters
    ----------
    kind
        ``cell`` (H4 around the clock), ``cell_new_york`` (H4 of New York equities), or the name of a
        rule of `pipeline.calendar.known`: ``session_close``, ``utc_day``, ``vix_settlement``,
        ``fred_daily``, ``monthly_release``; ``observation`` of any published series, whatever its rule;
        ``vintage``, labelled by the date on which a publisher first had a value; ``ex_date`` of a corporate
        action whose announcement nobody dated.
    ts
        Labels, ``datetime64``; NaT gives NaT.

    Raises
    ------
    ComponentNotFoundError
        When there is no bound of that name.
    """
    if kind not in _BOUNDS:
        names = ", ".join(_BOUNDS)
        raise ComponentNotFoundError("no such bound", "kind", kind, f"one of {names}")
    labels, place = np.unique(np.asarray(ts).astype("datetime64[us]"), return_inverse=True)
    bound = _BOUNDS[kind]
    earliest = [
        np.datetime64("NaT", "us")
        if label is None
        else np.datetime64(bound(label).replace(tzinfo=None), "us")
        for label in labels.tolist()
    ]
    return np.array(earliest, "datetime64[us]")[place].reshape(np.shape(ts))


def known_after_stored(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that claim to become known only after they were stored (``recorded_at``)."""
    return frame.filter(pl.col("known_at") > pl.col("recorded_at"))


def known_too_early(frame: pl.DataFrame, kind: str, *, poll: timedelta | None = None) -> pl.DataFrame:
    """Return the rows whose ``known_at`` is earlier than it can honestly be, with that ``lower_bound``.

    Parameters
    ----------
    frame
        Columns ``ts`` and ``known_at``; with ``poll`` also ``recorded_at`` and ``live`` (whether the row
        was fetched as it appeared, not in a backfill).
    kind
        As in `known_at_lower_bound`.
    poll
        How often the source was asked: a live row seen first at ``recorded_at`` was not there one poll
        earlier, so it cannot have been known before ``recorded_at - poll``.

    Raises
    ------
    SchemaError
        When a column is missing.
    """
    needed = ("ts", "known_at") if poll is None else ("ts", "known_at", "recorded_at", "live")
    for column in needed:
        if column not in frame.columns:
            raise SchemaError(
                "a required column is missing", column, sorted(frame.columns), ", ".join(needed)
            )
    ts = frame["ts"].dt.replace_time_zone(None).to_numpy()
    bound = pl.Series("lower_bound", known_at_lower_bound(kind, ts)).dt.replace_time_zone("UTC")
    checked = frame.with_columns(bound)
    if poll is not None:
        seen = pl.when(pl.col("live")).then(pl.col("recorded_at") - poll)
        checked = checked.with_columns(pl.max_horizontal("lower_bound", seen).alias("lower_bound"))
    return checked.filter(pl.col("known_at") < pl.col("lower_bound"))


def _cell(ts: datetime) -> datetime:
    return ts.replace(tzinfo=UTC) + _CELL


def _cell_new_york(ts: datetime) -> datetime:
    start = ts.replace(tzinfo=UTC)
    return min(start + _CELL, _session_close(start.astimezone(_NEW_YORK)))


def _utc_day(ts: datetime) -> datetime:
    return datetime.combine(ts.date(), time(), UTC) + _DAY


def _session_close(ts: datetime) -> datetime:
    return _new_york(ts.date(), _close_of(ts.date()))


def _vix_settlement(ts: datetime) -> datetime:
    return _new_york(
        ts.date(), (datetime.combine(ts.date(), _close_of(ts.date())) + timedelta(minutes=15)).time()
    )


def _fred_daily(ts: datetime) -> datetime:
    return _new_york(_next_working_day(ts.date() + _DAY), time(16, 30))


def _monthly_release(ts: datetime) -> datetime:
    following = (ts.date().replace(day=1) + timedelta(days=31)).replace(day=1)
    return _new_york(_next_working_day(following), time(10))


def _observation(ts: datetime) -> datetime:
    """Noon of the day it is labelled by: what a day or a longer period came to is no earlier there."""
    return _new_york(ts.date(), time(12))


def _vintage(ts: datetime) -> datetime:
    """The date begins in New York an hour before it does where FRED keeps it."""
    return _new_york(ts.date(), time())


def _ex_date(ts: datetime) -> datetime:
    return _new_york(ts.date(), time(9, 30))


_BOUNDS: dict[str, Callable[[datetime], datetime]] = {
    "cell": _cell,
    "cell_new_york": _cell_new_york,
    "session_close": _session_close,
    "utc_day": _utc_day,
    "vix_settlement": _vix_settlement,
    "fred_daily": _fred_daily,
    "monthly_release": _monthly_release,
    "observation": _observation,
    "vintage": _vintage,
    "ex_date": _ex_date,
}


def _new_york(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, _NEW_YORK).astimezone(UTC)


def _close_of(day: date) -> time:
    """The earliest close the exchange may have scheduled for that date, New York wall clock."""
    if day.year < _REGULAR_SINCE:
        return time(12)
    after_thanksgiving = day == _nth(day.year, 11, _THURSDAY, 4) + _DAY
    return time(13) if after_thanksgiving or (day.month, day.day) in _HALF_DAYS else time(16)


def _next_working_day(day: date) -> date:
    while day.weekday() >= _SATURDAY or day in _federal_holidays(day.year):
        day += _DAY
    return day


@lru_cache(maxsize=256)
def _federal_holidays(year: int) -> frozenset[date]:
    """Days on which federal offices are shut, as observed (5 U.S.C. 6103)."""
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25), date(year + 1, 1, 1)]
    fixed += [date(year, 6, 19)] * (year >= 2021)  # noqa: PLR2004 (the year it was introduced)
    moving = [
        _nth(year, 2, _MONDAY, 3),
        _nth(year, 6, _MONDAY, 1) - 7 * _DAY,
        _nth(year, 9, _MONDAY, 1),
        _nth(year, 10, _MONDAY, 2),
        _nth(year, 11, _THURSDAY, 4),
    ]
    moving += [_nth(year, 1, _MONDAY, 3)] * (year >= 1986)  # noqa: PLR2004 (the year it was introduced)
    return frozenset([*moving, *(_observed(day) for day in fixed)])


def _observed(day: date) -> date:
    return day + {_SATURDAY: -_DAY, _SUNDAY: _DAY}.get(day.weekday(), timedelta(0))


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
