"""A population against single runs, member by member and bit by bit, however it is cut and ordered."""

import dataclasses
import math

import numpy as np
import pytest

from pipeline.backtest import population
from pipeline.backtest.engine import backtest
from pipeline.backtest.population import digest_of, evaluate
from pipeline.backtest.result import Provenance
from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.calendar.grid import from_time64
from pipeline.errors import BankruptcyError, ConfigError, InsufficientDataError, ModelError
from pipeline.market.panel import Panel
from pipeline.strategies.context import Context
from tests.support.random_books import HOUR, START, random_assets, random_panel, random_rules
from tests.support.random_population import Draw, RandomWeights

NAV = 10_000.0
MEMBERS = [
    Draw(seed=seed, scale=scale, hold=hold)
    for seed, (scale, hold) in enumerate(
        [(1.0, 1), (0.4, 1), (1.0, 40), (0.5, 150), (0.3, 25), (0.2, 400), (0.05, 90), (0.0, 1)]
    )
]


def desk(seed, bars=420, assets=None):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=bars, assets=assets or int(rng.integers(1, 5)))
    context = Context(panel, {})
    terms = {"rules": random_rules(rng), "assets": random_assets(rng, panel), "initial_nav": NAV}
    return context, RandomWeights(panel.symbols), terms


def alone(context, strategy, params, terms, **window):
    result = backtest(
        context, strategy, params, provenance=Provenance("test", simulated=True), **terms, **window
    )
    return result.simulation


def assert_same(found, other):
    np.testing.assert_array_equal(found.days, other.days)
    np.testing.assert_array_equal(found.daily_returns, other.daily_returns)
    np.testing.assert_array_equal(found.bankrupt, other.bankrupt)
    for name, values in found.metrics.items():
        np.testing.assert_array_equal(values, other.metrics[name], err_msg=name)
    assert found.digests == other.digests


def assert_is_the_single_run(found, member, run):
    for name, value in dataclasses.asdict(run.metrics).items():
        expected = math.nan if value is None else value
        np.testing.assert_array_equal(found.metrics[name][member], expected, err_msg=name)
    assert digest_of(run, found.days) == found.digests[member]


@pytest.mark.parametrize("seed", range(24))
def test_every_member_is_the_single_run_of_its_parameters_bit_for_bit(seed):
    context, strategy, terms = desk(seed)
    found = evaluate(context, strategy, MEMBERS, **terms)
    for member, params in enumerate(MEMBERS):
        run = alone(context, strategy, params, terms)
        assert_is_the_single_run(found, member, run)
        if np.array_equal(run.ts[run.daily], found.days):
            np.testing.assert_array_equal(found.daily_returns[member], run.daily_returns)


def test_members_that_are_all_in_with_cash_a_rounding_below_zero_are_the_single_runs():
    class InAndOut(RandomWeights):
        def weights(self, context, params):
            return (np.arange(context.panel.n_bars) // params.hold % 2 * params.scale)[:, None]

    context, _, terms = desk(4, bars=900, assets=1)
    strategy = InAndOut(context.symbols)
    free = dict.fromkeys(
        ("per_asset_cap", "max_leverage", "drawdown_trigger", "drawdown_release", "drawdown_halt",
         "rebalance_band_nav", "volume_share"), math.inf,
    )  # fmt: skip
    costs = {"crypto": Costs(slippage_bps=5.0, fee_bps=10.0)}
    none = dict.fromkeys(("rebalance_band_target", "min_trade_nav", "min_trade_usd", "max_borrowing"), 0.0)
    terms["rules"] = Rules(class_caps={}, **free, **none, costs=costs)
    terms["assets"] = [Tradable(context.symbols[0], "crypto", always_open=True)]
    members, below = [Draw(hold=hold) for hold in range(20, 100, 8)], 0
    found = evaluate(context, strategy, members, **terms)
    for member, params in enumerate(members):
        run = alone(context, strategy, params, terms)
        assert_is_the_single_run(found, member, run)
        below += int(((run.cash < 0.0) & (run.cash > -1e-9)).sum())
    assert below > 50


def test_the_random_books_bind_every_rule_and_hold_still_for_long():
    seen = dict.fromkeys(("fills", "volume_cut", "cash_cut", "replaced", "below_floor", "halts"), 0)
    bound, still = np.zeros(6), 0
    for seed in range(24):
        context, strategy, terms = desk(seed)
        for params in MEMBERS:
            run = alone(context, strategy, params, terms)
            for name in seen:
                seen[name] += run.counters[name]
            bound += [(run.mask & 1 << k > 0).sum() for k in range(6)]
            steady = (np.diff(run.quantity, axis=0) == 0).all(axis=1) & run.quantity[1:].any(axis=1)
            still += int((np.convolve(steady, np.ones(20), "valid") == 20).sum())
    assert min(seen.values()) > 0, seen
    assert (bound[1:] > 0).all(), bound
    assert still > 1000


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(monkeypatch, threads):
    context, strategy, terms = desk(5)
    members = [Draw(seed=seed, scale=0.5, hold=20) for seed in range(23)]
    one = evaluate(context, strategy, members, **terms)
    monkeypatch.setattr(population, "_FEWEST_CELLS", 0)
    monkeypatch.setattr(population, "BLOCK_BYTES", 4 * 8 * context.panel.close.size)
    assert_same(evaluate(context, strategy, members, threads=threads, **terms), one)


@pytest.mark.parametrize("block", [1, 3, 100])
def test_the_size_of_a_block_changes_no_bit(monkeypatch, block):
    context, strategy, terms = desk(7)
    whole = evaluate(context, strategy, MEMBERS, **terms)
    monkeypatch.setattr(population, "BLOCK_BYTES", block * 8 * context.panel.close.size)
    assert_same(evaluate(context, strategy, MEMBERS, **terms), whole)


def test_the_order_of_members_changes_no_bit_of_them():
    context, strategy, terms = desk(8)
    found = evaluate(context, strategy, MEMBERS, **terms)
    order = [3, 0, 7, 5, 1, 6, 2, 4]
    turned = evaluate(context, strategy, [MEMBERS[k] for k in order], **terms)
    np.testing.assert_array_equal(turned.daily_returns, found.daily_returns[order])
    assert list(turned.digests) == [found.digests[k] for k in order]
    for name, values in turned.metrics.items():
        np.testing.assert_array_equal(values, found.metrics[name][order])


def test_members_with_the_same_weights_are_the_same_and_run_once(monkeypatch):
    context, strategy, terms = desk(9)
    ran = []
    plain = population.Stage._groups

    def counted(self, weights, members):
        ran.extend(members.tolist())
        return plain(self, weights, members)

    monkeypatch.setattr(population.Stage, "_groups", counted)
    found = evaluate(
        context, strategy, [MEMBERS[2], MEMBERS[0], MEMBERS[2], Draw(scale=0.0, seed=3)], **terms
    )
    assert ran == [0, 1, 3]
    assert found.digests[0] == found.digests[2] != found.digests[1]
    assert found.metrics["sharpe"][0] == found.metrics["sharpe"][2]


def test_a_window_trades_only_its_own_rows():
    context, strategy, terms = desk(10)
    window = {"start": from_time64(context.ts[120]), "end": from_time64(context.ts[331])}
    found = evaluate(context, strategy, MEMBERS, **terms, **window)
    for member, params in enumerate(MEMBERS):
        assert_is_the_single_run(found, member, alone(context, strategy, params, terms, **window))
    assert found.days[0] >= context.ts[120]
    assert found.days[-1] < context.ts[331]


def test_an_empty_population_has_days_and_nobody():
    context, strategy, terms = desk(11)
    found = evaluate(context, strategy, [], **terms)
    assert found.size == 0
    assert found.daily_returns.shape == (0, found.days.size)
    assert found.days.size > 0
    assert found.digests == ()
    assert all(values.shape == (0,) for values in found.metrics.values())


def test_one_axis_of_days_holds_members_that_trade_other_markets():
    """Column 0 never closes, column 1 has sessions; a book of column 1 has its own days for its metrics."""
    context, _, terms = desk(12, assets=2)

    class OneOfTwo(RandomWeights):
        def weights(self, context, params):
            return super().weights(context, params) * ([1.0, 0.0] if params.seed % 2 else [0.0, 1.0])

    strategy = OneOfTwo(context.symbols)
    members = [Draw(seed=seed, scale=0.6, hold=30) for seed in (2, 3)]
    found = evaluate(context, strategy, members, **terms)
    runs = [alone(context, strategy, params, terms) for params in members]
    assert runs[0].daily.size < found.days.size == runs[1].daily.size
    for member, run in enumerate(runs):
        assert_is_the_single_run(found, member, run)
        grown = np.prod(1.0 + found.daily_returns[member])
        assert grown == pytest.approx(run.nav[np.isin(run.ts, found.days)][-1] / NAV, rel=1e-12)


def gap(bars=60):
    """Opens once at 40 times the close before and closes where it was: who borrowed to buy is ruined."""
    ts = START + np.arange(bars) * 4 * HOUR
    close = np.full((bars, 2), 100.0)
    open_, high = close.copy(), close.copy()
    open_[20, 0] = high[20, 0] = 4000.0
    at = np.repeat(ts[:, None], 2, axis=1)
    return Panel(
        ("C0", "C1"), ts, at, at + 4 * HOUR, at + 4 * HOUR, open_, high, close.copy(), close, close * 1e6
    )


def test_a_bankrupt_member_is_flagged_and_ends_nobody_else():
    class OnceIn(RandomWeights):
        def weights(self, context, params):
            weights = np.zeros(context.shape)
            weights[params.hold :, params.seed] = 1.0
            return weights

    panel = gap()
    strategy, context = OnceIn(panel.symbols), Context(panel, {})
    rules = Rules(
        per_asset_cap=1.0, class_caps={}, max_leverage=1.0, max_borrowing=100.0, volume_share=math.inf,
        costs={"crypto": Costs(0.0, 0.0)},
    )  # fmt: skip
    assets = tuple(Tradable(symbol, "crypto", always_open=True) for symbol in panel.symbols)
    terms = {"rules": rules, "assets": assets, "initial_nav": NAV}
    members = [Draw(seed=1, hold=19), Draw(seed=0, hold=19), Draw(seed=0, hold=30)]
    with pytest.raises(BankruptcyError):
        alone(context, strategy, members[1], terms)
    found = evaluate(context, strategy, members, **terms)
    assert found.bankrupt.tolist() == [False, True, False]
    known = {name for name, values in found.metrics.items() if not np.isnan(values[1])}
    assert known == {"total_return", "max_drawdown"}
    assert found.metrics["total_return"][1] == -1.0
    assert found.metrics["max_drawdown"][1] == 1.0
    day = int(np.searchsorted(found.days, panel.ts[20]))
    assert (found.daily_returns[1, :day] == 0.0).all()
    assert found.daily_returns[1, day] == -1.0
    assert np.isnan(found.daily_returns[1, day + 1 :]).all()
    for member in (0, 2):
        assert_is_the_single_run(found, member, alone(context, strategy, members[member], terms))


def test_a_population_refuses_what_a_single_run_refuses():
    context, strategy, terms = desk(13)

    class Short(RandomWeights):
        def weights(self, context, params):
            return super().weights(context, params) - (1.0 if params.seed == 4 else 0.0)

    with pytest.raises(ModelError, match="a value that is none"):
        evaluate(context, Short(context.symbols), MEMBERS, **terms)
    with pytest.raises(ConfigError):
        evaluate(context, RandomWeights(("GLD",)), MEMBERS, **terms)
    with pytest.raises(ConfigError, match="not the panel's"):
        evaluate(context, strategy, MEMBERS, **(terms | {"assets": terms["assets"] * 2}))
    with pytest.raises(InsufficientDataError, match="no bars"):
        evaluate(context, strategy, MEMBERS, start=from_time64(context.ts[-1] + 8 * HOUR), **terms)
