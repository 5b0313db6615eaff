"""How each asset and each strategy is computed from source rows in this process, for the look-ahead prover.

An asset that is not here must be compared in the cuts through real materialisation (`assets.lookahead_cuts`),
or stand in `EXEMPT` with a reason; the proof fails for an asset that is nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from assets.history import History, read_history
from warehouse.memory import FrameStore
from warehouse.tables import EQUITY, FEATURES_H4, OHLCV_DAILY, OHLCV_H4, RUNS, TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from assets.lookahead_sources import Sources
    from pipeline.arrays import Float2D
    from pipeline.backtest.result import BacktestResult
    from pipeline.lookahead.perturb import World
    from pipeline.lookahead.proof import Driver
    from pipeline.market.panel import Panel
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy
    from resources.desk import Desk
    from resources.market.port import Timeframe
    from warehouse.store import Warehouse
    from warehouse.table import Table

STRATEGY = "strategy:"
"""What the name of a strategy's driver begins with."""
BARS: Mapping[Timeframe, Table] = {"h4": OHLCV_H4, "daily": OHLCV_DAILY}
EXEMPT: Mapping[str, str] = {}
"""Assets that are neither driven nor compared in the cuts, with the reason."""


@dataclass(frozen=True)
class Bench:
    """What drivers compute with: settings, and what the sources' symbols are.

    Parameters
    ----------
    desk
        Settings and feed; its warehouse and source are not asked.
    sources
        Whose rows the worlds are made of.
    now
        When the rows were asked for.
    strategy
        The only strategy that is computed; None: every one.
    """

    desk: Desk
    sources: Sources
    now: datetime
    strategy: str | None = None
    expected: dict[tuple[str, str, datetime, datetime], pl.DataFrame] = field(default_factory=dict)
    """By calendar, timeframe and window: calendars are slow, and know nothing of prices."""

    def open(self, world: World, end: datetime) -> Opened:
        """Return the world as drivers take it; ``end``: of its axis, whatever rows there are."""
        return Opened(self, world, end)

    def strategies(self) -> dict[str, Strategy]:
        """Return the configured strategies that are asked for and whose universe has H4 bars in the source.

        Raises
        ------
        ComponentNotFoundError
            When the only one asked for is not there.
        """
        from pipeline.strategies.registry import strategy

        described = self.desk.loaded.settings.strategies
        if self.strategy is not None and self.strategy not in described:
            strategy(self.strategy)
        names = [name for name in described if self.strategy in (None, name)]
        known = {name: strategy(name, described[name].universe) for name in names}
        return {name: one for name, one in known.items() if not self._lacking(one)}

    def left_out(self) -> dict[str, str]:
        """Return why each strategy that cannot be computed is not, by name of its driver."""
        from pipeline.strategies.registry import strategy

        found = {}
        for name, described in self.desk.loaded.settings.strategies.items():
            lacking = self._lacking(strategy(name, described.universe))
            if lacking:
                found[f"{STRATEGY}{name}"] = f"the source has no H4 bars of {', '.join(lacking)}"
            elif self.strategy not in (None, name):
                found[f"{STRATEGY}{name}"] = f"only {self.strategy} was asked for"
        return found

    def symbols(self) -> frozenset[str]:
        """Return the symbols that something is computed from: those with H4 bars, and indices."""
        indices = {s for s, taken in self.sources.listed.items() if taken.instrument.asset_class == "index"}
        return frozenset({*self.sources.traded, *indices})

    def _lacking(self, one: Strategy) -> list[str]:
        """Return the universe where none of it has bars; one without some of its symbols trades the others."""
        return [] if set(one.universe) & set(self.sources.traded) else sorted(one.universe)


@dataclass
class Opened:
    """One world; what several drivers need is computed once."""

    bench: Bench
    world: World
    end: datetime
    _histories: dict[tuple[tuple[str, ...], datetime], History] = field(default_factory=dict)
    _contexts: dict[tuple[str, datetime], Context] = field(default_factory=dict)
    _standard: dict[str, Float2D] = field(default_factory=dict)

    def standard(self) -> Mapping[str, Float2D]:
        """Return the standard features of every asset with H4 bars, as known at each decision."""
        from pipeline.features.registry import STANDARD

        if not self._standard:
            read = self.history(self.bench.sources.traded, self.end)
            self._standard.update(read.features(STANDARD))
        return self._standard

    def first_published(self, name: str) -> pl.DataFrame:
        """Return the rows of a table as first published, without the feed: what a source delivers."""
        table = TABLES[name]
        return self.world[name].unique(table.key, keep="first", maintain_order=True).drop("feed")

    def expected(self, timeframe: Timeframe) -> Mapping[str, pl.DataFrame]:
        """Return the bars that the calendars expect of every symbol, from its first row to the end."""
        import polars as pl

        from resources.market.checked import expected_bars
        from resources.market.port import Window

        rows = self.world[BARS[timeframe].full_name]
        firsts = dict(rows.group_by("symbol").agg(pl.col("ts").min()).iter_rows())
        found, kept = {}, self.bench.expected
        for symbol, first in firsts.items():
            instrument = self.bench.sources.listed[symbol].instrument
            key = (instrument.calendar, timeframe, first, self.end)
            if key not in kept:
                kept[key] = expected_bars(instrument, timeframe, Window(first, self.end), now=self.bench.now)
            found[symbol] = kept[key]
        return found

    def history(self, symbols: tuple[str, ...], end: datetime) -> History:
        """Return the history of some symbols as the desk reads it."""
        key = (symbols, end)
        if key not in self._histories:
            self._histories[key] = read_history(
                symbols,
                end,
                feed=self.bench.desk.market.feed,
                warehouse=cast("Warehouse", FrameStore(self.world)),
                instruments={s: taken.instrument for s, taken in self.bench.sources.listed.items()},
            )
        return self._histories[key]

    def context(self, chosen: Strategy, end: datetime) -> Context:
        """Return what a strategy sees, computed as a run computes it."""
        from pipeline.features.registry import parse
        from pipeline.strategies.context import Context

        key = (chosen.name, end)
        if key not in self._contexts:
            read = self.history(chosen.universe, end)
            specs = [parse(name) for name in chosen.features(self.parameters(chosen))]
            self._contexts[key] = Context(panel=read.panel, features=read.features(specs))
        return self._contexts[key]

    def parameters(self, chosen: Strategy) -> Any:
        """Return the configured parameters of a strategy."""
        from pipeline.strategies.registry import parameters

        described = self.bench.desk.loaded.settings.strategies[chosen.name]
        return parameters(chosen, described.parameters)

    def run(self, chosen: Strategy, end: datetime) -> BacktestResult:
        """Return the backtest of a strategy from the first decision of the world to ``end``."""
        from pipeline.backtest.configured import rules_of, tradables_of
        from pipeline.backtest.engine import backtest

        settings = self.bench.desk.loaded.settings
        return backtest(
            self.context(chosen, end),
            chosen,
            self.parameters(chosen),
            rules=rules_of(settings.system),
            assets=tradables_of(chosen.universe, settings.instruments),
            provenance=self.history(chosen.universe, end).provenance,
            initial_nav=settings.system.backtest.initial_nav,
            end=end,
        )


def drivers(bench: Bench) -> list[Driver[Opened]]:
    """Return the drivers of all assets that have one, and of every strategy that can be computed."""
    from pipeline.lookahead.proof import Driver

    key = ("symbol", "ts")
    found = [
        Driver(_asset(table), key, partial(_bars, timeframe), every=7) for timeframe, table in BARS.items()
    ]
    found += [
        Driver(_asset(FEATURES_H4), key, _features),
        Driver(f"{_asset(FEATURES_H4)} at decisions", key, _at_decisions, every=2),
    ]
    for one in bench.strategies().values():
        found += [
            Driver(f"{STRATEGY}{one.name}", key, partial(_weights, one)),
            Driver(f"{_asset(EQUITY)} of {one.name}", ("ts",), partial(_equity, one), every=2),
            Driver(f"{_asset(RUNS)} of {one.name}", ("ts",), partial(_summary, one), every=10, cut=True),
        ]
    return found


def _asset(table: Table) -> str:
    return "/".join(table.asset_key)


def _bars(timeframe: Timeframe, opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the bars that pass the checks of every source."""
    from resources.market.checked import checked_bars

    rows = opened.first_published(BARS[timeframe].full_name)
    expected = opened.expected(timeframe)
    symbols = rows["symbol"].unique().sort()
    mine = {symbol: expected[symbol] for symbol in symbols}
    return checked_bars(rows, timeframe=timeframe, expected=mine, now=opened.bench.now).frame


def _features(opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the rows of ``features.h4``."""
    from pipeline.features.compute import entered_at, features_table

    read = opened.history(opened.bench.sources.traded, opened.end)
    return features_table(read.panel, opened.standard(), entered_at(read.panel, read.daily))


def _at_decisions(opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the standard features as known at every decision, with or without a bar in its cell."""
    read = opened.history(opened.bench.sources.traded, opened.end)
    return _laid_out(read.panel, opened.standard())


def _weights(chosen: Strategy, opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the weights of a strategy, known with its features at each decision."""
    context = opened.context(chosen, opened.end)
    weights = chosen.weights(context, opened.parameters(chosen))
    return _laid_out(context.panel, {"weight": weights})


def _equity(chosen: Strategy, opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the account of a strategy after every decision."""
    import polars as pl

    from pipeline.calendar.grid import CELL64

    done = opened.run(chosen, opened.end).simulation
    columns = {name: getattr(done, name) for name in ("nav", "drawdown", "cash", "gross")}
    return pl.DataFrame({"ts": done.ts, **columns, "known_at": done.ts + CELL64}).with_columns(_aware())


def _summary(chosen: Strategy, opened: Opened, at: datetime) -> pl.DataFrame:
    """Return metrics and digest of a run whose window ends with the last decision by ``at``."""
    import dataclasses

    import polars as pl

    from pipeline.calendar.grid import cell_label

    end = cell_label(at)
    result = opened.run(chosen, end)
    metrics = dataclasses.asdict(result.metrics)
    row = pl.DataFrame([{"ts": end, "digest": result.digest, **metrics, "known_at": end}])
    return row.with_columns(pl.col(pl.Null).cast(pl.Float64))


def _laid_out(panel: Panel, values: Mapping[str, Float2D]) -> pl.DataFrame:
    """Return one row for each decision and asset, known at the decision."""
    import numpy as np
    import polars as pl

    bars, assets = panel.n_bars, panel.n_assets
    frame = pl.DataFrame(
        {
            "symbol": np.repeat(np.array(panel.symbols, dtype=object), bars).tolist(),
            "ts": np.tile(panel.ts, assets),
            **{name: np.ascontiguousarray(column.T).ravel() for name, column in values.items()},
            "known_at": np.tile(panel.decisions, assets),
        }
    )
    return frame.with_columns(_aware())


def _aware() -> list[pl.Expr]:
    import polars as pl

    return [pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in ("ts", "known_at")]
