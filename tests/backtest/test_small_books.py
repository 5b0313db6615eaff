"""Small books worked out by hand: when orders fill, what they cost, what replaces and what stops them."""

import numpy as np
import pytest

from pipeline.backtest.engine import simulate
from pipeline.backtest.rules import Costs, Tradable
from pipeline.errors import BankruptcyError, ConfigError, DataError, InsufficientDataError, ModelError
from tests.support.hand_books import INF, NAN, book, rules, weights


def test_a_decision_is_sized_at_its_close_and_filled_at_the_next_open():
    panel, assets = book([[100, 100, 110, 120]], opens=[[100, 100, 105, 110]])
    done = simulate(panel, weights([0, 0.5, 0.5, 0.5]), rules=rules(), assets=assets, initial_nav=1000.0)
    assert [(f.row, f.quantity, f.price) for f in done.fills] == [(2, 5.0, 105.0)]
    np.testing.assert_allclose(done.nav, [1000, 1000, 1000 + 5 * 5, 1000 + 5 * 15])
    np.testing.assert_allclose(done.cash, [1000, 1000, 475, 475])


def test_slippage_and_fee_are_basis_points_of_each_side():
    panel, assets = book([[100, 100, 100, 100, 100]])
    costs = rules(costs={"crypto": Costs(slippage_bps=5.0, fee_bps=10.0)})
    done = simulate(panel, weights([0.5, 0.5, 0, 0, 0]), rules=costs, assets=assets, initial_nav=1000.0)
    bought, sold = done.fills
    assert bought.price == pytest.approx(100.05)
    assert bought.fee == pytest.approx(5 * 100.05 * 0.001)
    assert bought.slippage == pytest.approx(5 * 0.05)
    assert sold.price == pytest.approx(99.95)
    assert sold.fee == pytest.approx(5 * 99.95 * 0.001)
    assert done.final_nav == pytest.approx(1000 - 10 * 0.05 - 5 * 200 * 0.001)
    assert done.trips.pnl[0] == pytest.approx(done.final_nav - 1000)


def test_an_order_decided_while_the_market_is_closed_waits_and_is_resized_by_each_decision():
    panel, assets = book([[100, NAN, NAN, NAN, 120], [100, 110, 121, 130, 130]])
    done = simulate(panel, weights([0.5] * 5, [0.2] * 5), rules=rules(), assets=assets, initial_nav=1000.0)
    session = done.fills[done.fills.asset == 0]
    assert [f.row for f in session] == [4]
    nav_at_decision = done.nav[3]
    assert session[0].quantity == pytest.approx(0.5 * nav_at_decision / 100)
    assert session[0].price == 100.0
    assert done.counters["replaced"] == 3


def test_a_later_decision_cancels_an_order_that_still_waits():
    panel, assets = book([[100, NAN, NAN, 120, 130]])
    done = simulate(panel, weights([0.5, 0.5, 0, 0, 0]), rules=rules(), assets=assets, initial_nav=1000.0)
    assert done.fills.size == 0
    assert done.final_nav == 1000.0


def test_an_order_fills_only_in_a_bar_that_opens_at_or_after_its_decision():
    early = [[0, -60, 0, 0]]
    panel, assets = book([[100, 100, 100, 100]], open_late=early)
    done = simulate(panel, weights([0.5] * 4), rules=rules(), assets=assets, initial_nav=1000.0)
    assert [f.row for f in done.fills] == [2]


def test_a_bar_that_straddles_two_cells_fills_at_its_own_open():
    panel, assets = book([[100, NAN, 110, 110]], opens=[[100, NAN, 105, 110]], open_late=[[0, 0, -90, 0]])
    done = simulate(panel, weights([0.5] * 4), rules=rules(), assets=assets, initial_nav=1000.0)
    assert [(f.row, f.bar, f.price) for f in done.fills] == [(1, 2, 105.0)]
    assert done.filled_at[0] == panel.open_at[2, 0]
    assert done.nav[1] == pytest.approx(1000 - 5 * 5)
    assert done.nav[2] == pytest.approx(1000 + 5 * 5)


def test_a_close_that_is_known_late_neither_marks_nor_sizes_before():
    panel, assets = book([[100, 200, 200]], opens=[[100, 100, 200]], known_late=[[0], [15], [0]])
    done = simulate(panel, weights([0.5] * 3), rules=rules(), assets=assets, initial_nav=1000.0)
    np.testing.assert_allclose(done.nav, [1000, 1000, 1500])


def test_a_bar_without_a_trade_fills_nothing():
    panel, assets = book([[100, 100, 100, 100]], volume=[[1, 0, 0, 5]])
    done = simulate(panel, weights([0.5] * 4), rules=rules(), assets=assets, initial_nav=1000.0)
    assert [f.row for f in done.fills] == [3]
    assert done.counters["refused"] == 2


def test_a_bar_that_opens_outside_its_range_is_refused_by_name():
    panel, assets = book([[100, 100]])
    panel.open[1, 0] = 101.0
    with pytest.raises(DataError, match=r"A0.*2024-07-01T04"):
        simulate(panel, weights([0.5] * 2), rules=rules(), assets=assets)


def test_drift_inside_the_band_trades_nothing_and_beyond_it_back_to_the_target():
    closes = [100, 100, 102, 130, 130]
    panel, assets = book([closes])
    done = simulate(panel, weights([0.5] * 5), rules=rules(), assets=assets, initial_nav=1000.0)
    assert [f.row for f in done.fills] == [1, 4]
    assert done.fills[1].quantity == pytest.approx(0.5 * 1150 / 130 - 5)


def test_a_small_change_of_the_target_is_no_change():
    panel, assets = book([[100.0] * 5])
    done = simulate(
        panel, weights([0.50, 0.53, 0.56, 0.56, 0.56]), rules=rules(), assets=assets, initial_nav=1000.0
    )
    assert [(f.row, round(f.quantity, 9)) for f in done.fills] == [(1, 5.0), (3, 0.6)]


def test_the_band_gives_way_above_a_cap():
    panel, assets = book([[100, 100, 101, 101, 101]])
    capped = rules(per_asset_cap=0.4)
    done = simulate(panel, weights([1.0] * 5), rules=capped, assets=assets, initial_nav=1000.0)
    assert [f.row for f in done.fills] == [1, 3]
    held = done.quantity[:, 0] * panel.close[:, 0] / done.nav
    assert held[2] > 0.4
    assert held[3] == pytest.approx(0.4)
    assert done.metrics.largest_weight == pytest.approx(held.max())
    falling, assets = book([[100, 100, 99, 99, 99]])
    assert simulate(falling, weights([1.0] * 5), rules=capped, assets=assets).fills.size == 1


def test_orders_below_the_floors_and_the_venues_minimum_are_not_sent():
    panel, _ = book([[100.0] * 4])
    asset = [Tradable("A0", "crypto", always_open=True, min_notional=50.0)]
    done = simulate(panel, weights([0.04] * 4), rules=rules(), assets=asset, initial_nav=1000.0)
    assert (done.fills.size, done.counters["rejected"]) == (0, 4)
    asset = [Tradable("A0", "crypto", always_open=True)]
    floor = rules(min_trade_usd=50.0)
    done = simulate(panel, weights([0.04] * 4), rules=floor, assets=asset, initial_nav=1000.0)
    assert (done.fills.size, done.counters["below_floor"]) == (0, 4)


def test_a_target_of_zero_gives_back_everything_even_below_the_floors():
    panel, assets = book([[100, 100, 5, 5, 5]], opens=[[100, 100, 100, 5, 5]])
    done = simulate(
        panel,
        weights([0.5, 0.5, 0, 0, 0]),
        rules=rules(min_trade_usd=30.0),
        assets=assets,
        initial_nav=1000.0,
    )
    assert done.quantity[-1, 0] == 0.0
    assert done.trips.size == 1


def test_quantities_are_whole_lots_towards_zero():
    panel, _ = book([[30.0] * 3])
    asset = [Tradable("A0", "crypto", always_open=True, lot=1.0)]
    done = simulate(panel, weights([0.5] * 3), rules=rules(), assets=asset, initial_nav=1000.0)
    assert [f.quantity for f in done.fills] == [16.0]


def test_purchases_of_one_instant_share_the_cash_and_sales_pay_for_them():
    panel, assets = book([[100.0] * 5, [100.0] * 5, [100.0] * 5])
    done = simulate(
        panel,
        weights([1.0, 1.0, 0, 0, 0], [0, 0, 1.0, 1.0, 1.0], [0, 0, 1.0, 1.0, 1.0]),
        rules=rules(),
        assets=assets,
        initial_nav=1000.0,
    )
    assert [(f.row, f.asset, f.quantity) for f in done.fills] == [
        (1, 0, 10),
        (3, 0, -10),
        (3, 1, 5),
        (3, 2, 5),
    ]
    assert done.cash[-1] == pytest.approx(0.0)
    assert done.counters["cash_cut"] >= 1


def test_leverage_may_borrow_what_its_cap_leaves():
    panel, assets = book([[100.0] * 3])
    lent = rules(max_leverage=1.2, max_borrowing=None)
    done = simulate(panel, weights([3.0] * 3), rules=lent, assets=assets, initial_nav=1000.0)
    assert done.fills[0].quantity == pytest.approx(12.0)
    assert done.cash[-1] == pytest.approx(-200.0)


class TestVolumeCap:
    bars = 6 * 5

    def book(self, **changed):
        volume = np.full((1, self.bars), 999.0)
        volume[0, 1::6] = [10, 30, 20, 40, 50]
        panel, assets = book([[100.0] * self.bars], volume=volume)
        rule = rules(volume_share=0.10, volume_lookback=3, **changed)
        aims = np.zeros((self.bars, 1))
        aims[18:] = 0.9
        return simulate(panel, aims, rules=rule, assets=assets, initial_nav=1000.0)

    def test_is_a_share_of_the_median_of_the_same_cell_before_the_fill(self):
        done = self.book()
        assert (done.fills[0].row, done.fills[0].quantity) == (19, pytest.approx(0.1 * 20))
        assert done.fills[0].capped == 1
        assert done.counters["volume_cut"] == 1

    def test_the_rest_is_dropped_and_only_the_band_asks_again(self):
        wide = self.book(rebalance_band_nav=INF, rebalance_band_target=0.0)
        assert wide.fills.size == 1
        assert [f.row for f in self.book().fills][:2] == [19, 20]

    def test_the_rest_is_carried_when_the_rules_say_so(self):
        done = self.book(rebalance_band_nav=INF, rebalance_band_target=0.0, carry_unfilled=True)
        assert [f.row for f in done.fills][:2] == [19, 20]
        assert done.quantity[-1, 0] == pytest.approx(9.0)

    def test_too_few_bars_mean_no_cap_and_a_flag(self):
        panel, assets = book([[100.0] * 12], volume=[[1.0] * 12])
        rule = rules(volume_share=0.10, volume_lookback=3)
        done = simulate(panel, weights([0.9] * 12), rules=rule, assets=assets, initial_nav=1000.0)
        assert (done.fills[0].quantity, done.fills[0].capped) == (9.0, 0)
        assert done.counters["uncapped"] == 1


class TestDrawdown:
    def test_starts_at_the_trigger_and_ends_at_the_release(self):
        path = [100, 100, 85, 85, 84, 92, 92, 98, 98]
        panel, assets = book([path])
        rule = rules(drawdown_trigger=0.15, drawdown_release=0.12, drawdown_halt=0.20)
        done = simulate(panel, weights([1.0] * 9), rules=rule, assets=assets, initial_nav=1000.0)
        np.testing.assert_allclose(done.target[:4, 0], [1, 1, 0.5, 0.5])
        fall = done.drawdown
        assert fall[2] == pytest.approx(0.15)
        first_free = int(np.argmax(fall[3:] <= 0.12)) + 3
        assert (done.target[2:first_free, 0] == 0.5).all()
        assert (done.target[first_free:, 0] == 1.0).all()

    def test_a_halt_flattens_at_the_next_open_and_stays(self):
        panel, assets = book([[100, 100, 80, 79, 120, 150]], opens=[[100, 100, 100, 78, 79, 120]])
        rule = rules(drawdown_halt=0.20)
        done = simulate(panel, weights([1.0] * 6), rules=rule, assets=assets, initial_nav=1000.0)
        assert [(f.row, f.quantity, f.price) for f in done.fills] == [(1, 10, 100), (3, -10, 78)]
        assert done.nav[-1] == pytest.approx(780.0)
        assert done.counters["halts"] == 1
        assert done.counters["halted"] == 1
        assert done.metrics.max_drawdown == pytest.approx(0.22)

    def test_a_halted_equity_is_sold_when_its_session_opens(self):
        panel, assets = book([[100, 100, 80, NAN, NAN, 70, 70]], classes=["equity"])
        done = simulate(
            panel, weights([1.0] * 7), rules=rules(drawdown_halt=0.20), assets=assets, initial_nav=1000.0
        )
        assert [f.row for f in done.fills] == [1, 5]

    def test_it_resumes_after_so_many_bars_with_the_peak_at_the_nav_of_then(self):
        path = [100, 100, 80, 80, 80, 80, 80, 72, 72, 72]
        panel, assets = book([path])
        rule = rules(drawdown_halt=0.20, resume_after_bars=3)
        done = simulate(panel, weights([1.0] * 10), rules=rule, assets=assets, initial_nav=1000.0)
        assert done.target[:, 0].tolist() == [1, 1, 0, 0, 0, 1, 1, 1, 1, 1]
        assert done.counters["halts"] == 1
        assert done.metrics.max_drawdown == pytest.approx(1 - 0.8 * 0.9)

    def test_derisking_is_not_applied_beside_a_halt(self):
        panel, assets = book([[100, 100, 75, 75]])
        rule = rules(drawdown_trigger=0.15, drawdown_release=0.12, drawdown_halt=0.20)
        done = simulate(panel, weights([1.0] * 4), rules=rule, assets=assets, initial_nav=1000.0)
        assert done.mask[2] == 0b10


def test_an_account_that_loses_everything_raises_with_the_instant():
    panel, assets = book([[100, 100, 10, 10]], opens=[[100, 100, 10, 10]])
    panel.open[1, 0] = panel.high[1, 0] = 100.0
    lent = rules(max_borrowing=2.0)
    with pytest.raises(BankruptcyError, match="2024-07-01T08"):
        simulate(panel, weights([2.5] * 4), rules=lent, assets=assets, initial_nav=1000.0)


@pytest.mark.parametrize("bad", [NAN, INF, -0.1])
def test_weights_that_are_no_weights_are_refused(bad):
    panel, assets = book([[100, 100]])
    with pytest.raises(ModelError, match="weight"):
        simulate(panel, weights([0.5, bad]), rules=rules(), assets=assets)


def test_assets_out_of_order_an_empty_window_and_no_money_are_refused():
    panel, assets = book([[100, 100], [100, 100]])
    aims = weights([0, 0], [0, 0])
    with pytest.raises(ConfigError, match="panel"):
        simulate(panel, aims, rules=rules(), assets=assets[::-1])
    with pytest.raises(InsufficientDataError):
        simulate(panel, aims, rules=rules(), assets=assets, start=2)
    with pytest.raises(ConfigError, match="initial_nav"):
        simulate(panel, aims, rules=rules(), assets=assets, initial_nav=0.0)
    with pytest.raises(ModelError, match="shape"):
        simulate(panel, aims[:1], rules=rules(), assets=assets)


@pytest.mark.parametrize(
    "changed",
    [
        {"per_asset_cap": -0.1},
        {"derisking_factor": 1.5},
        {"volume_lookback": 0},
        {"resume_after_bars": 0},
        {"rebalance_band_target": INF},
        {"costs": {"crypto": Costs(slippage_bps=-1.0)}},
        {"class_caps": {"crypto": NAN}},
        {"max_borrowing": -1.0},
    ],
)
def test_rules_out_of_range_are_refused_by_name(changed):
    with pytest.raises(ConfigError) as wrong:
        rules(**changed)
    assert next(iter(changed)).split("_")[0] in (wrong.value.field or "")


def test_an_asset_class_without_costs_cannot_be_traded():
    panel, assets = book([[100, 100]], classes=["index"])
    with pytest.raises(ConfigError, match=r"costs\.index"):
        simulate(panel, weights([0, 0]), rules=rules(), assets=assets)
