"""What no day of a chain can hold: an impossible number, another instant than midnight, two states at once.

One idea: what is cumulative rests on every day before it, so one damaged day is refused with all of them, and
what is stored stays.
"""

import polars as pl

from pipeline.chain.days import AMOUNTS, COUNTS
from pipeline.errors import SourceError

_LEAST = {"height": -1}
_MOST = 2**31 - 1


def sound_days(days: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return days in order, each once; one that comes again with the same numbers is left out.

    Parameters
    ----------
    days
        Column ``ts`` and any of the amounts and counts of ``DAY_SCHEMA``, as floats; NaN is unknown.
    where
        File or address that they came from, for the message.

    Raises
    ------
    SourceError
        When a day is no UTC day, a price is not above 0, another number is negative, infinite or, for a
        count, no whole number; or when a day comes twice and differs.
    """
    off = days.filter(pl.col("ts") != pl.col("ts").dt.truncate("1d"))
    _require_none(off, where, "ts", "a row is not that of a UTC day", "00:00 UTC of a day")
    for name in (*AMOUNTS, *COUNTS):
        if name in days.columns:
            impossible, rule = _rule(name)
            _require_none(days.filter(impossible), where, name, "a day holds an impossible number", rule)
    numbers = [name for name in days.columns if name == "ts" or name in (*AMOUNTS, *COUNTS)]
    once = days.sort("ts", maintain_order=True).unique(numbers, keep="first", maintain_order=True)
    twice = once.filter(pl.col("ts").is_duplicated())
    _require_none(twice, where, "ts", "a day comes twice with different numbers", "one row a day")
    return once


def _rule(name: str) -> tuple[pl.Expr, str]:
    """Return what a column must not be, and in words what it must be."""
    value = pl.col(name).fill_nan(None)
    if name == "price_usd":
        return (value <= 0) | value.is_infinite(), "a number above 0, or none"
    least = _LEAST.get(name, 0)
    if name in COUNTS:
        outside = ~value.is_between(least, _MOST)
        return outside | (value != value.round()), f"a whole number from {least} to {_MOST:,}, or none"
    return (value < least) | value.is_infinite(), f"a number from {least}, or none"


def _require_none(wrong: pl.DataFrame, where: str, name: str, what: str, constraint: str) -> None:
    if wrong.is_empty():
        return
    row = wrong.row(0, named=True)
    raise SourceError(
        f"{what}, first on {row['ts']:%Y-%m-%d} (rows concerned: {wrong.height})",
        field=f"{row.get('source', where)}: {name}",
        value=str(row[name]),
        constraint=constraint,
        fix="correct the row, or fetch it again; what is unknown is left empty",
    )
