"""Rows kept out of the data: how a bad row is written down so that nothing of it is lost."""

import json
import math
from datetime import datetime

import polars as pl

from pipeline.market.bars import QUARANTINE_SCHEMA, empty


def quarantine(bad: pl.DataFrame, dataset: str, columns: list[str]) -> pl.DataFrame:
    """Return rows of `QUARANTINE_SCHEMA`.

    Parameters
    ----------
    bad
        Rows with ``symbol, ts, rule, severity, reason`` beside the columns of the data.
    dataset
        What the rows were meant for, such as ``market.ohlcv_h4``.
    columns
        The columns of the row as it came, kept in ``row_json`` (NaN and infinities as words, instants
        in ISO format).
    """
    rows = [json.dumps({k: _plain(v) for k, v in row.items()}) for row in bad.select(columns).to_dicts()]
    return pl.concat(
        [
            empty(QUARANTINE_SCHEMA),
            bad.select(
                pl.lit(dataset).alias("dataset"),
                "symbol",
                "ts",
                "rule",
                "severity",
                "reason",
                pl.Series("row_json", rows, dtype=pl.String),
            ),
        ]
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
