"""When derived days are known: what rests on a corrected day is known no earlier than the correction."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl


def dated(metrics: pl.DataFrame, stored: pl.DataFrame, values: Sequence[str], now: datetime) -> pl.DataFrame:
    """Return metrics with the ``known_at`` under which they may be stored.

    Parameters
    ----------
    metrics
        Derived days in order, with the ``known_at`` that their source gives them.
    stored
        Newest stored version of each day: ``ts``, the values and ``known_at``.
    values
        Columns whose difference makes another version.
    now
        When a correction is seen.

    Returns
    -------
    polars.DataFrame
        The same rows; a day is known no earlier than any day before it, a stored day when it was, a
        corrected one now.
    """
    theirs = stored.select(
        "ts", pl.col("known_at").alias("since_"), *(pl.col(name).alias(f"{name}_") for name in values)
    )
    beside = metrics.join(theirs, on="ts", how="left", maintain_order="left")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_")) for name in values)
    moment = pl.lit(now, pl.Datetime("us", "UTC"))
    known = (
        pl.when(pl.col("since_").is_null())
        .then("known_at")
        .when(differs)
        .then(pl.max_horizontal("known_at", "since_", moment))
        .otherwise("since_")
    )
    return metrics.with_columns(beside.select(known.cum_max().alias("known_at")).to_series())
