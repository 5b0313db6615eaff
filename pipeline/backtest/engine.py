"""The two doors to the kernel: `simulate` target weights on a panel, `backtest` a strategy on a context.

They check, lay out arrays, call the kernel once and compute the metrics; no file, no table, no clock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import AnyArray, Bool1D, Float2D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest import metrics as m
from pipeline.backtest.flags import flags_of
from pipeline.backtest.kernel import History, Track, run_history
from pipeline.backtest.kernel_market import last_closes
from pipeline.backtest.result import BacktestResult, Provenance, Simulation, instants
from pipeline.backtest.round_trips import round_trips
from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.backtest.weighing import rows_between, weights_of
from pipeline.calendar.grid import CELL64
from pipeline.errors import BankruptcyError, ConfigError, DataError, InsufficientDataError, ModelError
from pipeline.market.panel import Panel
from pipeline.portfolio.account import COUNTERS, FILL, LINE, QUOTE, Record, Records, named, open_book, records
from pipeline.portfolio.attribution import Ledger

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy


def simulate(
    panel: Panel,
    weights: Float2D,
    *,
    rules: Rules,
    assets: Sequence[Tradable],
    initial_nav: float = 100_000.0,
    start: int = 0,
    ledger: Ledger | None = None,
    killed: Bool1D | None = None,
) -> Simulation:
    """Run one account through history.

    The decision of a cell is taken at its end with the closes known then; its orders fill at each asset's
    next open and are replaced by the next decision.

    Parameters
    ----------
    panel
        Bars; rows before ``start`` feed last known closes and median volumes only.
    weights
        Target weights of every decision, fractions of NAV, shape ``(bars, assets)``; none negative.
    rules, assets
        What the account must obey; one asset per column of the panel, in its order.
    initial_nav
        Money at the start, in the quote currency.
    start
        First row that decides.
    ledger
        Where the run is attributed to the members of a book, as `open_ledger` gives it; None: nowhere.
    killed
        Whether the kill switch is on at each decision, shape ``(bars,)``; None: never.

    Raises
    ------
    ModelError
        When weights have the wrong shape, are not finite, or sell short.
    ConfigError
        When the assets are not those of the panel, or one has no costs.
    InsufficientDataError
        When no row is left from ``start`` on.
    DataError
        When a bar opens outside its own range.
    BankruptcyError
        When NAV reaches zero.
    """
    assets = tuple(assets)
    weights = _checked(panel, weights, assets, start)
    market = _history(panel, rules.volume_lookback)
    record, terms = kernel_rules(rules, assets)
    book, lines = open_book(initial_nav), records(LINE, panel.n_assets)
    bars = panel.n_bars - start
    track = _track(bars, panel.n_assets)
    log = np.empty(bars * panel.n_assets, FILL)
    quotes = records(QUOTE, panel.n_assets)
    if ledger is not None:
        lines["asked"] = np.nan
    switch = None if killed is None else np.ascontiguousarray(killed, np.int64)
    taken = run_history(
        start, weights, market, record, terms, book, lines, quotes, log, track, ledger, switch
    )
    if book["bankrupt"]:
        raise BankruptcyError(
            f"NAV reached {book['nav']:.2f} at the decision of {panel.ts[start + taken - 1]}",
            "nav",
            float(book["nav"]),
            "> 0",
            "lower max_leverage or the weights",
        )
    return _simulation(panel, weights, assets, start, initial_nav, book, log[: book["fills"]].copy(), track)


def backtest(
    context: "Context",
    strategy: "Strategy",
    params: BaseModel,
    *,
    rules: Rules,
    assets: Sequence[Tradable],
    provenance: Provenance,
    initial_nav: float = 100_000.0,
    start: datetime | None = None,
    end: datetime | None = None,
    killed: Bool1D | None = None,
) -> BacktestResult:
    """Ask a strategy for its weights and run them.

    Parameters
    ----------
    context
        Bars and features; what lies before ``start`` warms the strategy up and is not traded.
    strategy, params
        What decides, and with which parameters.
    rules, assets, initial_nav
        As for `simulate`; a single strategy has the whole budget and no regime scaling.
    provenance
        Where the prices come from.
    start, end
        Window of cells ``[start, end)``; None: all there is.
    killed
        Whether the kill switch is on at each decision of the context, shape ``(bars,)``; None: never.

    Raises
    ------
    ConfigError
        When the universe of the strategy is not in the context.
    InsufficientDataError
        When the window is empty.
    ModelError
        As `simulate`, and when a weight lies outside the universe.
    """
    panel = context.panel
    first, last = rows_between(panel, start, end)
    weights = weights_of(context, strategy, params)
    simulation = simulate(
        panel.upto(last - 1),
        weights[:last],
        rules=rules,
        assets=assets,
        initial_nav=initial_nav,
        start=first,
        killed=None if killed is None else killed[:last],
    )
    return BacktestResult(
        strategy=strategy.name,
        version=strategy.version,
        parameters=params.model_dump(mode="json"),
        universe=strategy.universe,
        rules=rules,
        provenance=provenance,
        start=panel.ts[first],
        end=panel.ts[last - 1] + CELL64,
        simulation=simulation,
        flags=flags_of(
            simulation,
            rules,
            tuple(assets),
            provenance,
            has_bar=~np.isnan(panel.close[first:last]),
            universe=strategy.universe,
        ),
    )


def _checked(panel: Panel, weights: Float2D, assets: tuple[Tradable, ...], start: int) -> Float2D:
    if tuple(asset.symbol for asset in assets) != panel.symbols:
        names = [asset.symbol for asset in assets]
        raise ConfigError(
            "the assets are not the panel's", "assets", names, f"{panel.symbols}, in this order"
        )
    if not 0 <= start < panel.n_bars:
        raise InsufficientDataError("no bar is left to trade", "start", start, f"0 <= start < {panel.n_bars}")
    if weights.shape != panel.close.shape or weights.dtype != np.float64:
        raise ModelError(
            "weights do not fit the panel", "weights", weights.shape, f"shape {panel.close.shape}"
        )
    plain = _plain(weights)
    if sums.count_unfit(plain):
        raise ModelError(
            "a weight is not a number, infinite or below zero",
            "weights",
            float(weights.min()),
            ">= 0 and finite",
            "say 0 where nothing is known; short sales are not simulated (no borrow cost)",
        )
    return plain


def _plain(array: AnyArray) -> AnyArray:
    """Return the array in the one layout the kernel is compiled for."""
    plain = array.flags.c_contiguous and array.flags.writeable
    return array if plain else array.copy(order="C")


def _history(panel: Panel, lookback: int) -> History:
    ts, open_at, known_at = (
        _plain(times).view(np.int64) for times in (panel.ts, panel.open_at, panel.known_at)
    )
    open_, high, low, close, volume = (
        _plain(values) for values in (panel.open, panel.high, panel.low, panel.close, panel.volume)
    )
    mark = np.empty(close.shape)
    bad = last_closes(ts, known_at, open_, high, low, close, mark)
    if bad >= 0:
        row, column = divmod(bad, panel.n_assets)
        raise DataError(
            f"the bar of {panel.symbols[column]} at {panel.ts[row]} opens outside its range",
            "open",
            float(open_[row, column]),
            f"{low[row, column]} <= open <= {high[row, column]}",
            "validate the bars: this one belongs in quarantine",
        )
    return History(ts, open_at, known_at, open_, close, volume, mark, np.empty(lookback))


def _track(bars: int, assets: int) -> Track:
    return Track(
        nav=np.empty(bars), cash=np.empty(bars), gross=np.empty(bars), mask=np.empty(bars, np.int64),
        quantity=np.empty((bars, assets)), target=np.empty((bars, assets)),
    )  # fmt: skip


def _simulation(
    panel: Panel,
    weights: Float2D,
    assets: tuple[Tradable, ...],
    start: int,
    initial_nav: float,
    book: Record,
    fills: Records,
    track: Track,
) -> Simulation:
    ts = panel.ts[start:]
    fills["row"] -= start
    trips = round_trips(fills, panel.n_assets)
    daily = m.daily_rows(ts.view(np.int64), _sessions(panel, weights, assets, start))
    return Simulation(
        symbols=panel.symbols,
        ts=ts,
        initial_nav=initial_nav,
        nav=track.nav,
        cash=track.cash,
        gross=track.gross,
        mask=track.mask,
        quantity=track.quantity,
        target=track.target,
        fills=named(fills),
        filled_at=instants(panel.open_at, fills["bar"], fills["asset"]),
        trips=named(trips),
        entered_at=instants(panel.open_at, trips["entry_bar"], trips["asset"]),
        exited_at=instants(panel.open_at, trips["exit_bar"], trips["asset"]),
        counters={name: int(book[name]) for name in COUNTERS} | {"halted": int(book["halted"])},
        daily=daily,
        metrics=_metrics(
            ts.view(np.int64), initial_nav, track, fills, trips, daily, float(book["largest_held"])
        ),
    )


def _sessions(panel: Panel, weights: Float2D, assets: tuple[Tradable, ...], start: int) -> Bool1D | None:
    """Return the cells with a bar of what the book trades; None when a market of it never closes."""
    if all(asset.always_open for asset in assets):
        return None
    used = np.flatnonzero(weights[start:].any(axis=0))
    if used.size == 0:
        used = np.arange(panel.n_assets)
    if any(assets[column].always_open for column in used):
        return None
    return ~np.all(np.isnan(panel.close[start:, used]), axis=1)


def _metrics(
    ts: AnyArray,
    initial: float,
    track: Track,
    fills: Records,
    trips: Records,
    daily: AnyArray,
    largest: float,
) -> m.Metrics:
    nav, final = track.nav, float(track.nav[-1])
    years = m.elapsed_years(int(ts[0]), int(ts[-1]) + int(CELL64.astype(np.int64)))
    returns = m.simple_returns(nav[daily], initial)
    ratio, ratio_nw = m.sharpe(returns, years), m.newey_west_sharpe(returns, years)
    ratio_h4 = m.sharpe(m.simple_returns(nav, initial), years)
    growth, deepest = m.cagr(initial, final, years), sums.deepest_fall(nav, initial)
    notional, costs, closed, won, gained, lost = sums.tally(fills, trips)
    wins, mean_nav = m.win_rate(won, closed), sums.mean(nav)
    return m.Metrics(
        total_return=final / initial - 1.0,
        cagr=growth,
        sharpe=ratio.value,
        sharpe_se=ratio.error,
        sharpe_h4=ratio_h4.value,
        sharpe_h4_se=ratio_h4.error,
        sharpe_nw=ratio_nw.value,
        sharpe_nw_se=ratio_nw.error,
        volatility=m.volatility(returns, years),
        sortino=m.sortino(returns, years),
        max_drawdown=deepest,
        calmar=m.calmar(growth, deepest),
        win_rate=wins,
        profit_factor=m.profit_factor(gained, lost),
        bps=m.balanced_score(ratio.value, growth, wins, deepest),
        turnover=m.per_year(notional, mean_nav, years),
        cost_drag=m.per_year(costs, mean_nav, years),
        trades=fills.size,
        round_trips=closed,
        open_round_trips=trips.size - closed,
        mean_exposure=sums.mean(track.gross),
        largest_weight=largest,
        years=years,
    )
