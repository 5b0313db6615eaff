"""From a vintage's date to the instant at which its value was known.

FRED's ``realtime_start`` is a calendar date in St. Louis and carries no hour.  Two readings are honest:

- The definitions (section 1) fix the hour of an ordinary copy: a daily series is there at 16:30 New York of
  the next business day.  Where that rule's instant falls on the vintage's date, or later because FRED posted
  in the evening of the very day, the rule is the answer, as it is for a file of the same series.
- Any other vintage (a revision, a late copy, a series without a rule) may have been posted at any minute of
  its date, often after New York's close.  The one instant by which it was certainly there is the end of that
  date in St. Louis; a revision is never known before the value that it revises.

00:00 of the date, or 16:30 New York for an evening update, would be look-ahead; a few hours too late costs
a decision or two on series that move once a day or a month.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

_ST_LOUIS = ZoneInfo("America/Chicago")
_NEW_YORK = ZoneInfo("America/New_York")
_CALENDAR_BEGINS = date(1941, 1, 1)
"""Release rules reach back to here; older periods go by their vintage alone."""


def known_by_rule(days: pl.Series, rule: str) -> pl.Series:
    """Return when values without vintages were known, UTC.

    Parameters
    ----------
    days
        Reference periods, dates, shape ``(n,)``.
    rule
        Name of a rule of `pipeline.calendar.known`.

    Raises
    ------
    ComponentNotFoundError
        When there is no such rule.
    TimestampError
        When a period is older than the rule's calendar.
    """
    import polars as pl

    from pipeline.calendar.known import known_at

    instants = known_at(rule, days.cast(pl.Datetime("us")).to_numpy())
    return pl.Series("known_at", instants).dt.replace_time_zone("UTC")


def known_by_vintage(days: pl.Series, since: pl.Series, rule: str | None) -> pl.Series:
    """Return when vintages were known, UTC.

    Parameters
    ----------
    days
        Reference periods, dates, shape ``(n,)``; all vintages of a period are there.
    since
        First dates on which FRED had the values.
    rule
        As in `known_by_rule`; None where the series has none.

    Notes
    -----
    Vintages of one period get the same instant where a later one came before the rule's: nobody counts as
    having known the earlier ones.
    """
    import polars as pl

    over = {day: _day_over(day) for day in since.unique()}
    ruled: dict[date, datetime] = {}
    if rule is not None:
        reached = days.filter(days >= _CALENDAR_BEGINS).unique()
        ruled = dict(zip(reached, known_by_rule(reached, rule), strict=True))
    earliest = dict(pl.DataFrame({"day": days, "since": since}).group_by("day").min().iter_rows())
    known = [
        over[vintage]
        if (by_rule := ruled.get(day)) is None or by_rule.astimezone(_NEW_YORK).date() < vintage
        else by_rule
        if vintage == earliest[day]
        else max(by_rule, over[vintage])
        for day, vintage in zip(days, since, strict=True)
    ]
    return pl.Series("known_at", known, dtype=pl.Datetime("us", "UTC"))


def _day_over(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), _ST_LOUIS).astimezone(UTC)
