"""Buying and holding the universe: what a strategy must beat to be worth its trouble.

Runs through the same kernel with the same costs; nothing is ever traded twice and no limit acts.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.arrays import Int1D
from pipeline.backtest import metrics as m
from pipeline.backtest.engine import simulate
from pipeline.backtest.result import Simulation
from pipeline.backtest.rules import Rules, Tradable
from pipeline.errors import ConfigError
from pipeline.market.panel import Panel


def buy_and_hold(
    panel: Panel,
    universe: Sequence[str],
    *,
    assets: Sequence[Tradable],
    rules: Rules,
    initial_nav: float = 100_000.0,
    start: int = 0,
    daily: Int1D | None = None,
) -> Simulation:
    """Buy equal weights at the first opens after ``start``, pay for it, and hold.

    An asset that starts to trade later is bought with its share of NAV then; until then the share is cash.

    Parameters
    ----------
    panel, assets, initial_nav, start
        As for `pipeline.backtest.engine.simulate`.
    universe
        What is bought, among the symbols of the panel.
    rules
        Only the costs are taken: no cap, no de-risking, no volume cap, no borrowing.
    daily
        `Simulation.daily` of the strategy, so that both series of daily returns lie on one axis; None: the
        days of the universe itself.

    Raises
    ------
    ConfigError
        When the universe is empty or not in the panel.
    InsufficientDataError, DataError
        As `pipeline.backtest.engine.simulate`.
    """
    absent = [symbol for symbol in universe if symbol not in panel.symbols]
    if absent or not universe:
        raise ConfigError(
            "the benchmark cannot buy its universe",
            "universe",
            absent or list(universe),
            f"at least one of {', '.join(panel.symbols)}",
            "load the bars, or shorten the universe",
        )
    weights = np.zeros(panel.close.shape)
    weights[:, [panel.symbols.index(symbol) for symbol in universe]] = 1.0 / len(universe)
    held = simulate(
        panel,
        weights,
        rules=holding_rules(rules),
        assets=assets,
        initial_nav=initial_nav,
        start=start,
    )
    return held if daily is None else on_days(held, daily)


def holding_rules(rules: Rules) -> Rules:
    """Return rules under which an account buys once, and only ``rules.costs`` remain."""
    return replace(
        rules,
        per_asset_cap=math.inf,
        class_caps={},
        max_leverage=1.0,
        max_borrowing=0.0,
        drawdown_trigger=math.inf,
        drawdown_release=math.inf,
        drawdown_halt=math.inf,
        rebalance_band_nav=math.inf,
        volume_share=math.inf,
    )


def on_days(simulation: Simulation, daily: Int1D) -> Simulation:
    """Return a simulation whose headline sample ends at other decisions, its daily metrics made anew.

    Parameters
    ----------
    daily
        Rows that end a day, ascending, shape ``(days,)``.
    """
    chosen = replace(simulation, daily=daily)
    returns, old = chosen.excess_returns, simulation.metrics
    ratio, robust = m.sharpe(returns, old.years), m.newey_west_sharpe(returns, old.years)
    metrics = replace(
        old,
        sharpe=ratio.value,
        sharpe_se=ratio.error,
        sharpe_nw=robust.value,
        sharpe_nw_se=robust.error,
        volatility=m.volatility(returns, old.years),
        sortino=m.sortino(returns, old.years),
        bps=m.balanced_score(ratio.value, old.cagr, old.win_rate, old.max_drawdown),
    )
    return replace(chosen, metrics=metrics)
