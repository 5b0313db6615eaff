"""Corporate actions: their columns, when each was known, and the rules that a row must keep.

What they do to prices is `adjustment`'s business.
"""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
import polars as pl

from pipeline.calendar.sessions import ALWAYS_OPEN, session_table
from pipeline.errors import TimestampError
from pipeline.market.bars import UTC_TIME
from pipeline.market.findings import Severity
from pipeline.market.quarantine import quarantine
from pipeline.market.rules import Rule, judge, repeat_rules, with_repeats

DATASET = "market.corporate_actions"


class ActionKind(StrEnum):
    """What a company did."""

    SPLIT = "split"
    DIVIDEND = "dividend"


ACTION_SCHEMA: Mapping[str, pl.DataType] = {
    "symbol": pl.String(),
    "ts": UTC_TIME,
    "kind": pl.String(),
    "value": pl.Float64(),
    "currency": pl.String(),
    "declared_at": UTC_TIME,
    "source": pl.String(),
    "simulated": pl.Boolean(),
    "known_at": UTC_TIME,
}
"""Corporate actions: ``ts`` is 00:00 UTC of the ex-date; ``value`` is new shares for one old one, or cash for
one share as paid then."""


def actions_known_at(ts: pl.Series, declared_at: pl.Series, calendar: str) -> pl.Series:
    """Return when actions were known: when they were declared, else at the open of the ex-date's session.

    Parameters
    ----------
    ts
        Ex-dates, UTC; one that is no session counts from the next session's open.
    declared_at
        Instants of the announcement, NULL where the source does not say.
    calendar
        Name of the instrument's calendar.

    Raises
    ------
    ComponentNotFoundError
        When the calendar is unknown.
    TimestampError
        When an ex-date is missing or later than the calendar.
    """
    days = ts.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    if calendar == ALWAYS_OPEN:
        opens = days
    else:
        table = session_table(calendar)
        place = np.searchsorted(table.date, days)
        if (place == table.date.size).any() or np.isnat(days).any():
            raise TimestampError(
                "an ex-date is missing or outside the calendar",
                "ts",
                str(days.max()),
                f"up to {table.date[-1]}",
                "leave such rows out",
            )
        opens = table.open_at[place]
    by_session = pl.Series("known_at", opens).dt.replace_time_zone("UTC")
    return pl.select(pl.coalesce(declared_at, by_session).alias("known_at")).to_series()


def judged_actions(rows: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the actions that make sense, and as rows of quarantine those that do not.

    Parameters
    ----------
    rows
        ``symbol, ts, kind, value, currency, declared_at`` and whatever else the source gave.
    columns
        The columns in which two rows must be alike to be the same one, kept in the quarantine.
    """
    given = pl.any_horizontal(pl.col("symbol", "ts", "kind", "value").is_null())
    cash = pl.col("kind") == ActionKind.DIVIDEND
    value, error = pl.col("value"), Severity.ERROR
    rules = [
        Rule("missing_value", error, given, pl.lit("the symbol, ex-date, kind or value is missing")),
        Rule(
            "unknown_kind",
            error,
            ~pl.col("kind").is_in(list(ActionKind)),
            pl.format("{} is none of " + ", ".join(ActionKind), "kind"),
        ),
        Rule("not_finite", error, ~value.is_finite(), pl.format("value {}", value)),
        Rule("non_positive", error, value <= 0, pl.format("value {}", value)),
        Rule("no_currency", error, cash & pl.col("currency").is_null(), pl.lit("cash of no currency")),
        *repeat_rules(),
    ]
    good, bad = judge(with_repeats(rows, ("symbol", "ts", "kind"), columns), rules)
    return good.select(rows.columns), quarantine(bad, DATASET, columns)
