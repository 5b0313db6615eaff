"""Frames read like a warehouse: what functions that read one are proved with, a thousand times over.

It answers `versions` and `as_of` as the store does, and holds nothing but what it was given.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.table import KNOWN_AT, Table

if TYPE_CHECKING:
    import polars as pl


class FrameStore:
    """A store over frames.

    Parameters
    ----------
    frames
        Every version of the rows by full name of their table, sorted by its key and by the order in which
        they became known; a table that is not here is empty.
    """

    path = Path("/nonexistent")
    """There is no file, so nobody looks for what only a file holds."""

    def __init__(self, frames: "Mapping[str, pl.DataFrame]") -> None:
        self._frames = frames

    def versions(
        self,
        table: Table,
        at: datetime | None = None,
        *,
        where: Mapping[str, object] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> "pl.DataFrame":
        """Return what `Warehouse.versions` would."""
        import polars as pl

        from warehouse.frames import schema

        if table.full_name not in self._frames:
            return pl.DataFrame(schema=schema(table)).select(table.readable)
        conditions = []
        for name, value in (where or {}).items():
            column = pl.col(name)
            listed = isinstance(value, Sequence) and not isinstance(value, str)
            conditions.append(column.is_in(value) if listed else column.eq_missing(pl.lit(value)))
        if at is not None:
            conditions.append(pl.col(KNOWN_AT) <= at)
        if table.time is not None:
            conditions += [pl.col(table.time) >= start] if start is not None else []
            conditions += [pl.col(table.time) < end] if end is not None else []
        return self._frames[table.full_name].filter(*conditions).select(table.readable)

    def as_of(
        self,
        table: Table,
        at: datetime | None = None,
        *,
        where: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> "pl.DataFrame":
        """Return what `Warehouse.as_of` would, on the clock ``known_at``."""
        rows = self.versions(table, at, where=where, start=start, end=end)
        newest = rows.unique(table.key, keep="last", maintain_order=True)
        return newest.select(table.readable if columns is None else columns)
