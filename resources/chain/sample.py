"""The simulated chain behind the port; the chain itself is `pipeline.chain.sample`."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from resources.chain.port import Days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl

    from pipeline.chain.metrics import Origin
    from pipeline.config.chain import SampleChain
    from resources.chain.port import Blocks, StoredBlocks
    from resources.market.port import Window

CODE_VERSION = "1"
"""Rises with every change of the simulated chain's laws."""


@dataclass(frozen=True)
class SampleChainSource:
    """A chain that goes with the simulated world.

    Parameters
    ----------
    parameters
        What it is made of.
    history
        Where the world begins.
    """

    parameters: SampleChain
    history: Window
    feed = "sample"
    simulated = True
    has_days = True
    has_blocks = False
    priced = False
    recheck_days = None

    @property
    def version(self) -> str:
        """Hash of the parameters and the laws."""
        text = f"{CODE_VERSION}\n{self.history.start}\n{self.parameters.model_dump_json()}"
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def origin(self) -> Origin:
        """What the parameters say of the time before the world."""
        from pipeline.chain.metrics import Origin

        sample = self.parameters
        return Origin(sample.height_before, sample.thermocap_usd_before)

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:
        """Return the simulated days of the window that were over at ``now``."""
        import polars as pl

        from pipeline.chain.days import with_prices
        from pipeline.chain.sample import simulated_days

        first = self.history.start.replace(hour=0, minute=0, second=0, microsecond=0)
        made = with_prices(simulated_days(self.parameters, first, min(end, now), prices), prices)
        inside = pl.col("ts").is_between(start, end, closed="left") & (pl.col("known_at") <= now)
        return Days(made.filter(inside))

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:  # noqa: ARG002 - the port
        """Yield nothing: days are drawn, not blocks."""
        return iter(())
