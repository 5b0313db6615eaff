"""The columns of a day and of a block as a chain source hands them over; what follows from them is `metrics`.

A day is what somebody counted: prices, counts, coins.  Nothing here is cumulative, so a day can be asked for
alone.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from pipeline.errors import SchemaError

UTC_TIME = pl.Datetime("us", "UTC")
DAY = timedelta(days=1)

AMOUNTS = (
    "price_usd",
    "supply_btc",
    "issuance_btc",
    "fees_btc",
    "market_cap_usd",
    "realized_cap_usd",
    "mvrv",
    "hash_rate_ths",
)
COUNTS = ("block_count", "height", "tx_count", "active_addresses")

DAY_SCHEMA: Mapping[str, pl.DataType] = {
    "ts": UTC_TIME,
    **{name: pl.Float64() for name in AMOUNTS},
    **{name: pl.Int32() for name in COUNTS},
    "source": pl.String(),
    "vintage": pl.String(),
    "simulated": pl.Boolean(),
    "known_at": UTC_TIME,
}
"""One UTC day; every amount and count may be NULL, which means unknown.  ``price_usd`` is that of its END."""

BLOCK_SCHEMA: Mapping[str, pl.DataType] = {
    "hash": pl.String(),
    "ts": UTC_TIME,
    "height": pl.Int32(),
    "prev_hash": pl.String(),
    "median_time": UTC_TIME,
    "tx_count": pl.Int32(),
    "size": pl.Int32(),
    "weight": pl.Int32(),
    "inputs": pl.Int32(),
    "outputs": pl.Int32(),
    "difficulty": pl.Float64(),
    "subsidy_btc": pl.Float64(),
    "fees_btc": pl.Float64(),
    "coinbase_btc": pl.Float64(),
    "state": pl.String(),
    "source": pl.String(),
    "simulated": pl.Boolean(),
    "known_at": UTC_TIME,
}
"""One block; ``state`` is active or stale."""

PRICE_SCHEMA: Mapping[str, pl.DataType] = {
    "ts": UTC_TIME,
    "price_usd": pl.Float64(),
    "known_at": UTC_TIME,
}
"""The price at the end of a UTC day, for a source that knows none."""

ACTIVE, STALE = "active", "stale"
_REQUIRED_DAY = ("ts", "simulated", "known_at")


def conform_days(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the columns of `DAY_SCHEMA`, sorted by day; an absent amount or count is NULL.

    NaN becomes NULL, foreign columns are left out.

    Raises
    ------
    SchemaError
        When a required column is missing or a column holds another type.
    """
    absent = [name for name in _REQUIRED_DAY if name not in frame.columns]
    if absent:
        raise SchemaError(
            "a required column is missing",
            field=absent[0],
            value=sorted(frame.columns),
            constraint=f"columns {', '.join(_REQUIRED_DAY)}",
            fix=f"add {absent[0]}",
        )
    made = []
    for name, dtype in DAY_SCHEMA.items():
        column = pl.col(name) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        if name in frame.columns and frame.schema[name].is_float():
            column = column.fill_nan(None)
        made.append(column.cast(dtype))
    try:
        return frame.select(made).sort("ts")
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            "a column of days has the wrong type",
            field="days",
            value=dict(frame.schema),
            constraint="numbers, texts and instants as declared",
            fix=str(error).splitlines()[0],
        ) from error


def empty(schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return a frame of that schema without rows."""
    return pl.DataFrame(schema=dict(schema))


def with_prices(days: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Return days with the price at their end; a day is known no earlier than its price.

    Parameters
    ----------
    days
        Columns of `DAY_SCHEMA`; a price that stands there stays.
    prices
        Columns of `PRICE_SCHEMA`, one row a day.
    """
    known = prices.select("ts", pl.col("price_usd").alias("price_"), pl.col("known_at").alias("since_"))
    return (
        days.join(known, on="ts", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("price_usd", "price_").alias("price_usd"),
            pl.when(pl.col("price_usd").is_null())
            .then(pl.max_horizontal("known_at", "since_"))
            .otherwise("known_at")
            .alias("known_at"),
        )
        .drop("price_", "since_")
    )
