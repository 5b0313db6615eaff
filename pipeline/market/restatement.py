"""The restatement meter: how much later versions changed what was published first.

A provisional or imputed bar is our own stand-in, so only final bars count as published.
"""

from collections.abc import Sequence

import polars as pl

METER: dict[str, pl.DataType] = {
    "cells": pl.Int64(),
    "restated": pl.Int64(),
    "share": pl.Float64(),
    "mean_change": pl.Float64(),
    "max_change": pl.Float64(),
    "first": pl.Datetime("us", "UTC"),
    "last": pl.Datetime("us", "UTC"),
}
"""Cells of numbers published, how many of them were restated and which share that is, mean and largest
relative change of those, and the labels of the first and the last row concerned."""


def restatement(versions: pl.DataFrame, by: str, values: Sequence[str]) -> pl.DataFrame:
    """Return one row of `METER` for each symbol or series.

    Parameters
    ----------
    versions
        Every version, in the order in which they became known: ``by``, ``ts``, ``vintage``, the values, and
        of bars ``state``.
    by
        ``symbol`` or ``series``.
    values
        Columns of numbers.

    Returns
    -------
    polars.DataFrame
        ``by`` and `METER`, sorted; all of it NULL where only the latest revision exists, since then nobody
        can know what was published first.
    """
    published = versions if "state" not in versions.columns else versions.filter(pl.col("state") == "final")
    key = [by, "ts"]
    pairs = published.group_by(key, maintain_order=True).agg(
        *(pl.col(v).first().alias(f"{v}_first") for v in values), *(pl.col(v).last() for v in values)
    )
    cells = pl.concat(
        [pairs.select(by, "ts", old=f"{v}_first", new=v) for v in values], how="vertical"
    ).filter(pl.col("old").is_not_null() | pl.col("new").is_not_null())
    differs = pl.col("old").ne_missing(pl.col("new"))
    change = (pl.col("new") / pl.col("old") - 1.0).abs()
    known = differs & pl.col("old").is_not_null() & pl.col("new").is_not_null() & (pl.col("old") != 0.0)
    metered = cells.group_by(by).agg(
        cells=pl.len(),
        restated=differs.sum(),
        share=differs.mean(),
        mean_change=change.filter(known).mean(),
        max_change=change.filter(known).max(),
        first=pl.col("ts").filter(differs).min(),
        last=pl.col("ts").filter(differs).max(),
    )
    dated = versions.group_by(by).agg(measurable=(pl.col("vintage") == "as_published").any())
    joined = dated.join(metered, on=by, how="left").sort(by)
    return joined.select(
        by, *(pl.when("measurable").then(pl.col(c)).cast(dtype).alias(c) for c, dtype in METER.items())
    )
