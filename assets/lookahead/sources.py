"""The source rows of a proof: all that the configured source has, in overlapping stretches of some years."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from assets.lookahead.chain import DAYS, chain_days
from pipeline.errors import InsufficientDataError
from warehouse.tables import CORPORATE_ACTIONS, MACRO, OHLCV_DAILY, OHLCV_H4, TRUTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import polars as pl

    from pipeline.lookahead.proof import Stretch
    from resources.desk import Desk
    from resources.market.port import Listed

LENGTH = timedelta(days=3 * 365)
STEP = timedelta(days=365)
"""A stretch of three years begins every year, so a year lies in up to three of them."""
WARM = {
    OHLCV_DAILY.full_name: timedelta(days=420),
    MACRO.full_name: timedelta(days=1000),
    DAYS: timedelta(days=400),
}
"""So much earlier begin the series that look back over sessions, releases and days."""
SETTLED = 0.2
"""Share of a stretch before the first cut."""


@dataclass(frozen=True)
class Sources:
    """What a source holds.

    Parameters
    ----------
    rows
        By full name of their table, sorted by key, in the columns that a read of the table returns.
    listed
        What each symbol is.
    traded
        Symbols with H4 bars.
    """

    rows: Mapping[str, pl.DataFrame]
    listed: Mapping[str, Listed]
    traded: tuple[str, ...]

    def between(self, start: datetime, end: datetime, symbols: frozenset[str]) -> dict[str, pl.DataFrame]:
        """Return the rows of a stretch of labels, of some symbols and of all other series."""
        import polars as pl

        found = {}
        for name, rows in self.rows.items():
            since = start - WARM.get(name, timedelta(0))
            inside = pl.col("ts").is_between(since, end, closed="left")
            chosen = (
                pl.col("symbol").is_in(sorted(symbols)) if "symbol" in rows.columns else pl.lit(value=True)
            )
            found[name] = rows.filter(inside & chosen).rechunk()
        return found


def read_sources(desk: Desk) -> Sources:
    """Ask the configured source for everything it has.

    Raises
    ------
    InsufficientDataError
        When it has no H4 bars.
    """
    import polars as pl

    from resources.market.port import TIMEFRAMES, Listed
    from warehouse.frames import schema

    market, now = desk.market, desk.clock.now()
    window = (market.history.start, market.history.until(now))
    bars = {timeframe: market.bars(timeframe, *window, now=now) for timeframe in TIMEFRAMES}
    frames = {OHLCV_H4: bars["h4"].frame, OHLCV_DAILY: bars["daily"].frame}
    frames[MACRO] = market.macro(*window, now=now).frame
    frames[CORPORATE_ACTIONS] = market.actions(*window, now=now).frame
    frames[TRUTH] = market.truth(*window, now=now)
    if not frames[OHLCV_H4].height:
        raise InsufficientDataError(
            "the source has no H4 bars to prove anything with",
            field="--source",
            value=market.feed,
            constraint="at least one H4 bar",
            fix="name another source",
        )
    named = {
        table: rows.with_columns(feed=pl.lit(market.feed))
        .select(table.readable)
        .cast(dict(schema(table).items()))
        for table, rows in frames.items()
    }
    listed = {symbol: Listed(entry) for symbol, entry in desk.loaded.settings.instruments.items()}
    for fetched in bars.values():
        listed |= {symbol: taken for symbol, taken in fetched.listed.items() if symbol not in listed}
    found = {table.full_name: rows.sort(*table.key, "known_at") for table, rows in named.items()}
    return Sources(
        found | {DAYS: chain_days(desk, frames[OHLCV_DAILY], now).sort("ts", "known_at")},
        listed,
        tuple(frames[OHLCV_H4]["symbol"].unique().sort()),
    )


def stretches(sources: Sources, keep: frozenset[str]) -> Iterator[Stretch]:
    """Yield overlapping stretches that together hold every H4 bar and every symbol.

    Parameters
    ----------
    sources
        All there is.
    keep
        Symbols that no stretch goes without; the others are dealt out, each to one stretch.
    """
    from pipeline.lookahead.proof import Stretch

    labels = sources.rows[OHLCV_H4.full_name]["ts"].sort()
    first, last = labels.head(1).item(), labels.tail(1).item() + timedelta(hours=4)
    length = min(LENGTH, last - first)
    starts = [first]
    while starts[-1] + length < last:
        starts.append(min(starts[-1] + STEP, last - length))
    everyone = sources.rows[OHLCV_DAILY.full_name]["symbol"].unique().sort().to_list()
    others = [symbol for symbol in everyone if symbol not in keep]
    for place, start in enumerate(starts):
        symbols = keep | set(others[place :: len(starts)])
        world = sources.between(start, start + length, frozenset(symbols))
        yield Stretch(world, start + length * SETTLED, start + length)


def shortened(stretch: Stretch, length: timedelta) -> Stretch:
    """Return the end of a stretch, with what its last ``length`` looks back to."""
    import polars as pl

    start = stretch.last - length
    world = {
        name: rows.filter(pl.col("ts") >= start - WARM.get(name, timedelta(0)))
        for name, rows in stretch.world.items()
    }
    return replace(stretch, world=world, first=start + length * SETTLED)
