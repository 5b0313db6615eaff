"""A market source narrowed to some symbols, for ``bells data update --symbols``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import ComponentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import polars as pl

    from resources.market.port import Fetched, MarketSource, Timeframe


class OnlySymbols:
    """A source that hands over the bars of ``symbols`` only.

    Parameters
    ----------
    source
        The whole source.
    symbols
        What to keep.

    Raises
    ------
    ComponentNotFoundError
        When the source has no such symbol.
    """

    def __init__(self, source: MarketSource, symbols: Collection[str]) -> None:
        known = source.instruments()
        strangers = sorted(set(symbols) - set(known))
        if strangers:
            raise ComponentNotFoundError(
                f"the source {source.feed} has no such symbol",
                field="--symbols",
                value=", ".join(strangers),
                constraint=f"among {', '.join(known)}",
                fix="write symbols as bells data status shows them, separated by commas",
            )
        self._source = source
        self._symbols = tuple(sorted(set(symbols)))
        self.feed = source.feed
        self.simulated = source.simulated
        self.version = source.version
        self.history = source.history
        self.backtest = source.backtest

    def instruments(self) -> tuple[str, ...]:
        """Return the chosen symbols."""
        return self._symbols

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the source's answer without the other symbols; what names no symbol stays."""
        import polars as pl

        whole = self._source.bars(timeframe, start, end, now=now)
        ours = pl.col("symbol").is_in(list(self._symbols))
        return replace(
            whole,
            frame=whole.frame.filter(ours),
            quarantined=whole.quarantined.filter(ours | pl.col("symbol").is_null()),
            findings=tuple(f for f in whole.findings if f.symbol is None or f.symbol in self._symbols),
            gaps=whole.gaps.filter(ours),
        )

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the source's macro series: they are no symbols."""
        return self._source.macro(start, end, now=now)

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the source's corporate actions of the chosen symbols; what names no symbol stays."""
        import polars as pl

        whole = self._source.actions(start, end, now=now)
        ours = pl.col("symbol").is_in(list(self._symbols))
        return replace(
            whole,
            frame=whole.frame.filter(ours),
            quarantined=whole.quarantined.filter(ours | pl.col("symbol").is_null()),
            findings=tuple(f for f in whole.findings if f.symbol is None or f.symbol in self._symbols),
        )

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        """Return the source's planted regimes."""
        return self._source.truth(start, end, now=now)
