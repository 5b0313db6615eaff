"""The two doors to the kernel: `simulate` target weights on a panel, `backtest` a strategy on a context.

They check, lay out arrays, call the kernel once and compute the metrics; no file, no table, no clock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import AnyArray, Bool1D, Float1D, Float2D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest import metrics as m
from pipeline.backtest.flags import flags_of
from pipeline.backtest.kernel import Track, run_history
from pipeline.backtest.kernel_summary import SUMMARY, summarise
from pipeline.backtest.result import BacktestResult, Provenance, Simulation, instants
from pipeline.backtest.round_trips import round_trips
from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.backtest.weighing import weights_of
from pipeline.backtest.window import history_of, plain, require_columns, rows_between, session_cells
from pipeline.calendar.grid import CELL64
from pipeline.errors import BankruptcyError, InsufficientDataError, ModelError
from pipeline.market.panel import Panel
from pipeline.portfolio.account import COUNTERS, FILL, LINE, QUOTE, Record, Records, named, open_book, records
from pipeline.portfolio.attribution import Ledger
from pipeline.portfolio.payments import Payments

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
    market = history_of(panel, rules.volume_lookback)
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
    return _simulation(
        panel,
        weights,
        assets,
        start,
        initial_nav,
        book,
        log[: book["fills"]].copy(),
        track,
        market.payments,
    )


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
    require_columns(panel, assets)
    if not 0 <= start < panel.n_bars:
        raise InsufficientDataError("no bar is left to trade", "start", start, f"0 <= start < {panel.n_bars}")
    if weights.shape != panel.close.shape or weights.dtype != np.float64:
        raise ModelError(
            "weights do not fit the panel", "weights", weights.shape, f"shape {panel.close.shape}"
        )
    kept = plain(weights)
    if sums.count_unfit(kept):
        raise ModelError(
            "a weight is not a number, infinite or below zero",
            "weights",
            float(weights.min()),
            ">= 0 and finite",
            "say 0 where nothing is known; short sales are not simulated (no borrow cost)",
        )
    return kept


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
    payments: Payments,
) -> Simulation:
    ts = panel.ts[start:]
    fills["row"] -= start
    trips = round_trips(fills, panel.n_assets, payments.units[start:], payments.paid[start:])
    credit = payments.credit[start:] if payments.earns else np.empty(0)
    daily = m.daily_rows(ts.view(np.int64), session_cells(panel, weights[start:], assets, start))
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
            ts.view(np.int64),
            initial_nav,
            track,
            fills,
            trips,
            daily,
            float(book["largest_held"]),
            credit,
        ),
        interest=float(book["interest"]),
        dividends=float(book["dividends"]),
        credit=credit,
    )


def _metrics(
    ts: AnyArray,
    initial: float,
    track: Track,
    fills: Records,
    trips: Records,
    daily: AnyArray,
    largest: float,
    credit: Float1D,
) -> m.Metrics:
    years = m.elapsed_years(int(ts[0]), int(ts[-1]) + int(CELL64.astype(np.int64)))
    found, returns, work = records(SUMMARY, 1), np.empty(daily.size), np.empty(track.nav.size + 1)
    summarise(track.nav, track.gross, daily, fills, trips, initial, largest, returns, work, credit, found[0])
    return m.of_summary(found[0], initial, years)
