"""Differences under one standard error are ties, and the error is that of the difference itself."""

import math

import numpy as np
import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.optimization.luck.bootstrap import Trips, intervals
from pipeline.optimization.luck.ties import differences, standing

DAYS, YEARS = 1008, 4.0


@pytest.fixture(scope="module")
def market():
    return np.random.default_rng(3).normal(0.0004, 0.01, DAYS)


def own(seed, sd=0.001):
    noise = np.random.default_rng(seed).normal(0.0, sd, DAYS)
    return noise - noise.mean()


def test_a_run_ties_with_itself_and_with_a_mirror_of_its_noise(market):
    same = differences(market, market, YEARS, seed=8, left_trips=Trips(6, 9), right_trips=Trips(6, 9))
    assert all(part.value == 0.0 and part.tie for part in same.values())
    near = differences(market + own(1), market - own(1), YEARS, seed=8)
    assert near["sharpe"].tie
    assert near["bps"].tie is None


def test_what_moves_both_runs_together_cancels(market):
    better = market + own(2) + 0.0002
    found = differences(better, market, YEARS, seed=8)["sharpe"]
    assert found.tie is False
    assert found.error < intervals(market, YEARS, seed=8).sharpe.error / 4


def test_a_difference_turned_round_changes_its_sign_only(market):
    there, back = (
        differences(*pair, YEARS, seed=8) for pair in ((market, own(3, 0.01)), (own(3, 0.01), market))
    )
    for name in ("sharpe", "cagr", "max_drawdown"):
        assert there[name].value == -back[name].value
        assert there[name].error == pytest.approx(back[name].error, rel=1e-12)


def test_the_error_without_draws_equals_that_of_the_bootstrap(market):
    other = own(4, 0.01) + 0.0003
    drawn = differences(market, other, YEARS, seed=8)["sharpe"]
    analytic = standing(np.vstack([market, other]), YEARS)
    assert np.nanmax(analytic.error) == pytest.approx(drawn.error, rel=0.1)
    assert analytic.sharpe[0] - analytic.sharpe[1] == pytest.approx(drawn.value, rel=1e-9)


def test_of_two_independent_runs_without_dependence_the_error_is_the_textbook_one():
    noise = np.random.default_rng(5).normal(0.0, 0.01, (2, 20_000))
    found = standing(noise, 80.0)
    assert np.nanmax(found.error) == pytest.approx(math.sqrt(2.0 / 80.0), rel=0.1)


def test_a_copy_ties_with_the_best_and_a_far_worse_trial_does_not(market):
    table = np.vstack([market - 0.002, market, market, np.full(DAYS, np.nan), np.zeros(DAYS)])
    found = standing(table, YEARS)
    assert found.best == 1
    assert found.tied.tolist() == [False, True, True, False, False]
    assert found.error[1] == 0.0
    assert np.isnan(found.sharpe[3:]).all()
    assert found.left_out == 2


def test_about_a_third_of_equal_runs_are_told_apart_by_one_standard_error():
    apart, rounds = 0, 150
    for seed in range(rounds):
        pair = np.random.default_rng(200 + seed).normal(0.0, 0.01, (2, 504))
        apart += standing(pair, 2.0).tied.sum() == 1
    assert 0.2 < apart / rounds < 0.45


def test_days_undefined_on_either_side_are_left_out(market):
    holed, other = market.copy(), own(6, 0.01)
    holed[:252] = np.nan
    found = differences(holed, other, YEARS, seed=8)
    assert found == differences(market[252:], other[252:], 3.0, seed=8)


def test_what_cannot_be_compared_is_none():
    short = own(1)[:20]
    assert differences(short, short, 0.1, seed=8)["sharpe"].tie is None
    assert standing(np.vstack([short, short]), 0.1).reason == "20 days of defined returns, 30 needed"
    assert standing(np.zeros((2, 400)), 1.0).reason == "no trial moves on defined days"


def test_impossible_arguments_are_refused(market):
    with pytest.raises(DataError):
        differences(market, market[1:], YEARS, seed=8)
    with pytest.raises(ConfigError):
        differences(market, market, 0.0, seed=8)
    with pytest.raises(ConfigError):
        standing(market[None], YEARS, mean_block=0.1)
