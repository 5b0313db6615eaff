"""Stresses of a run's own books: gaps by hand, correlations against simulated worlds."""

import numpy as np
import pytest

from pipeline.backtest.stress import GAPS, stress, volatility_factor
from tests.support.small_run import ASSETS, small_account, small_run


@pytest.fixture(scope="module")
def run():
    return small_run(days=120).simulation


def test_the_largest_loss_in_a_gap_is_that_of_the_worst_book_of_the_run(run):
    account = small_account(days=120)
    found = stress(account, run)
    last, worst = np.full(len(ASSETS), np.nan), 0.0
    for row in range(run.ts.size):
        close = account.panel.close[row]
        known = account.panel.known_at[row] <= account.panel.decisions[row]
        last = np.where(~np.isnan(close) & known, close, last)
        held = np.nan_to_num(run.quantity[row] * last) / run.nav[row]
        worst = max(worst, -sum(w * GAPS[asset.asset_class] for w, asset in zip(held, ASSETS, strict=True)))
    assert worst > 0.0
    assert found.gap_loss == pytest.approx(worst, rel=1e-12)
    assert found.drawdown == pytest.approx(run.metrics.max_drawdown * found.volatility_factor)
    assert found.volatility_factor > 1.0


def test_a_run_that_holds_nothing_loses_nothing_in_a_gap_and_has_no_factor():
    idle = stress(small_account(days=120, most=0.0), small_run(days=120, most=0.0).simulation)
    assert (idle.gap_loss, idle.volatility_factor, idle.drawdown) == (0.0, None, None)


def test_two_independent_assets_of_one_volatility_move_as_a_pair_of_correlation_nine_tenths():
    moves = np.random.default_rng(8).normal(0.0, 0.01, (50_000, 2))
    even = np.full((50_001, 2), 0.5)
    assert volatility_factor(even, moves) == pytest.approx(np.sqrt(1.0 + 0.9), rel=0.01)


def test_one_asset_alone_is_not_stressed():
    moves = np.random.default_rng(8).normal(0.0, 0.01, (1000, 2))
    alone = np.zeros((1001, 2))
    alone[:, 0] = 0.7
    assert volatility_factor(alone, moves) == pytest.approx(1.0)


def test_a_correlation_above_nine_tenths_is_not_lowered():
    common = np.random.default_rng(8).normal(0.0, 0.01, (1000, 1))
    assert volatility_factor(np.full((1001, 2), 0.5), np.hstack([common, common])) == pytest.approx(1.0)


def test_too_few_days_say_nothing():
    moves = np.random.default_rng(8).normal(0.0, 0.01, (29, 2))
    assert volatility_factor(np.full((30, 2), 0.5), moves) is None
