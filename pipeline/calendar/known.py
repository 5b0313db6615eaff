"""When the world could know a value: one rule per kind of series.

A value's label (session date, reference month) is never the instant at which it was known.  The lower
bounds that check these rules stand in `bounds` and share nothing with this module.
"""

from datetime import timedelta
from enum import StrEnum
from functools import lru_cache

import numpy as np
import polars as pl

from pipeline.arrays import Time1D
from pipeline.calendar.grid import utc_days
from pipeline.calendar.sessions import ALWAYS_OPEN, session_table
from pipeline.errors import ComponentNotFoundError, ConfigError, TimestampError

VENDOR_LAG = timedelta(minutes=15)
"""How long after the fact a vendor's file has it, unless the source says otherwise."""
OWN_LAG = timedelta(0)
"""Bars that we build from our own bars are there at their close."""

_DAY = np.timedelta64(1, "D").astype("timedelta64[us]")
_NAT = np.datetime64("NaT", "us")


class KnownRule(StrEnum):
    """How a label becomes an instant of knowledge."""

    SESSION_CLOSE = "session_close"
    """Daily bar of an exchange: its session's close."""
    UTC_DAY = "utc_day"
    """Daily bar of a market without sessions: 00:00 UTC of the next day."""
    VIX_SETTLEMENT = "vix_settlement"
    """Cboe's index of the day: 16:15 New York."""
    FRED_DAILY = "fred_daily"
    """FRED's copy of a daily series: 16:30 New York of the next business day."""
    MONTHLY_RELEASE = "monthly_release"
    """Monthly activity series: 10:00 New York of the next month's first session."""


DEFAULT_LAG = {
    KnownRule.SESSION_CLOSE: VENDOR_LAG,
    KnownRule.UTC_DAY: OWN_LAG,
    KnownRule.VIX_SETTLEMENT: VENDOR_LAG,
    KnownRule.FRED_DAILY: timedelta(0),  # the rule is the vendor's own delay
    KnownRule.MONTHLY_RELEASE: VENDOR_LAG,
}


def bar_known_at(close_at: Time1D, lag: timedelta = OWN_LAG) -> Time1D:
    """Return ``close_at + lag`` for each bar, shape ``(n,)``.

    Raises
    ------
    ConfigError
        When the lag is negative.
    """
    return close_at.astype("datetime64[us]", copy=False) + _lag64(lag)


def known_at(
    rule: KnownRule | str, ts: Time1D, *, calendar: str = "XNYS", lag: timedelta | None = None
) -> Time1D:
    """Return when the values labelled ``ts`` were known.

    Parameters
    ----------
    rule
        A `KnownRule` or its name.
    ts
        Session dates, UTC days or days of the reference month, ``datetime64``, shape ``(n,)``.
    calendar
        The exchange whose sessions count; not read by ``utc_day`` and ``vix_settlement``.
    lag
        Added to the rule's instant; `DEFAULT_LAG` when not given.

    Returns
    -------
    Time1D
        ``datetime64[us]``; NaT where the label is no session of the calendar (``session_close``).

    Raises
    ------
    ComponentNotFoundError
        When the rule or the calendar is unknown.
    ConfigError
        When the lag is negative.
    TimestampError
        When a label is NaT or outside the calendar.

    Notes
    -----
    Rules of the definitions, section 1 ("known_at").  Half days do not move the VIX settlement forward:
    later than true is safe, earlier is not.
    """
    try:
        chosen = KnownRule(rule)
    except ValueError:
        names = ", ".join(KnownRule)
        raise ComponentNotFoundError("no such rule", "known_at", rule, f"one of {names}") from None
    days = utc_days(np.asarray(ts))
    if np.isnat(days).any():
        raise TimestampError("a label is missing", "ts", "NaT", "a date")
    wait = _lag64(DEFAULT_LAG[chosen] if lag is None else lag)
    return _INSTANT[chosen](days, calendar) + wait


def _session_close(days: Time1D, calendar: str) -> Time1D:
    if calendar == ALWAYS_OPEN:
        return _utc_day(days, calendar)
    table = session_table(calendar)
    place = np.minimum(np.searchsorted(table.date, days), table.date.size - 1)
    return np.where(table.date[place] == days, table.close_at[place], _NAT)


def _utc_day(days: Time1D, _calendar: str) -> Time1D:
    return days + _DAY


def _vix_settlement(days: Time1D, _calendar: str) -> Time1D:
    return _new_york(days, 16, 15)


def _fred_daily(days: Time1D, calendar: str) -> Time1D:
    return _new_york(_following(_business_days(calendar), days, "right"), 16, 30)


def _monthly_release(days: Time1D, calendar: str) -> Time1D:
    next_month = (days.astype("datetime64[M]") + 1).astype("datetime64[us]")
    return _new_york(_following(session_table(calendar).date, next_month, "left"), 10, 0)


_INSTANT = {
    KnownRule.SESSION_CLOSE: _session_close,
    KnownRule.UTC_DAY: _utc_day,
    KnownRule.VIX_SETTLEMENT: _vix_settlement,
    KnownRule.FRED_DAILY: _fred_daily,
    KnownRule.MONTHLY_RELEASE: _monthly_release,
}


@lru_cache(maxsize=4)
def _business_days(calendar: str) -> Time1D:
    """Sessions on which the federal government works as well: Columbus Day trades, but FRED waits."""
    from pandas.tseries.holiday import USFederalHolidayCalendar

    sessions = session_table(calendar).date
    closed = USFederalHolidayCalendar().holidays(start=sessions[0], end=sessions[-1])
    days = sessions[~np.isin(sessions, closed.to_numpy().astype("datetime64[us]"))]
    days.flags.writeable = False
    return days


def _following(calendar_days: Time1D, days: Time1D, side: str) -> Time1D:
    place = np.searchsorted(calendar_days, days, side="right" if side == "right" else "left")
    outside = (place == calendar_days.size) | (days < calendar_days[0])
    if outside.any():
        raise TimestampError(
            "outside the calendar",
            "ts",
            str(days[outside][0]),
            f"{calendar_days[0]} to {calendar_days[-1]}",
            "leave older rows out",
        )
    return calendar_days[place]


def _new_york(days: Time1D, hour: int, minute: int) -> Time1D:
    wall = pl.Series(days + np.timedelta64(hour * 60 + minute, "m"))
    utc = wall.dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
    return utc.dt.replace_time_zone(None).to_numpy()


def _lag64(lag: timedelta) -> np.timedelta64:
    if lag < timedelta(0):
        raise ConfigError(
            "a negative lag is look-ahead", "lag", str(lag), "a duration >= 0", "give the delay"
        )
    return np.timedelta64(lag)
