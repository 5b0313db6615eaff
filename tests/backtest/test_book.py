"""Books of several strategies: budgets, netting, who owns what, the kill switch, halt and resume."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backtest.book import Member, backtest_book, contributions_of, simulate_book
from pipeline.backtest.engine import backtest
from pipeline.backtest.members import attribution_of
from pipeline.backtest.result import Provenance
from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.errors import ConfigError, ModelError
from pipeline.market.flows import Flows
from pipeline.portfolio import attribution
from pipeline.strategies.context import Context
from pipeline.strategies.port import Parameters
from tests.support.book_scenarios import NAV, scenario
from tests.support.hand_books import INF, NAN, book, rules, weights
from tests.support.random_books import random_panel

BANDS = {"rebalance_band_nav": INF, "rebalance_band_target": 0.0}
MADE_UP = Provenance("sample", simulated=True)


class Level(Parameters):
    level: float = 0.4
    every: int = 30


@dataclass(frozen=True)
class First:
    """Holds the first asset of its universe every other block of bars."""

    name: ClassVar[str] = "First"
    version: ClassVar[str] = "1.0.0"
    params_model: ClassVar[type[Parameters]] = Level
    regimes: ClassVar[tuple[str, ...]] = ()
    universe: tuple[str, ...] = ("C0", "E1")

    def features(self, params):
        return ()

    def weights(self, context, params):
        answer = np.zeros(context.shape)
        on = (np.arange(context.shape[0]) // params.every) % 2 == 0
        answer[on, context.symbols.index(self.universe[0])] = params.level
        return answer


@dataclass(frozen=True)
class Second(First):
    """The same under another name, on other assets."""

    name: ClassVar[str] = "Second"
    version: ClassVar[str] = "2.0.0"
    universe: tuple[str, ...] = ("E1", "C2")


ASSETS = tuple(
    Tradable(name, "crypto" if name[0] == "C" else "equity", name[0] == "C") for name in ("C0", "E1", "C2")
)


@pytest.fixture
def context():
    return Context(random_panel(np.random.default_rng(7), bars=420, assets=3), {})


def run(context, *members, **options):
    chosen = {"rules": Rules(), "assets": ASSETS, "provenance": MADE_UP} | options
    return backtest_book(context, members, **chosen)


def held(contributions, panel, assets, **options):
    """Run contributions given as one list of columns for each member."""
    shaped = np.stack([weights(*member) for member in contributions], axis=1)
    done, ledger = simulate_book(panel, shaped, assets=assets, initial_nav=1000.0, **options)
    return done, attribution_of(ledger, [f"S{m}" for m in range(len(contributions))]), ledger


def entry(found, row, asset=0):
    """The entry in force at a decision."""
    (places,) = np.nonzero((found.row <= row) & (found.asset == asset))
    return places[-1]


def test_a_book_of_one_strategy_with_all_the_budget_is_that_strategy_alone(context):
    alone = backtest(context, First(), Level(), rules=Rules(), assets=ASSETS, provenance=MADE_UP)
    together = run(context, Member(First(), Level(), 1.0))
    assert together.digest == alone.digest
    (member,) = together.book.members
    assert member.pnl == pytest.approx(alone.simulation.final_nav - alone.simulation.initial_nav, abs=1e-6)
    assert member.turnover == pytest.approx(alone.metrics.turnover)
    assert member.sharpe == pytest.approx(alone.metrics.sharpe)
    assert member.max_drawdown <= alone.metrics.max_drawdown + 1e-12


def test_a_book_names_its_strategies_versions_parameters_and_universe(context):
    done = run(context, Member(First(), Level(), 0.6), Member(Second(), Level(level=0.2), 0.3))
    assert done.strategy == "portfolio"
    assert done.version == "First-1.0.0 Second-2.0.0"
    assert done.parameters["Second"] == {"level": 0.2, "every": 30}
    assert done.universe == ("C0", "E1", "C2")
    np.testing.assert_allclose([member.budget for member in done.book.members], [0.6, 0.3])


def test_profits_and_turnover_of_the_members_are_those_of_the_book(context):
    done = run(context, Member(First(), Level(), 0.6), Member(Second(), Level(every=20), 0.4))
    first, second = done.book.members
    gained = done.simulation.final_nav - done.simulation.initial_nav
    assert first.pnl + second.pnl == pytest.approx(gained, abs=1e-6)
    assert first.turnover + second.turnover == pytest.approx(done.metrics.turnover)
    np.testing.assert_allclose(
        first.daily_pnl.cumsum()[-1] + second.daily_pnl.cumsum()[-1],
        done.simulation.nav[done.simulation.daily[-1]] - done.simulation.initial_nav,
        atol=1e-6,
    )
    assert first.pnl != 0.0
    assert second.pnl != 0.0


def test_what_two_strategies_want_of_one_asset_is_added_and_the_cap_cuts_both_alike():
    panel, assets = book([[100, 100, 100, 100]])
    capped = rules(per_asset_cap=0.4)
    done, found, _ = held([[[0.6] * 4], [[0.2] * 4]], panel, assets, rules=capped)
    assert done.target[0, 0] == pytest.approx(0.4)
    n = entry(found, 0)
    np.testing.assert_allclose(found.share[n], [0.3, 0.1])
    np.testing.assert_allclose(found.delta[n], [0, 0, 0, -0.4, 0, 0], atol=1e-15)


def test_what_one_buys_and_another_sells_is_netted_and_each_earns_on_its_own_share():
    panel, assets = book([[100, 100, 110, 110]], opens=[[100, 100, 100, 110]])
    done, _, ledger = held([[[0.6] * 4], [[-0.2] * 4]], panel, assets, rules=rules(**BANDS))
    assert done.target[0, 0] == pytest.approx(0.4)
    assert done.final_nav == pytest.approx(1040.0)
    np.testing.assert_allclose(ledger.pnl.sum(axis=0), [60.0, -20.0])


def test_a_book_that_is_short_after_netting_is_refused():
    panel, assets = book([[100, 100, 110, 110]])
    with pytest.raises(ModelError, match="below zero"):
        held([[[0.1] * 4], [[-0.2] * 4]], panel, assets, rules=rules())


def test_the_price_before_a_fill_belongs_to_the_old_owner_and_the_cost_to_who_caused_it():
    panel, assets = book([[100, 100, 120, 120, 120]], opens=[[100, 100, 110, 120, 120]])
    costly = rules(costs={"crypto": Costs(slippage_bps=0.0, fee_bps=100.0)})
    first, second = [[0.5] * 5], [[0.0, 0.3, 0.3, 0.3, 0.3]]
    done, _, ledger = held([first, second], panel, assets, rules=costly)
    bought, added = done.fills
    assert (bought.row, bought.price_open, added.row, added.price_open) == (1, 100.0, 2, 110.0)
    per_unit = np.array([bought.quantity * 10 + (bought.quantity + added.quantity) * 10 * 5 / 8, 0.0])
    per_unit[1] = (bought.quantity + added.quantity) * 10 * 3 / 8
    np.testing.assert_allclose(ledger.pnl.sum(axis=0), per_unit - [bought.fee, added.fee], rtol=1e-12)
    np.testing.assert_allclose(ledger.traded, [bought.quantity * 100, added.quantity * 110])


def test_a_dividend_belongs_to_the_owners_of_what_was_held_and_interest_to_nobody():
    panel, assets = book([[100] * 4])
    dividend = np.array([[0.0], [0.0], [2.0], [0.0]])
    rate = np.array([0.0, 0.0, 0.0, 0.01])
    flows = Flows(dividend, np.ones((4, 1)), rate, rate)
    paid = dataclasses.replace(panel, flows=flows)
    done, _, ledger = held([[[0.3] * 4], [[0.1] * 4]], paid, assets, rules=rules())
    np.testing.assert_allclose(ledger.pnl.sum(axis=0), [6.0, 2.0])
    assert done.final_nav == pytest.approx(1008.0 + done.interest)
    assert done.interest == pytest.approx(6.08)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_profits_of_the_members_and_interest_are_the_change_of_nav_through_dividends_and_splits(seed):
    rng = np.random.default_rng(seed)
    panel, contributions, killed, ruled, assets = scenario(seed, bars=90)
    shape, rate = panel.close.shape, np.full(90, 1e-5)
    dividend = rng.uniform(0.0, 1.0, shape) * (rng.random(shape) < 0.05)
    split = np.where(rng.random(shape) < 0.02, rng.choice([0.5, 2.0, 3.0], shape), 1.0)
    before = np.cumprod(split[::-1], axis=0)[::-1] / split
    prices = {name: getattr(panel, name) * before for name in ("open", "high", "low", "close")}
    paid = dataclasses.replace(panel, **prices, flows=Flows(dividend, split, rate, 3.0 * rate))
    done, ledger = simulate_book(
        paid, contributions, rules=ruled, assets=assets, initial_nav=NAV, killed=killed
    )
    gained = done.final_nav - NAV - done.interest
    assert ledger.pnl.sum() == pytest.approx(gained, abs=1e-9 * max(NAV, done.nav.max()))


def test_an_order_for_a_closed_market_belongs_to_reject_until_it_fills():
    panel, assets = book([[100, NAN, NAN, 100], [100, 100, 100, 100]])
    _, found, _ = held([[[0.5] * 4, [0.0] * 4]], panel, assets, rules=rules())
    waiting, filled = entry(found, 0), entry(found, 2)
    np.testing.assert_allclose(found.term[waiting], [0, 0, 0, -0.5], atol=1e-15)
    np.testing.assert_allclose(found.term[filled], [0, 0, 0, 0], atol=1e-15)
    assert found.held[waiting] == 0.0
    assert found.held[filled] == pytest.approx(0.5)


def test_whole_lots_the_volume_cap_and_a_floor_each_have_a_term_of_their_own():
    panel, _ = book([[100, 100, 100, 100]], volume=[[300, 300, 300, 300]])
    lots = [Tradable("A0", "crypto", always_open=True, lot=2.0)]
    _, found, _ = held([[[0.5] * 4]], panel, lots, rules=rules())
    np.testing.assert_allclose(found.term[0], [0, -0.1, 0, 0], atol=1e-12)
    panel, assets = book([[100.0] * 9], volume=[[30.0] * 9])
    thin = rules(volume_share=0.1, volume_lookback=1)
    late = [[0.0] * 6 + [0.5] * 3]
    _, found, _ = held([late], panel, assets, rules=thin)
    n = entry(found, 6)
    np.testing.assert_allclose(found.term[n], [0, 0, -0.2, 0], atol=1e-12)
    floor = rules(min_trade_usd=600.0)
    _, found, _ = held([[[0.5] * 9]], panel, assets, rules=floor)
    np.testing.assert_allclose(found.term[0], [0, 0, 0, -0.5], atol=1e-12)


def test_between_entries_only_the_band_moves():
    panel, assets = book([[100, 100, 104, 104, 104]], opens=[[100, 100, 100, 104, 104]])
    done, found, _ = held([[[0.2] * 5]], panel, assets, rules=rules())
    assert done.counters["orders"] == 1
    assert found.row.tolist() == [0]


def test_the_kill_switch_keeps_what_is_held_from_growing_and_lets_it_shrink():
    panel, assets = book([[100] * 6])
    wanted = [[0.2, 0.2, 0.5, 0.5, 0.1, 0.5]]
    killed = np.array([0, 0, 1, 1, 1, 0], np.bool_)
    done, found, _ = held([wanted], panel, assets, rules=rules(), killed=killed)
    np.testing.assert_allclose(done.target[:, 0], [0.2, 0.2, 0.2, 0.2, 0.1, 0.5])
    assert [(f.row, f.quantity) for f in done.fills] == [(1, 2.0), (5, -1.0)]
    np.testing.assert_allclose(found.delta[entry(found, 3), 0], -0.3)
    assert (done.mask & 1).tolist() == [0, 0, 1, 1, 0, 0]


def test_a_kill_switch_that_is_on_from_the_start_never_trades():
    panel, assets = book([[100] * 4])
    done, *_ = held([[[0.5] * 4]], panel, assets, rules=rules(), killed=np.ones(4, np.bool_))
    assert done.fills.size == 0
    assert done.final_nav == 1000.0


def test_a_halt_flattens_each_asset_at_its_next_open_stays_and_resumes_with_the_peak_of_that_bar():
    fallen = [100, 100, 70, 70, 70, 70, 90, 90]
    closed = [100, 100, 100, NAN, NAN, 100, 100, 100]
    panel, assets = book([fallen, closed], opens=[[100] * 2 + [100, 70, 70, 70, 70, 90], [100] * 8])
    halting = rules(drawdown_halt=0.20, drawdown_trigger=0.15, drawdown_release=0.12, resume_after_bars=4)
    half = [[0.5] * 8, [0.3] * 8]
    done, found, ledger = held([half, [[0.2] * 8, [0.0] * 8]], panel, assets, rules=halting)
    assert done.nav[2] == pytest.approx(1000 - 0.7 * 300)
    assert (done.mask & 2 > 0).tolist() == [False, False, True, True, True, True, False, False]
    sold = [(int(f.row), int(f.asset)) for f in done.fills if f.quantity < 0]
    assert sold == [(3, 0), (5, 1)]
    assert not done.target[2:6].any()
    np.testing.assert_allclose(done.target[6], [0.7, 0.3])
    assert done.counters["halts"] == 1
    n = entry(found, 2)
    np.testing.assert_allclose(found.share[n], [0, 0])
    np.testing.assert_allclose(found.delta[n], [0, -0.7, 0, 0, 0, 0])
    np.testing.assert_allclose(ledger.pnl[:5].sum(axis=0), [-150, -60])


def test_without_a_rule_to_resume_a_halt_stays():
    panel, assets = book([[100, 100, 70, 70, 90, 100]])
    halting = rules(drawdown_halt=0.20, drawdown_trigger=0.15, drawdown_release=0.12)
    done, *_ = held([[[0.9] * 6]], panel, assets, rules=halting)
    assert not done.quantity[3:].any()
    assert done.counters["halted"] == 1


@pytest.mark.parametrize("budgets", [(0.7, 0.4), (-0.1, 0.5), (NAN, 0.5)])
def test_budgets_below_zero_unknown_or_above_one_together_are_refused(context, budgets):
    members = [Member(kind(), Level(), b) for kind, b in zip((First, Second), budgets, strict=True)]
    with pytest.raises(ConfigError, match="budgets"):
        run(context, *members)


def test_a_strategy_stands_in_a_book_once_and_a_book_has_one_at_least(context):
    twice = Member(First(), Level(), 0.3)
    for members in ((), (twice, twice)):
        with pytest.raises(ConfigError, match="each once"):
            run(context, *members)


def test_budgets_of_another_shape_are_refused(context):
    with pytest.raises(ConfigError, match="do not fit"):
        run(context, Member(First(), Level(), 0.3), budgets=np.full((3, 1), 0.3))


def test_budgets_by_decision_scale_what_a_strategy_may_hold(context):
    members = Member(First(), Level(), 0.6), Member(Second(), Level(), 0.4)
    given = np.repeat([[0.6, 0.4]], 420, axis=0)
    given[200:] = [0.3, 0.0]
    asked = contributions_of(context, members, given)
    np.testing.assert_allclose(asked[250, :, 0], [0.3 * 0.4, 0.0])
    done = run(context, *members, budgets=given)
    assert done.book.members[0].budget == pytest.approx(given[:, 0].mean())
    assert done.book.members[1].daily_pnl[80:].any() == np.False_


def test_a_window_is_traded_and_what_lies_before_it_is_not(context):
    begin = datetime(2021, 3, 20, tzinfo=UTC)
    done = run(context, Member(First(), Level(), 0.6), start=begin, end=datetime(2021, 4, 20, tzinfo=UTC))
    assert done.simulation.ts[0] == np.datetime64("2021-03-20T00:00")
    assert done.book.attribution.row[0] == 0
    assert done.book.budgets.shape == (done.simulation.ts.size, 1)


def test_shares_that_do_not_add_up_to_the_target_are_refused_as_a_fault(monkeypatch):
    panel, assets = book([[100] * 4])
    monkeypatch.setattr("pipeline.backtest.book.worst_error", lambda ledger, target: 1e-11)
    with pytest.raises(ModelError, match="fault of the program"):
        held([[[0.5] * 4]], panel, assets, rules=rules())


def test_the_worst_error_is_that_of_either_sum():
    ledger = attribution.open_ledger(np.zeros((3, 2, 1)), 0)
    assert attribution.worst_error(ledger, np.zeros((3, 1))) == 0.0
    ledger.count[0] = 1
    ledger.row[0], ledger.asset[0] = 1, 0
    ledger.weight[0], ledger.share[0] = [0.3, 0.1], [0.15, 0.05]
    ledger.delta[0] = [0, 0, -0.2, 0, 0, 0]
    target = np.array([[0.0], [0.2], [0.0]])
    assert attribution.worst_error(ledger, target) == pytest.approx(0.0, abs=1e-15)
    ledger.share[0, 0] = 0.25
    assert attribution.worst_error(ledger, target) == pytest.approx(0.1)
