"""Which of the stored rows of valuation models are those that the last walk gave.

A store that only appends keeps rows that models no longer give (a price was withdrawn, a newer forecast can
be judged).  What a walk leaves here tells them apart, and a digest proves that the rows are the same still.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from warehouse.store import Warehouse
    from warehouse.table import Table


def mark(table: Table, stored: pl.DataFrame, given: pl.DataFrame) -> str:
    """Return what `marked` finds the rows of a walk by.

    Parameters
    ----------
    table
        The declaration.
    stored
        All rows of this table as `stored_rows` reads them after the walk has written.
    given
        Rows of the walk; only their keys are read.

    Returns
    -------
    str
        JSON: stretches of ``stored`` in order of the key, as pairs of a length and whether the walk gave the
        rows in it, and the digest of those that it gave.
    """
    import polars as pl

    keys = given.select(table.key).with_columns(is_given=pl.lit(value=True))
    joined = stored.join(keys, on=table.key, how="left", maintain_order="left")
    flags = joined["is_given"].fill_null(value=False)
    stretches = [[each["len"], each["value"]] for each in flags.rle().struct.unnest().to_dicts()]
    return json.dumps({"stretches": stretches, "digest": _digest(table, stored.filter(flags))})


def marked(table: Table, stored: pl.DataFrame, text: str) -> pl.DataFrame | None:
    """Return the rows that a walk gave, or None where they are not what they were.

    Parameters
    ----------
    table
        The declaration.
    stored
        All rows of this table, from `stored_rows`.
    text
        From `mark`.
    """
    import polars as pl

    told = json.loads(text)
    if sum(length for length, _ in told["stretches"]) != stored.height:
        return None
    flags = [is_given for length, is_given in told["stretches"] for _ in range(length)]
    rows = stored.filter(pl.Series(flags, dtype=pl.Boolean))
    return rows if _digest(table, rows) == told["digest"] else None


def stored_rows(
    warehouse: Warehouse, table: Table, *, feed: str, config: str, at: datetime | None = None
) -> pl.DataFrame:
    """Return what is stored of one source and one choice of settings as of an instant, sorted by key."""
    return warehouse.as_of(table, at, where={"feed": feed, "config": config}).sort(table.key)


def _digest(table: Table, rows: pl.DataFrame) -> str | None:
    from warehouse.digest import digest_frame

    return digest_frame(table, rows) if rows.height else None
