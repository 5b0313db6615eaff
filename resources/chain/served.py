"""A chain source that serves days it was given, such as another future of another source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.chain.port import Days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl

    from pipeline.chain.metrics import Origin
    from resources.chain.port import Blocks, StoredBlocks
    from resources.market.port import Window


@dataclass(frozen=True)
class ServedChain:
    """A source over a frame.

    Parameters
    ----------
    rows
        Columns of ``DAY_SCHEMA``; the first row of a day counts.
    feed, simulated, priced
        As of the source that the rows come from.
    history
        The stretch of the rows.
    """

    rows: pl.DataFrame
    feed: str
    simulated: bool
    priced: bool
    history: Window
    version = "served"
    has_days = True
    has_blocks = False
    recheck_days = None

    @property
    def origin(self) -> Origin:
        """Nobody knows the height before a stretch; what miners had earned is left out."""
        from pipeline.chain.metrics import Origin

        return Origin(None)

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:
        """Return the days of the window that were known at ``now``."""
        import polars as pl

        from pipeline.chain.days import conform_days, with_prices

        inside = pl.col("ts").is_between(start, end, closed="left") & (pl.col("known_at") <= now)
        days = conform_days(self.rows.filter(inside)).unique("ts", keep="first", maintain_order=True)
        return Days(days if self.priced else with_prices(days, prices))

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:  # noqa: ARG002 - the port
        """Yield nothing."""
        return iter(())
