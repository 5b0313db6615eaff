"""Bootstrap intervals against arch, against theory where there is some, and in their coverage."""

import math

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap

from pipeline.backtest import metrics
from pipeline.errors import ConfigError, DataError
from pipeline.optimization.luck.blocks import draw_blocks
from pipeline.optimization.luck.bootstrap import Trips, intervals
from pipeline.optimization.luck.kernel_bootstrap import bootstrap_variance

DAYS, YEARS = 756, 3.0


@pytest.fixture(scope="module")
def returns():
    return np.random.default_rng(2).normal(0.0006, 0.01, DAYS)


def test_quantiles_equal_those_of_arch_within_monte_carlo_error(returns):
    found = intervals(returns, YEARS, seed=8, draws=4000)

    def figures(days):
        nav = np.cumprod(1.0 + days)
        fall = (1.0 - nav / np.maximum.accumulate(np.maximum(nav, 1.0))).max()
        fall = max(fall, 1.0 - nav.min())
        sharpe = days.mean() / days.std(ddof=1) * math.sqrt(DAYS / YEARS)
        return np.array([sharpe, nav[-1] ** (1 / YEARS) - 1.0, fall])

    theirs = StationaryBootstrap(10, returns, seed=3).apply(figures, 4000)
    for interval, column in zip((found.sharpe, found.cagr, found.max_drawdown), theirs.T, strict=True):
        spread = column.std()
        assert interval.low == pytest.approx(np.quantile(column, 0.05), abs=0.12 * spread)
        assert interval.high == pytest.approx(np.quantile(column, 0.95), abs=0.12 * spread)
        assert interval.error == pytest.approx(spread, rel=0.08)


def test_values_are_the_headline_figures(returns):
    found = intervals(returns, YEARS, seed=8, trips=Trips(30, 50))
    nav = np.cumprod(1.0 + returns)
    assert found.sharpe.value == pytest.approx(metrics.sharpe(returns, YEARS).value, rel=1e-12)
    assert found.cagr.value == pytest.approx(metrics.cagr(1.0, nav[-1], YEARS), rel=1e-12)
    assert found.max_drawdown.value == pytest.approx(metrics.drawdown(nav, 1.0).max(), rel=1e-12)
    assert found.bps.value == pytest.approx(
        0.4 * found.sharpe.value + 0.3 * found.cagr.value + 0.2 * 0.6 - 0.1 * found.max_drawdown.value
    )
    for part in (found.sharpe, found.cagr, found.bps):
        assert part.low < part.value < part.high


def test_ninety_percent_of_intervals_hold_the_true_sharpe_ratio():
    inside, rounds = 0, 200
    for seed in range(rounds):
        days = np.random.default_rng(100 + seed).normal(0.0005, 0.01, 504)
        found = intervals(days, 2.0, seed=seed, draws=300).sharpe
        inside += found.low <= 0.05 * math.sqrt(252) <= found.high
    assert 0.83 <= inside / rounds <= 0.95


def test_the_win_rate_moves_with_round_trips_and_not_with_days(returns):
    few = intervals(returns, YEARS, seed=8, trips=Trips(3, 5))
    many = intervals(returns, YEARS, seed=8, trips=Trips(3000, 5000))
    gap = few.bps.error**2 - many.bps.error**2
    assert gap == pytest.approx(0.2**2 * 0.6 * 0.4 / 5, rel=0.35)
    assert few.sharpe == many.sharpe


def test_without_round_trips_the_balanced_score_is_unknown(returns):
    assert intervals(returns, YEARS, seed=8).bps.value is None


def test_below_a_quarter_of_a_year_growth_is_unknown_and_the_rest_is_not(returns):
    found = intervals(returns[:60], 60 / 365.25, seed=8, trips=Trips(1, 2))
    assert found.cagr.low is None
    assert found.bps.low is None
    assert found.sharpe.low is not None


def test_undefined_days_are_left_out_and_counted(returns):
    holed = np.append(returns, [np.nan] * 252)
    found, kept = intervals(holed, 4.0, seed=8), intervals(returns, YEARS, seed=8)
    assert (found.n, found.left_out) == (DAYS, 252)
    assert (found.sharpe, found.cagr) == (kept.sharpe, kept.cagr)


def test_too_few_days_give_none_with_the_reason():
    found = intervals(np.full(29, 0.01), 0.1, seed=8)
    assert found.reason == "29 days of defined returns, 30 needed"
    assert found.sharpe.value is None


def test_returns_that_do_not_move_have_no_sharpe_ratio_but_grow():
    found = intervals(np.full(400, 0.001), 1.0, seed=8)
    assert found.sharpe.value is None
    assert found.cagr.value == pytest.approx(1.001**400 - 1)


def test_a_loss_of_everything_stays_in_the_draws():
    days = np.random.default_rng(1).normal(0.0, 0.01, 200)
    days[100] = -1.0
    found = intervals(days, 1.0, seed=8)
    assert found.max_drawdown.value == 1.0
    assert found.max_drawdown.high == 1.0
    assert found.cagr.value is None


def test_blocks_have_the_mean_length_asked_for_and_fill_the_sample():
    blocks = draw_blocks(8, "test", 500, mean_block=7.0, draws=400)
    assert blocks.lengths[:, :40].mean() == pytest.approx(7.0, rel=0.05)
    assert (blocks.lengths.sum(axis=1) >= 500).all()
    assert blocks.starts.min() >= 0
    assert blocks.starts.max() == 499


def test_a_draw_is_the_same_however_many_follow():
    few, many = (draw_blocks(8, "test", 500, draws=draws) for draws in (100, 300))
    assert np.array_equal(few.starts, many.starts[:100])
    assert np.array_equal(few.lengths, many.lengths[:100])


@pytest.mark.parametrize("mean_block", [1.0, 4.0, 10.0])
def test_the_bootstrap_variance_is_that_of_many_draws(mean_block):
    noise = np.random.default_rng(4).normal(size=201)
    series = noise[1:] + 0.8 * noise[:-1]
    series -= series.mean()
    means = StationaryBootstrap(mean_block, series, seed=5).apply(np.mean, 6000)
    assert bootstrap_variance(series, mean_block) == pytest.approx(200 * means.var(), rel=0.08)


@pytest.mark.parametrize("bad", [{"draws": 10}, {"level": 1.0}, {"mean_block": 0.0}, {"years": 0.0}])
def test_impossible_arguments_are_refused(returns, bad):
    arguments = {"years": YEARS, "seed": 8} | bad
    with pytest.raises(ConfigError):
        intervals(returns, arguments.pop("years"), **arguments)


def test_more_trips_won_than_closed_are_refused():
    with pytest.raises(DataError):
        Trips(3, 2)


def test_with_cash_sharpe_is_that_of_the_excess_and_growth_that_of_the_returns():
    rng = np.random.default_rng(6)
    returns, cash = rng.normal(0.0006, 0.01, 700), np.full(700, 0.0002)
    trips = Trips(12, 20)
    told = intervals(returns, 2.0, seed=3, trips=trips, cash=cash)
    excess, plain = (intervals(each, 2.0, seed=3, trips=trips) for each in (returns - cash, returns))
    assert told.sharpe == excess.sharpe
    assert (told.cagr, told.max_drawdown) == (plain.cagr, plain.max_drawdown)
    assert told.bps.value == pytest.approx(plain.bps.value + 0.4 * (excess.sharpe.value - plain.sharpe.value))
    assert told.bps.low < plain.bps.low
