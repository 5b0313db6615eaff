"""Round trips from a log of fills, worked out by hand and against a plain ledger."""

import numpy as np
import pytest

from pipeline.backtest.round_trips import round_trips
from pipeline.portfolio.account import FILL, named


def log(*fills):
    """Rows of ``(row, asset, quantity, price, fee)``."""
    taken = np.zeros(len(fills), FILL)
    for k, (row, asset, quantity, price, fee) in enumerate(fills):
        taken[k] = (quantity, price, price, fee, 0.0, row, row, asset, 1)
    return taken


def test_profit_is_after_all_costs_with_average_cost_inside():
    trips = named(round_trips(log((1, 0, 10, 100, 1), (2, 0, 10, 120, 2), (5, 0, -20, 115, 3)), 1))
    assert trips.pnl[0] == pytest.approx(20 * 115 - 10 * 100 - 10 * 120 - 6)
    assert trips.cost[0] == pytest.approx((1000 + 1200 + 3) / 20)
    assert trips.return_[0] == pytest.approx(trips.pnl[0] / 2203)
    assert (trips.entry_row[0], trips.exit_row[0], trips.quantity[0]) == (1, 5, 20)


def test_a_trip_ends_at_zero_and_the_next_begins():
    trips = named(
        round_trips(log((1, 0, 5, 10, 0), (2, 0, -5, 11, 0), (3, 0, 5, 12, 0), (4, 0, -5, 11, 0)), 1)
    )
    assert trips.pnl.tolist() == [5.0, -5.0]


def test_what_is_still_held_is_open_and_has_no_profit():
    trips = named(
        round_trips(log((1, 0, 5, 10, 0), (2, 1, 5, 10, 0), (3, 0, -4, 11, 0), (4, 1, -5, 9, 0)), 2)
    )
    assert trips.asset.tolist() == [1, 0]
    assert trips.exit_row.tolist() == [4, -1]
    assert np.isnan(trips.pnl[1])


def test_a_position_turned_around_ends_one_trip_and_begins_another_with_the_fee_shared():
    trips = named(round_trips(log((1, 0, 4, 10, 0), (2, 0, -6, 12, 3), (3, 0, 2, 11, 0)), 1))
    assert trips.pnl.tolist() == [pytest.approx(8 - 2), pytest.approx(2 - 1)]


def test_lots_that_do_not_add_up_in_floating_point_still_end_a_trip():
    trips = named(round_trips(log((1, 0, 0.1, 10, 0), (2, 0, 0.2, 10, 0), (3, 0, -0.3, 10, 0)), 1))
    assert trips.exit_row.tolist() == [3]


def test_a_trip_receives_the_dividends_between_its_fills_and_none_of_the_row_it_begins_in():
    paid = np.cumsum([[0.0], [9.0], [0.5], [0.0], [0.25], [7.0]], axis=0)
    trips = named(round_trips(log((1, 0, 10, 100, 0), (3, 0, -6, 100, 0), (4, 0, -4, 100, 0)), 1, paid=paid))
    assert trips.dividends[0] == pytest.approx(10 * 0.5 + 4 * 0.25)
    assert trips.pnl[0] == pytest.approx(6.0)
    assert trips.return_[0] == pytest.approx(0.006)
    still = named(round_trips(log((1, 0, 10, 100, 0)), 1, paid=paid))
    assert np.isnan(still.dividends[0])
    assert np.isnan(still.pnl[0])


def test_no_fills_make_no_trips():
    assert round_trips(log(), 3).size == 0


def test_profits_of_random_books_add_up_to_the_money():
    rng = np.random.default_rng(3)
    for _ in range(30):
        held, money, fills = 0.0, 0.0, []
        for row in range(40):
            quantity = -held if rng.random() < 0.2 else float(rng.integers(-5, 6))
            if quantity:
                price, fee = float(rng.uniform(5, 15)), float(rng.random())
                fills.append((row, 0, quantity, price, fee))
                held += quantity
                money -= quantity * price + fee
        if held:
            fills.append((41, 0, -held, 10.0, 0.5))
            money += held * 10.0 - 0.5
        trips = named(round_trips(log(*fills), 1))
        assert trips.pnl.sum() == pytest.approx(money)
        assert (trips.exit_row >= 0).all()
