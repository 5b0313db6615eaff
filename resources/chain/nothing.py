"""The chain source that has nothing, for a feed without chain rows: its assets say so and stay empty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from resources.chain.port import Days
from resources.market.port import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from pipeline.chain.metrics import Origin
    from resources.chain.port import Blocks, StoredBlocks

NO_ROWS = "no_chain_rows"
"""The rule of the finding that a source has none."""


@dataclass(frozen=True)
class NoChain:
    """A source without days and without blocks.

    Parameters
    ----------
    feed
        Whose assets stay empty.
    reason
        Why, for people.
    """

    feed: str
    reason: str
    simulated = False
    version = "none"
    history = Window(datetime(2009, 1, 3, tzinfo=UTC))
    has_days = True
    has_blocks = False
    priced = True
    recheck_days = None

    @property
    def origin(self) -> Origin:
        """Nothing."""
        from pipeline.chain.metrics import GENESIS

        return GENESIS

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:  # noqa: ARG002 - the port
        """Return no days, and why."""
        from pipeline.chain.days import DAY_SCHEMA, empty
        from pipeline.market.findings import Finding, Severity

        return Days(empty(DAY_SCHEMA), (Finding(NO_ROWS, Severity.INFO, self.feed, None, self.reason),))

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:  # noqa: ARG002 - the port
        """Yield nothing."""
        return iter(())
