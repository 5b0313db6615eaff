"""A market source that serves rows it was given, such as another future of another source.

The rows go through the same checks as those of any adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.market.checked import checked_bars, expected_bars
from resources.market.port import Fetched, Timeframe, Window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from resources.market.port import Listed

TABLES: Mapping[Timeframe, str] = {"h4": "market.ohlcv_h4", "daily": "market.ohlcv_daily"}


@dataclass(frozen=True)
class ServedSource:
    """A source over frames.

    Parameters
    ----------
    rows
        By full name of the table they belong in: bars of both timeframes, macro, actions and truth.
    listed
        What every symbol is.
    feed, simulated
        As of the source that the rows come from.
    history, backtest
        The stretch of the rows, and what a backtest takes of it.
    """

    rows: Mapping[str, pl.DataFrame]
    listed: Mapping[str, Listed]
    feed: str
    simulated: bool
    history: Window
    backtest: Window
    version = "served"
    incremental = None

    def instruments(self) -> tuple[str, ...]:
        """Return the symbols that have bars."""
        names = {symbol for table in TABLES.values() for symbol in self.rows[table]["symbol"].unique()}
        return tuple(sorted(names))

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the bars with ``start <= ts < end`` that were known at ``now``."""
        from dataclasses import replace

        from pipeline.market.bars import BAR_SCHEMA

        frame = self._between(TABLES[timeframe], start, end, now).select(list(BAR_SCHEMA))
        symbols = frame["symbol"].unique().sort()
        expected = {}
        for symbol in symbols:
            own = frame["ts"].filter(frame["symbol"] == symbol).sort()
            first = Window(own.head(1).item(), end)
            expected[symbol] = expected_bars(self.listed[symbol].instrument, timeframe, first, now=now)
        checked = checked_bars(frame, timeframe=timeframe, expected=expected, now=now)
        borrowed = {s: self.listed[s] for s in symbols if self.listed[s].like is not None}
        return replace(checked, listed=borrowed)

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the observations with ``start <= ts < end`` that were known at ``now``."""
        from pipeline.market.bars import MACRO_SCHEMA

        return _plain(self._between("market.macro", start, end, now).select(list(MACRO_SCHEMA)))

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the splits and dividends of the window that were known at ``now``."""
        from pipeline.market.actions import ACTION_SCHEMA

        return _plain(self._between("market.corporate_actions", start, end, now).select(list(ACTION_SCHEMA)))

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        """Return the planted regimes of the window, where there are any."""
        return self._between("market.truth", start, end, now).drop("feed", strict=False)

    def _between(self, table: str, start: datetime, end: datetime, now: datetime) -> pl.DataFrame:
        import polars as pl

        inside = pl.col("ts").is_between(start, end, closed="left") & (pl.col("known_at") <= now)
        return self.rows[table].filter(inside)


def _plain(frame: pl.DataFrame) -> Fetched:
    from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty

    return Fetched(frame, empty(QUARANTINE_SCHEMA), (), empty(GAP_SCHEMA))
