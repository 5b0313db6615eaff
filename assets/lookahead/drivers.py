"""How each asset and each strategy is computed from source rows in this process, for the look-ahead prover.

An asset that is not here must be compared in the cuts through real materialisation (`assets.lookahead.cuts`),
or stand in `assets.lookahead.exempt` with a reason; the proof fails for an asset that is nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

from assets.backtest.plan import Plan
from assets.lookahead.chain import DAYS, derived
from assets.market.history import History, read_history
from warehouse.memory import FrameStore
from warehouse.tables import (
    EQUITY,
    FEATURES_H4,
    MACRO,
    METRICS_DAILY,
    MODELS,
    OHLCV_DAILY,
    OHLCV_H4,
    PREDICTIONS,
    REGIMES_H4,
    RUNS,
    TABLES,
    TRANSITIONS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from assets.lookahead.sources import Sources
    from assets.regimes.rows import RegimeInputs
    from pipeline.arrays import Float2D
    from pipeline.backtest.book import Member
    from pipeline.backtest.result import BacktestResult
    from pipeline.config.settings import Settings
    from pipeline.lookahead.perturb import World
    from pipeline.lookahead.proof import Driver
    from pipeline.market.panel import Panel
    from pipeline.regimes.classify import Classification
    from pipeline.strategies.context import Context
    from resources.desk import Desk
    from resources.market.port import Timeframe
    from warehouse.store import Warehouse
    from warehouse.table import Table

STRATEGY = "strategy:"
"""What the name of a strategy's driver begins with."""
BOOK = "book"
"""All strategies in one account, by their budgets."""
BARS: Mapping[Timeframe, Table] = {"h4": OHLCV_H4, "daily": OHLCV_DAILY}


def _asset(table: Table) -> str:
    return "/".join(table.asset_key)


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

    def plans(self) -> dict[str, Plan]:
        """Return what is run: every strategy that is asked for by itself, and all of them as a book.

        Raises
        ------
        ComponentNotFoundError
            When the only one asked for is not there.
        """
        from pipeline.strategies.registry import strategy

        settings = self.desk.loaded.settings
        if self.strategy is not None and self.strategy not in settings.strategies:
            strategy(self.strategy)
        members = {name: _member(settings, name) for name in settings.strategies}
        alone = {
            name: Plan(settings, (member,), is_book=False)
            for name, member in members.items()
            if self.strategy in (None, name) and self._traded(member)
        }
        if self.strategy is not None or len(members) == 1:
            return alone
        return alone | {BOOK: Plan(settings, tuple(members.values()), is_book=True)}

    def left_out(self) -> dict[str, str]:
        """Return why each strategy that is not computed is not, by name of its driver."""
        found = {}
        settings = self.desk.loaded.settings
        for name in settings.strategies:
            if not self._traded(_member(settings, name)):
                found[f"{STRATEGY}{name}"] = "the source has no H4 bars of its universe"
            elif self.strategy not in (None, name):
                found[f"{STRATEGY}{name}"] = f"only {self.strategy} was asked for"
        return found

    def symbols(self) -> frozenset[str]:
        """Return the symbols that something is computed from: those with H4 bars, and indices."""
        indices = {s for s, taken in self.sources.listed.items() if taken.instrument.asset_class == "index"}
        return frozenset({*self.sources.traded, *indices})

    def _traded(self, member: Member) -> bool:
        """Say whether a strategy has something to trade; one that lacks a symbol trades the others."""
        return bool(set(member.strategy.universe) & set(self.sources.traded))


@dataclass
class Opened:
    """One world; what several drivers need is computed once."""

    bench: Bench
    world: World
    end: datetime
    _histories: dict[tuple[tuple[str, ...], datetime], History] = field(default_factory=dict)
    _contexts: dict[tuple[int, datetime], Context] = field(default_factory=dict)
    _standard: dict[str, Float2D] = field(default_factory=dict)
    _regimes: dict[datetime, RegimeInputs] = field(default_factory=dict)
    _classified: list[Classification] = field(default_factory=list)

    def classified(self) -> Classification:
        """Return the regimes at every decision of the world's axis."""
        if not self._classified:
            read = self.regimes(self.end)
            self._classified.append(read.at(read.axis(self.end)))
        return self._classified[0]

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

    def regimes(self, end: datetime) -> RegimeInputs:
        """Return what the regimes are told by, with labels before ``end``."""
        from assets.market.payments import read_actions
        from assets.regimes.rows import RegimeInputs, observations_of

        if end not in self._regimes:
            settings, store = self.bench.desk.loaded.settings, FrameStore(self.world)
            daily, macro = (store.versions(table, end=end) for table in (OHLCV_DAILY, MACRO))
            symbols = daily["symbol"].unique().sort().to_list()
            actions = read_actions(
                symbols, end, feed=self.bench.desk.market.feed, warehouse=cast("Warehouse", store)
            )
            self._regimes[end] = RegimeInputs(
                observations_of(daily, macro, settings, end, actions), settings.regimes, (), ()
            )
        return self._regimes[end]

    def context(self, plan: Plan, end: datetime) -> Context:
        """Return what the strategies of a plan see, computed as a run computes it."""
        from pipeline.strategies.context import Context

        key = (id(plan), end)
        if key not in self._contexts:
            read = self.history(plan.universe, end)
            at = read.panel.decisions
            regimes = self.regimes(end).at(at).codes if plan.needs_regimes else {}
            self._contexts[key] = Context(read.panel, read.features(plan.specs), regimes)
        return self._contexts[key]

    def run(self, plan: Plan, end: datetime) -> BacktestResult:
        """Return the backtest of a plan from the first decision of the world to ``end``."""
        from pipeline.calendar.grid import from_time64

        context = self.context(plan, end)
        window = (from_time64(context.ts[0]), end)
        return plan.run(self.history(plan.universe, end), context.features, context.regimes, window)


def drivers(bench: Bench) -> list[Driver[Opened]]:
    """Return the drivers of all assets that have one, and of every strategy that can be computed."""
    from pipeline.lookahead.proof import Driver

    key = ("symbol", "ts")
    found = [
        Driver(_asset(table), key, partial(_bars, timeframe), every=11) for timeframe, table in BARS.items()
    ]
    found += [
        Driver(_asset(FEATURES_H4), key, _features),
        Driver(f"{_asset(FEATURES_H4)} at decisions", key, _at_decisions, every=2),
    ]
    found += [
        Driver(_asset(REGIMES_H4), ("ts",), _regimes),
        Driver(_asset(TRANSITIONS), ("dimension", "ts"), _transitions, every=2),
    ]
    if bench.sources.rows[DAYS].height:
        found.append(Driver(_asset(METRICS_DAILY), ("ts",), _chain, every=5))
        said = ("model", "horizon_days", "ts")
        found += [
            Driver(_asset(MODELS), ("model", "ts"), partial(_valued, MODELS), every=40, cut=True),
            Driver(_asset(PREDICTIONS), said, partial(_valued, PREDICTIONS), every=40, cut=True),
        ]
    for name, plan in bench.plans().items():
        found += [
            Driver(f"{STRATEGY}{name}", key, partial(_weights, plan)),
            Driver(f"{_asset(EQUITY)} of {name}", ("ts",), partial(_equity, plan), every=4),
            Driver(f"{_asset(RUNS)} of {name}", ("ts",), partial(_summary, plan), every=20, cut=True),
        ]
    return found


def _member(settings: Settings, name: str) -> Member:
    """Return a strategy as configured."""
    from pipeline.backtest.book import Member
    from pipeline.strategies.registry import parameters, strategy

    described = settings.strategies[name]
    chosen = strategy(name, described.universe, version=described.version)
    return Member(chosen, parameters(chosen, described.parameters), described.budget)


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
    from pipeline.features.compute import features_table

    read = opened.history(opened.bench.sources.traded, opened.end)
    return features_table(read.panel, opened.standard())


def _at_decisions(opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the standard features as known at every decision, with or without a bar in its cell."""
    read = opened.history(opened.bench.sources.traded, opened.end)
    return _laid_out(read.panel, opened.standard())


def _regimes(opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the rows of ``regimes.h4``."""
    from assets.regimes.tables import label_rows

    return label_rows(opened.classified(), opened.regimes(opened.end).rules, opened.bench.desk.market)


def _transitions(opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the rows of ``regimes.transitions``."""
    from assets.regimes.tables import changes_of, transition_rows

    rules = opened.regimes(opened.end).rules
    rows = transition_rows(changes_of(opened.classified()), rules, opened.bench.desk.market)
    return rows.sort("dimension", "ts")


def _chain(opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the rows of ``chain.metrics_daily``."""
    daily = opened.first_published(OHLCV_DAILY.full_name)
    return derived(opened.first_published(DAYS), daily, opened.bench.desk)


def _valued(table: Table, opened: Opened, at: datetime) -> pl.DataFrame:
    """Return the fits, or the forecasts without their intervals, of the weeks around the instant."""
    from assets.lookahead.chain import valued

    return valued(table, _chain(opened, at), opened.bench.desk, at)


def _weights(plan: Plan, opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the weights asked of the account, known with what they are made of at each decision."""
    context = opened.context(plan, opened.end)
    return _laid_out(context.panel, {"weight": plan.weights(context)})


def _equity(plan: Plan, opened: Opened, _at: datetime) -> pl.DataFrame:
    """Return the account after every decision."""
    import polars as pl

    from pipeline.calendar.grid import CELL64

    done = opened.run(plan, opened.end).simulation
    columns = {name: getattr(done, name) for name in ("nav", "drawdown", "cash", "gross")}
    return pl.DataFrame({"ts": done.ts, **columns, "known_at": done.ts + CELL64}).with_columns(_aware())


def _summary(plan: Plan, opened: Opened, at: datetime) -> pl.DataFrame:
    """Return metrics and digest of a run whose window ends with the last decision by ``at``."""
    import dataclasses

    import polars as pl

    from pipeline.calendar.grid import cell_label

    end = cell_label(at)
    result = opened.run(plan, end)
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
