"""The chain source port: what every source of days and blocks of the Bitcoin chain offers.

One idea: a source tells days (somebody counted them), or blocks (days are counted from what is stored), or
both.  What is cumulative is nobody's business here: `pipeline.chain.metrics` derives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.chain.metrics import Origin
    from pipeline.market.findings import Finding
    from resources.market.file_marks import FileMark
    from resources.market.port import Window


@dataclass(frozen=True)
class Days:
    """Days that a source told.

    Parameters
    ----------
    frame
        Columns of ``DAY_SCHEMA``, sorted, one row a day.
    findings
        What the adapter had to say.
    files
        The files it was read from.
    """

    frame: pl.DataFrame
    findings: Sequence[Finding] = ()
    files: Sequence[FileMark] = field(default=())


@dataclass(frozen=True)
class Blocks:
    """One piece of blocks, to be stored in one transaction.

    Parameters
    ----------
    frame
        Columns of ``BLOCK_SCHEMA``: new blocks, and stored ones that have become stale.
    findings
        What the adapter had to say.
    """

    frame: pl.DataFrame
    findings: Sequence[Finding] = ()


class StoredBlocks(Protocol):
    """What is stored of a source's blocks, read when it is asked for: a chain is long, an update short."""

    def heights(self) -> tuple[int, int] | None:
        """Return the least and the greatest stored height; None without a block."""
        ...

    def at(self, heights: range) -> pl.DataFrame:
        """Return the newest versions of the blocks at some heights, columns of ``BLOCK_SCHEMA``."""
        ...

    def doubled(self) -> int | None:
        """Return the least height with more than one active block; None where there is none."""
        ...

    def hashes(self) -> set[str]:
        """Return the names of all stored blocks."""
        ...


class ChainSource(Protocol):
    """One source of the chain, simulated or real."""

    @property
    def feed(self) -> str:
        """Name of the source in every table."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether its rows are made up."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same call may answer differently."""
        ...

    @property
    def history(self) -> Window:
        """The days it covers."""
        ...

    @property
    def origin(self) -> Origin:
        """What had happened before its first day."""
        ...

    @property
    def has_days(self) -> bool:
        """Whether it tells days; else they are counted from its stored blocks."""
        ...

    @property
    def has_blocks(self) -> bool:
        """Whether it tells blocks."""
        ...

    @property
    def priced(self) -> bool:
        """Whether it tells prices; else the daily closes of the market source are handed to it."""
        ...

    @property
    def recheck_days(self) -> int | None:
        """How many of the newest stored days are asked for again; None: it holds everything itself."""
        ...

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:
        """Return the days with ``start <= ts < end`` that were over and told at ``now``.

        Parameters
        ----------
        start, end
            00:00 UTC of days.
        now
            What is known later is not in the answer.
        prices
            Columns of ``PRICE_SCHEMA`` for a source that is not `priced`; else ignored.

        Raises
        ------
        SourceError
            When it is out of reach or refuses.
        """
        ...

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:
        """Yield what is missing, oldest first, in pieces that each lead on from what is stored.

        Parameters
        ----------
        stored
            The stored blocks; a piece is among them before the next one is asked for.
        now
            When they are seen.

        Raises
        ------
        SourceError
            When the source is out of reach or refuses; what was yielded before stays good.
        """
        ...
