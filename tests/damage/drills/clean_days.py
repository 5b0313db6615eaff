"""Days without a fault: every check of the market assets, day after day on a desk that is kept up to date."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.manifests import manifest_for
from assets.market.ingest import BAR_TABLES, update_bars, update_macro
from assets.market.verdicts import bar_verdicts, macro_verdicts
from resources.desk import Desk
from resources.market.checked import checked_bars, expected_bars
from resources.market.port import Fetched, MarketSource, Timeframe, Window
from sensors.market_update import update_months
from warehouse.tables import MACRO


class Replayed:
    """A world that was made once, told as it was known at each instant, through the rules of a source."""

    simulated = True
    incremental = None

    def __init__(self, world: MarketSource, instruments: Mapping[str, Any], until: datetime) -> None:
        self.feed, self.version, self.history = world.feed, world.version, world.history
        self.backtest = world.backtest
        self._symbols = world.instruments()
        self._instruments = instruments
        whole = (self.history.start, until)
        self._bars = {t: world.bars(t, *whole, now=until).frame for t in BAR_TABLES}
        self._macro = world.macro(*whole, now=until)
        self._actions = world.actions(*whole, now=until)

    def instruments(self) -> tuple[str, ...]:
        return self._symbols

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        there = pl.col("ts").is_between(start, end, closed="left") & (pl.col("known_at") <= now)
        whole = self._bars[timeframe]
        expected = {
            s: expected_bars(self._instruments[s], timeframe, Window(start, end), now=now)
            for s in whole["symbol"].unique().sort()
        }
        return checked_bars(whole.filter(there), timeframe=timeframe, expected=expected, now=now)

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        return _cut(self._macro, start, end, now)

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        return _cut(self._actions, start, end, now)

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        raise NotImplementedError("no check reads planted regimes")


def blocks(desk: Desk, market: MarketSource, first: datetime, days: int) -> list[str]:
    """Update on each day what the schedule would, and return the verdicts that block or warn."""
    found = []
    for day in range(days):
        now = first + timedelta(days=day, hours=21, minutes=20)
        desk.clock.sleep_until(now)
        months, _ = update_months(now, market.history.start)
        window = (months.replace(day=1, hour=0, minute=0), now + timedelta(minutes=1))
        common: dict[str, Any] = {"market": market, "warehouse": desk.warehouse, "now": now}
        for timeframe, table in BAR_TABLES.items():
            manifest = manifest_for(table, desk.loaded, now)
            done = update_bars(timeframe, window, manifest=manifest, **common)
            verdicts = bar_verdicts(timeframe, done, window, settings=desk.loaded, **common)
            found += [_said(now, timeframe, verdict) for verdict in verdicts if not verdict.passed]
        done = update_macro(window, manifest=manifest_for(MACRO, desk.loaded, now), **common)
        verdicts = macro_verdicts(done, window, market=market, warehouse=desk.warehouse, settings=desk.loaded)
        found += [_said(now, "macro", verdict) for verdict in verdicts if not verdict.passed]
    return found


def _cut(whole: Fetched, start: datetime, end: datetime, now: datetime) -> Fetched:
    there = pl.col("ts").is_between(start, end, closed="left") & (pl.col("known_at") <= now)
    return Fetched(whole.frame.filter(there), whole.quarantined.clear(), (), whole.gaps.clear())


def _said(now: datetime, timeframe: str, verdict: dg.AssetCheckResult) -> str:
    return f"{now:%Y-%m-%d} {timeframe} {verdict.check_name}: {verdict.description}"
