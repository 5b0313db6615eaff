"""Market sessions by calendar name, and the bars each calendar expects on the H4 grid and by day.

Hours and holidays come from exchange_calendars over a fixed span, so that the answer does not depend on
today.  The calendar wins over what happened on a day.  Nothing here says when a bar is known (`known`).
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

import numpy as np
import polars as pl

from pipeline.arrays import Time1D
from pipeline.calendar.grid import CELL64, cell_labels, cells_of_close, from_time64, to_time64, utc_days
from pipeline.errors import ComponentNotFoundError, TimestampError

ALWAYS_OPEN = "24/7"
EXCHANGES = ("XNYS",)
EquityBars = Literal["h4", "session2"]

_SPAN = ("1940-01-01", "2045-12-31")
_DAY = np.timedelta64(1, "D").astype("timedelta64[us]")
_MINUTE = np.timedelta64(60_000_000, "us")
_NEW_YORK_SPLIT = np.timedelta64(4 * 60 * 60_000_000, "us")
"""``session2`` cuts a session four hours after its open: 09:30-13:30 and 13:30-16:00 New York."""


@dataclass(frozen=True)
class SessionTable:
    """All sessions of one calendar, three arrays of shape ``(sessions,)`` in ``datetime64[us]``."""

    date: Time1D
    open_at: Time1D
    close_at: Time1D


@lru_cache(maxsize=8)
def session_table(calendar: str) -> SessionTable:
    """Return all sessions of an exchange calendar from 1940 to 2045.

    Raises
    ------
    ComponentNotFoundError
        When the name is unknown, or is ``24/7``, which has no sessions.
    """
    if calendar not in EXCHANGES:
        raise _unknown(calendar)
    from exchange_calendars import get_calendar

    schedule = get_calendar(calendar, start=_SPAN[0], end=_SPAN[1]).schedule
    date = schedule.index.to_numpy().astype("datetime64[us]")
    open_at = schedule["open"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    close_at = schedule["close"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    for column in (date, open_at, close_at):
        column.flags.writeable = False
    return SessionTable(date, open_at, close_at)


def expected_h4(
    calendar: str, start: datetime, end: datetime, *, equity_bars: EquityBars = "h4"
) -> pl.DataFrame:
    """Return the bars that must exist in ``start <= ts < end``.

    Parameters
    ----------
    calendar
        ``24/7`` or the name of an exchange, such as ``XNYS``.
    equity_bars
        ``h4`` meets each session with the grid; ``session2`` gives two bars a session, 09:30-13:30 and
        13:30-16:00 New York, one on a half day.  Where both would close in one cell (summer), the first
        takes the cell before: it closes after that cell's decision, so only ``known_at`` keeps it honest.

    Returns
    -------
    polars.DataFrame
        Columns ``ts, open_at, close_at, minutes``, sorted by ``ts``.

    Raises
    ------
    ComponentNotFoundError
        For an unknown calendar.
    TimestampError
        For naive or reversed bounds, or bounds outside the calendar's span.
    """
    lower, upper = _window(calendar, start, end)
    if calendar == ALWAYS_OPEN:
        first = cell_labels(np.array([lower]))[0]
        first = first if first == lower else first + CELL64
        ts = np.arange(first, upper, CELL64)
        return _frame(ts, ts, ts + CELL64)
    table = session_table(calendar)
    near = slice(*np.searchsorted(table.date, [lower - 2 * _DAY, upper + _DAY]))
    pieces = _session_halves if equity_bars == "session2" else _session_cells
    ts, open_at, close_at = pieces(table.open_at[near], table.close_at[near])
    inside = (ts >= lower) & (ts < upper)
    return _frame(ts[inside], open_at[inside], close_at[inside])


def expected_daily(calendar: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the daily bars that must exist in ``start <= ts < end``.

    ``ts`` is 00:00 UTC of the session date (of the UTC day for ``24/7``): a label, never the instant at
    which the bar is known.  Columns, errors and parameters as `expected_h4`.
    """
    lower, upper = _window(calendar, start, end)
    if calendar == ALWAYS_OPEN:
        first = utc_days(np.array([lower]))[0]
        first = first if first == lower else first + _DAY
        ts = np.arange(first, upper, _DAY)
        return _frame(ts, ts, ts + _DAY)
    table = session_table(calendar)
    inside = slice(*np.searchsorted(table.date, [lower, upper]))
    return _frame(table.date[inside], table.open_at[inside], table.close_at[inside])


def next_open(calendar: str, instant: datetime) -> datetime:
    """Return the first session open at or after the instant; for ``24/7`` the instant itself."""
    at = _inside_span(calendar, to_time64(instant), "instant")
    if calendar == ALWAYS_OPEN:
        return from_time64(at)
    opens = session_table(calendar).open_at
    return from_time64(opens[np.searchsorted(opens, at)])


def is_open(calendar: str, instant: datetime) -> bool:
    """Tell whether the market trades at the instant: ``open_at <= instant < close_at``."""
    at = _inside_span(calendar, to_time64(instant), "instant")
    if calendar == ALWAYS_OPEN:
        return True
    table = session_table(calendar)
    latest = int(np.searchsorted(table.open_at, at, side="right")) - 1
    return latest >= 0 and bool(at < table.close_at[latest])


def _session_cells(open_at: Time1D, close_at: Time1D) -> tuple[Time1D, Time1D, Time1D]:
    first, last = cell_labels(open_at), cells_of_close(close_at)
    count = (last - first) // CELL64 + 1
    row = np.repeat(np.arange(count.size), count)
    step = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    ts = first[row] + step * CELL64
    return ts, np.maximum(ts, open_at[row]), np.minimum(ts + CELL64, close_at[row])


def _session_halves(open_at: Time1D, close_at: Time1D) -> tuple[Time1D, Time1D, Time1D]:
    cut = np.minimum(open_at + _NEW_YORK_SPLIT, close_at)
    last = cells_of_close(close_at)
    whole = cut < close_at
    first = np.where(whole, np.minimum(cells_of_close(cut), last - CELL64), last)
    ts = np.concatenate([first, last[whole]])
    opens = np.concatenate([open_at, cut[whole]])
    closes = np.concatenate([cut, close_at[whole]])
    order = np.argsort(ts, kind="stable")
    return ts[order], opens[order], closes[order]


def _frame(ts: Time1D, open_at: Time1D, close_at: Time1D) -> pl.DataFrame:
    minutes = ((close_at - open_at) // _MINUTE).astype(np.int32)
    frame = pl.DataFrame({"ts": ts, "open_at": open_at, "close_at": close_at, "minutes": minutes})
    return frame.with_columns(pl.col("ts", "open_at", "close_at").dt.replace_time_zone("UTC"))


def _window(calendar: str, start: datetime, end: datetime) -> tuple[np.datetime64, np.datetime64]:
    lower = _inside_span(calendar, to_time64(start, "start"), "start")
    upper = _inside_span(calendar, to_time64(end, "end"), "end")
    if upper < lower:
        raise TimestampError("the window ends before it starts", "end", str(upper), f"end >= start {lower}")
    return lower, upper


def _inside_span(calendar: str, at: np.datetime64, field: str) -> np.datetime64:
    if calendar == ALWAYS_OPEN:
        return at
    if calendar not in EXCHANGES:
        raise _unknown(calendar)
    if not np.datetime64(_SPAN[0]) <= at <= np.datetime64(_SPAN[1]):
        raise TimestampError(
            f"outside the calendar {calendar}",
            field,
            str(at),
            f"{_SPAN[0]} to {_SPAN[1]}",
            "narrow the window",
        )
    return at


def _unknown(calendar: str) -> ComponentNotFoundError:
    return ComponentNotFoundError(
        "no such calendar", "calendar", calendar, f"one of {', '.join((ALWAYS_OPEN, *EXCHANGES))}"
    )
