"""Dearer, later, dearer until nothing is left, and larger until the volume cap binds."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.backtest.capacity import BINDS_IN, capacity, cut_share
from pipeline.backtest.controls import (
    MOST_EXTRA_BPS,
    break_even_bps,
    doubled_costs,
    late_weights,
    one_bar_late,
)
from pipeline.backtest.engine import simulate
from pipeline.backtest.rerun import Account, with_costs
from pipeline.backtest.rules import Costs, Rules, Tradable
from tests.support.random_books import random_panel

ASSETS = (Tradable("C0", "crypto", always_open=True), Tradable("E1", "equity"))
FREE = Rules(
    drawdown_trigger=math.inf, drawdown_release=math.inf, drawdown_halt=math.inf, class_caps={},
    max_leverage=1.0, volume_share=math.inf,
)  # fmt: skip


def account(*, gain=0.0, bars=900, rules=FREE, seed=3, volume=1.0):
    """Two assets that end at ``exp(gain)`` times their first price, every bar traded."""
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=bars, assets=2, late=False)
    closes = [panel.close[~np.isnan(panel.close[:, a]), a] for a in range(2)]
    slopes = np.array([gain - np.log(known[-1] / known[0]) for known in closes]) / bars
    grown = np.exp(slopes * np.arange(bars)[:, None])
    for prices in (panel.open, panel.high, panel.low, panel.close):
        np.multiply(prices, grown, out=prices)
    np.maximum(panel.volume, 100.0, out=panel.volume)
    np.multiply(panel.volume, volume, out=panel.volume)
    weights = np.repeat((rng.random((bars // 30 + 1, 2)) > 0.4) * 0.4, 30, axis=0)[:bars].copy()
    return Account(panel, weights, ASSETS, rules, start=60)


def test_twice_the_costs_are_those_of_an_account_with_twice_the_costs():
    made = account()
    dear = replace(FREE, costs={"equity": Costs(10.0, 2.0), "crypto": Costs(10.0, 20.0)})
    direct = simulate(made.panel, made.weights, rules=dear, assets=ASSETS, start=60)
    doubled = doubled_costs(made)
    assert doubled.digest == direct.digest
    assert doubled.metrics.total_return < made.run("own").metrics.total_return
    assert [run.name for run in made.runs] == ["costs_x2", "own"]
    assert made.runs[0].digest == direct.digest


def test_costs_move_slippage_first_and_never_below_zero():
    moved = with_costs(FREE, extra_bps=-7.0).costs
    assert (moved["equity"], moved["crypto"]) == (Costs(0.0, 0.0), Costs(0.0, 8.0))
    assert with_costs(FREE, extra_bps=3.0).costs["equity"] == Costs(8.0, 1.0)


def test_one_bar_late_every_order_fills_at_the_next_open_of_its_asset():
    made = account(rules=replace(FREE, rebalance_band_nav=math.inf))
    opened = [np.sort(at[~np.isnat(at)]) for at in made.panel.open_at.T]
    late = late_weights(made.panel, made.weights)
    assert one_bar_late(made).digest == made.run("", weights=late).digest != made.run("").digest
    for asset in range(2):
        alone = np.zeros_like(made.weights)
        alone[:, asset] = made.weights[:, asset]
        delayed = np.zeros_like(late)
        delayed[:, asset] = late[:, asset]
        on_time, later = made.run("", weights=alone), made.run("", weights=delayed)
        first, second = ([at for at, fill in zip(run.filled_at, run.fills, strict=True)
                          if fill["quantity"] > 0] for run in (on_time, later))  # fmt: skip
        expected = opened[asset][np.searchsorted(opened[asset], np.array(first)) + 1]
        assert len(first) > 5
        assert set(expected[1:]) <= set(second)  # the first holds what was decided before the window


def test_the_late_weight_was_decided_before_the_last_open():
    made = account()
    late, decisions = late_weights(made.panel, np.arange(1800.0).reshape(900, 2)), made.panel.decisions
    for asset in range(2):
        opens = made.panel.open_at[:, asset]
        opens = opens[~np.isnat(opens)]
        for row in range(200, 260):
            before = opens[opens < decisions[row]].max()
            source = int(late[row, asset]) // 2
            assert decisions[source] <= before
            assert decisions[source + 1] > before


def test_at_the_break_even_cost_nothing_is_left():
    made = account(gain=1.0)
    base = made.run("own")
    extra = break_even_bps(made, base)
    assert base.metrics.total_return > 0.05
    assert extra > 1.0
    left = made.run("", rules=with_costs(FREE, extra_bps=extra)).metrics.total_return
    assert left == pytest.approx(0.0, abs=1e-4)
    target = 0.5 * base.metrics.total_return
    nearer = break_even_bps(made, base, target)
    assert 0.0 < nearer < extra
    at = made.run("", rules=with_costs(FREE, extra_bps=nearer)).metrics.total_return
    assert at == pytest.approx(target, abs=1e-4)


def test_a_run_that_loses_has_a_negative_break_even_or_none():
    made = account(gain=1.0)
    base = made.run("own")
    free = made.run("", rules=with_costs(FREE, extra_bps=-99.0)).metrics.total_return
    between = 0.5 * (base.metrics.total_return + free)
    below = break_even_bps(made, base, between)
    assert -15.0 < below < 0.0
    at = made.run("", rules=with_costs(FREE, extra_bps=below)).metrics.total_return
    assert at == pytest.approx(between, abs=1e-4)
    assert break_even_bps(made, base, free + 0.01) is None


def test_a_run_without_trades_has_no_break_even_and_no_capacity():
    made = account()
    idle = replace(made, weights=np.zeros_like(made.weights))
    base = idle.run("own")
    assert break_even_bps(idle, base) is None
    assert capacity(idle, base) is None


def test_one_trade_that_earns_enough_bears_any_cost():
    made = account(gain=3.0)
    held = replace(
        made, weights=np.full_like(made.weights, 0.4), rules=replace(FREE, rebalance_band_nav=math.inf)
    )
    assert break_even_bps(held, held.run("own")) == MOST_EXTRA_BPS


def test_capacity_is_where_the_volume_cap_cuts_one_order_in_twenty():
    made = account(rules=replace(FREE, volume_share=0.1), volume=1e4)
    base = made.run("own")
    most = capacity(made, base)
    assert cut_share(made.run("", initial_nav=most)) <= BINDS_IN
    assert cut_share(made.run("", initial_nav=1.03 * most)) > BINDS_IN
    richer = replace(made, initial_nav=30.0 * most)
    assert capacity(richer, richer.run("own")) == pytest.approx(most, rel=0.25)


def test_capacity_grows_with_the_volume():
    small, large = (account(rules=replace(FREE, volume_share=0.1), volume=v) for v in (1e4, 1e6))
    assert capacity(large, large.run("own")) == pytest.approx(
        100.0 * capacity(small, small.run("own")), rel=0.3
    )


def test_capacity_is_unknown_without_volumes_or_a_cap():
    made = account(rules=replace(FREE, volume_share=0.1), volume=1e4)
    made.panel.volume[:, 1] = np.nan
    assert capacity(made, made.run("own")) is None
    uncapped = account()
    assert capacity(uncapped, uncapped.run("own")) is None
