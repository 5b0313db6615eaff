"""The stored blocks of a chain source as the port wants them: read from the warehouse when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.tables import BLOCKS

if TYPE_CHECKING:
    import polars as pl

    from warehouse.store import Warehouse


@dataclass(frozen=True)
class WarehouseBlocks:
    """Stored blocks.

    Parameters
    ----------
    warehouse
        Where they are.
    feed
        The source that they came from.
    """

    warehouse: Warehouse
    feed: str

    def heights(self) -> tuple[int, int] | None:
        """Return the least and the greatest stored height; None without a block."""
        from warehouse.asof import visible

        query = f"SELECT min(height), max(height) FROM {BLOCKS.full_name} WHERE feed = ? AND {visible().sql}"
        with self.warehouse.read() as cursor:
            row = cursor.execute(query, [self.feed]).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def at(self, heights: range) -> pl.DataFrame:
        """Return the newest versions of the blocks at some heights, columns of ``BLOCK_SCHEMA``."""
        where = {"feed": self.feed, "height": list(heights)}
        return self.warehouse.as_of(BLOCKS, where=where).drop("feed")

    def doubled(self) -> int | None:
        """Return the least height with more than one active block; None where there is none."""
        from pipeline.chain.canonical import doubled
        from warehouse.asof import visible

        query = (
            f"SELECT height FROM {BLOCKS.full_name} WHERE feed = ? AND {visible().sql}"
            " GROUP BY height HAVING min(hash) <> max(hash)"
        )
        with self.warehouse.read() as cursor:
            forked = [height for (height,) in cursor.execute(query, [self.feed]).fetchall()]
        where = {"feed": self.feed, "height": forked}
        return doubled(self.warehouse.as_of(BLOCKS, where=where, columns=("height", "state")))

    def hashes(self) -> set[str]:
        """Return the names of all stored blocks."""
        stored = self.warehouse.as_of(BLOCKS, where={"feed": self.feed}, columns=("hash",))
        return set(stored["hash"])
