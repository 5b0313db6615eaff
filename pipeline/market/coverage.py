"""How much of what the calendars expect is there, by symbol and month."""

from collections.abc import Mapping

import polars as pl

COVERAGE_SCHEMA: Mapping[str, pl.DataType] = {
    "symbol": pl.String(),
    "month": pl.Date(),
    "expected": pl.UInt32(),
    "present": pl.UInt32(),
}
"""One row for each symbol and month in which a bar is expected."""


def coverage_by_month(bars: pl.DataFrame, expected: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Count expected bars and those of them that are there.

    Parameters
    ----------
    bars
        Columns ``symbol, ts``; a bar that nobody expects does not count.
    expected
        By symbol the ``ts`` that its calendar expects.

    Returns
    -------
    polars.DataFrame
        Columns of `COVERAGE_SCHEMA`, sorted by symbol and month.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> days = pl.DataFrame({"ts": [datetime(2024, 1, d, tzinfo=UTC) for d in (2, 3, 4)]})
    >>> coverage_by_month(days.head(2).with_columns(symbol=pl.lit("SPY")), {"SPY": days}).row(0)
    ('SPY', datetime.date(2024, 1, 1), 3, 2)
    """
    parts = [frame.select(pl.lit(symbol).alias("symbol"), "ts") for symbol, frame in expected.items()]
    if not parts:
        return pl.DataFrame(schema=dict(COVERAGE_SCHEMA))
    there = bars.select("symbol", "ts", there=pl.lit(value=True)).unique(["symbol", "ts"])
    return (
        pl.concat(parts)
        .join(there, on=["symbol", "ts"], how="left")
        .group_by("symbol", pl.col("ts").dt.date().dt.truncate("1mo").alias("month"))
        .agg(
            pl.len().cast(pl.UInt32).alias("expected"),
            pl.col("there").count().cast(pl.UInt32).alias("present"),
        )
        .sort("symbol", "month")
    )
