"""A market source narrowed to some symbols, for ``bells data update --symbols``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import ComponentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from resources.market.port import Fetched, IncrementalSource, MarketSource, Timeframe, Window


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

    @property
    def incremental(self) -> OnlyTheseAsked | None:
        """Return the source narrowed in the same way, where it can be asked for less."""
        whole = self._source.incremental
        return None if whole is None else OnlyTheseAsked(whole, self._symbols)

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the source's answer without the other symbols; what names no symbol stays."""
        return narrowed(self._source.bars(timeframe, start, end, now=now), self._symbols)

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the source's macro series: they are no symbols."""
        return self._source.macro(start, end, now=now)

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the source's corporate actions of the chosen symbols; what names no symbol stays."""
        return narrowed(self._source.actions(start, end, now=now), self._symbols)

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        """Return the source's planted regimes."""
        return self._source.truth(start, end, now=now)


class OnlyTheseAsked(OnlySymbols):
    """An incremental source of which only some symbols are asked for."""

    def __init__(self, source: IncrementalSource, symbols: Collection[str]) -> None:
        super().__init__(source, symbols)
        self._asked = source

    @property
    def incremental(self) -> OnlyTheseAsked:
        """Return this source."""
        return self

    def bars(
        self,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        now: datetime,
        asked: Mapping[str, Sequence[Window]] | None = None,
    ) -> Fetched:
        """Return the bars of the chosen symbols; nobody asks for the others."""
        from resources.market.port import Window

        every = {s: [Window(start, end)] for s in self._symbols} if asked is None else asked
        mine = {symbol: windows for symbol, windows in every.items() if symbol in self._symbols}
        return self._asked.bars(timeframe, start, end, now=now, asked=mine)

    def macro(
        self,
        start: datetime,
        end: datetime,
        *,
        now: datetime,
        asked: Mapping[str, Sequence[Window]] | None = None,
    ) -> Fetched:
        """Return the source's macro series: they are no symbols."""
        return self._asked.macro(start, end, now=now, asked=asked)

    def expected(
        self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime
    ) -> dict[str, pl.DataFrame]:
        """Return what the calendars of the chosen symbols expect."""
        every = self._asked.expected(timeframe, start, end, now=now)
        return {symbol: frame for symbol, frame in every.items() if symbol in self._symbols}

    def series(self) -> tuple[str, ...]:
        """Return the names of the macro series."""
        return self._asked.series()


def narrowed(whole: Fetched, symbols: Collection[str]) -> Fetched:
    """Return the answer without other symbols; what names no symbol stays."""
    import polars as pl

    ours = pl.col("symbol").is_in(list(symbols))
    return replace(
        whole,
        frame=whole.frame.filter(ours),
        quarantined=whole.quarantined.filter(ours | pl.col("symbol").is_null()),
        findings=tuple(f for f in whole.findings if f.symbol is None or f.symbol in symbols),
        gaps=whole.gaps.filter(ours),
    )
