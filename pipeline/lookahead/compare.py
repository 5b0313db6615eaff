"""Cells that were known at an instant, compared bit for bit between the world as it was and another future.

A result is a frame with a key and ``known_at``; every other column is a cell.  All NaN are alike, as are all
NULL; 0.0 and -0.0 differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

KNOWN_AT = "known_at"
MOST_PLACES = 5
"""So many changed cells of one comparison are named; all are counted."""


@dataclass(frozen=True)
class Compared:
    """One comparison.

    Parameters
    ----------
    cells
        Values known at the instant in either world, ``known_at`` included.
    changed
        How many of them differ; a row that one world lacks counts with all its cells.
    places
        The first of them: ``row, column, before, after``.
    """

    cells: int
    changed: int
    places: tuple[dict[str, Any], ...] = ()


def compare(before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str], at: datetime) -> Compared:
    """Compare every cell known at ``at``.

    Parameters
    ----------
    before, after
        The same columns, rows in the order of the key: the world as it was, and with another future.
    key
        Columns that name a row, once each.
    at
        Rows with a later ``known_at`` are not looked at.
    """
    old, new = (frame.filter(pl.col(KNOWN_AT) <= at) for frame in (before, after))
    columns = [name for name in before.columns if name not in key]
    cells = len(columns) * max(old.height, new.height)
    if old.height == new.height and all(_same(old[name], new[name]).all() for name in before.columns):
        return Compared(cells, 0)
    return _differences(old, new, list(key), columns)


def _differences(old: pl.DataFrame, new: pl.DataFrame, key: list[str], columns: list[str]) -> Compared:
    sides = [side.with_columns(pl.lit(value=True).alias("there")) for side in (old, new)]
    both = sides[0].join(sides[1], on=key, how="full", suffix="_after", coalesce=True, nulls_equal=True)
    both = both.sort(key)
    alone = both.filter(pl.col("there").is_null() | pl.col("there_after").is_null())
    kept = both.filter(pl.col("there") & pl.col("there_after"))
    changed = alone.height * len(columns)
    places: list[dict[str, Any]] = [
        {
            "row": _row(row, key),
            "column": None,
            "before": bool(row["there"]),
            "after": bool(row["there_after"]),
        }
        for row in alone.head(MOST_PLACES).to_dicts()
    ]
    for name in columns:
        differs = kept.filter(pl.Series(~_same(kept[name], kept[f"{name}_after"])))
        changed += differs.height
        places += [
            {"row": _row(row, key), "column": name, "before": row[name], "after": row[f"{name}_after"]}
            for row in differs.head(MOST_PLACES).to_dicts()
        ]
    cells = len(columns) * both.height
    return Compared(cells, changed, tuple(places[:MOST_PLACES]))


def _row(row: dict[str, Any], key: list[str]) -> dict[str, Any]:
    return {name: row[name] for name in key}


def _same(one: pl.Series, other: pl.Series) -> np.ndarray:
    """Return where two columns hold the same bits, shape ``(rows,)``."""
    if one.dtype in (pl.Float64, pl.Float32):
        null = one.is_null().to_numpy(), other.is_null().to_numpy()
        bits = [_bits(column) for column in (one, other)]
        return (null[0] == null[1]) & (null[0] | (bits[0] == bits[1]))
    return one.eq_missing(other).to_numpy()


def _bits(column: pl.Series) -> np.ndarray:
    values = np.array(column.cast(pl.Float64).fill_null(0.0).to_numpy(), np.float64)
    values[np.isnan(values)] = np.nan
    return values.view(np.int64)
