"""Choosing on some days and judging on others: by hand, and on members of which one is truly better."""

import numpy as np
import pytest

from pipeline.config.search import CrossValidation, WalkForward
from pipeline.optimization.out_of_sample import (
    cross_validated,
    newest_choice,
    returns_per_year,
    score,
    stitched,
    walk_forward,
)

DAYS = (np.datetime64("2018-01-01") + np.arange(1100)).astype("datetime64[us]")


def members(skilled: int | None = None, count: int = 12, seed: int = 5):
    """Daily returns of members without skill, but for one."""
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (count, DAYS.size))
    if skilled is not None:
        returns[skilled] += 0.002
    return returns


def test_scores_are_those_of_the_metrics_module():
    from pipeline.backtest import metrics as m

    returns = members(count=3)
    years = DAYS.size / 365.25
    per_year = DAYS.size / years
    for row, own in enumerate(returns):
        nav = np.cumprod(1.0 + own)
        assert score("sharpe_ratio", returns, per_year)[row] == pytest.approx(m.sharpe(own, years).value)
        assert score("sortino_ratio", returns, per_year)[row] == pytest.approx(m.sortino(own, years))
        assert score("cagr", returns, per_year)[row] == pytest.approx(m.cagr(1.0, nav[-1], years))
        assert score("max_drawdown", returns, per_year)[row] == pytest.approx(-m.drawdown(nav, 1.0).max())


def test_a_member_that_never_moves_has_no_score():
    assert np.isnan(score("sharpe_ratio", np.zeros((1, 50)), 252.0)).all()
    assert np.isnan(score("sortino_ratio", np.zeros((1, 50)), 252.0)).all()


def test_walk_forward_follows_a_member_with_skill_and_finds_it_out_of_sample():
    folds = walk_forward(members(skilled=7), DAYS, WalkForward(), cash=None)
    assert len(folds) == 9
    assert all(fold.member == 7 for fold in folds)
    assert np.mean([fold.out_of_sample for fold in folds]) > 1.5


def test_without_skill_what_was_chosen_does_no_better_later():
    folds = walk_forward(members(count=60), DAYS, WalkForward(), cash=None)
    assert np.mean([fold.in_sample for fold in folds]) > 1.5
    assert abs(np.mean([fold.out_of_sample for fold in folds])) < 1.0


def test_the_days_that_judge_never_choose():
    returns = members()
    before = walk_forward(returns, DAYS, WalkForward(), cash=None)
    first = before[0]
    spoiled = returns.copy()
    spoiled[:, first.test[0] :] = np.random.default_rng(9).normal(0.0, 1.0, spoiled[:, first.test[0] :].shape)
    after = walk_forward(spoiled, DAYS, WalkForward(), cash=None)[0]
    assert after.member == first.member
    assert after.in_sample == first.in_sample
    assert after.out_of_sample != first.out_of_sample


def test_the_newest_choice_is_made_on_the_last_months():
    returns = members()
    returns[3, -300:] += 0.005
    assert newest_choice(returns, DAYS, WalkForward(), cash=None) == 3


def test_cross_validation_paths_cover_all_days_and_see_skill():
    paths = cross_validated(members(skilled=2), DAYS, CrossValidation(), "sharpe_ratio", cash=None)
    assert len(paths.folds) == 15
    assert paths.sharpe.shape == (5,)
    assert all(fold.member == 2 for fold in paths.folds)
    whole = score("sharpe_ratio", members(skilled=2)[[2]], returns_per_year(DAYS))[0]
    np.testing.assert_allclose(paths.sharpe, whole)


def test_an_account_holds_what_the_window_before_chose_from_the_decision_that_ends_it():
    returns = members(skilled=1, count=3)
    returns[2, 700:] += 0.02
    folds = walk_forward(returns, DAYS, WalkForward(), cash=None)
    rows = 6 * np.arange(DAYS.size) + 5
    bars = rows[-1] + 1

    def weights(member: int):
        return np.full((bars, 1), float(member))

    targets, first, end = stitched(folds, rows, weights)
    assert first == rows[folds[0].test[0] - 1]
    assert end == rows[folds[-1].test[1]] + 1
    assert (targets[:first] == 0.0).all()
    for fold in folds:
        since, until = rows[fold.test[0] - 1], rows[fold.test[1]]
        assert (targets[since:until] == fold.member).all()
    assert {fold.member for fold in folds} == {1, 2}


def test_without_windows_there_is_no_account():
    short = walk_forward(members()[:, :50], DAYS[:50], WalkForward(), cash=None)
    assert short == ()
    assert stitched(short, np.arange(50), lambda member: np.zeros((50, 1))) is None


CASH = np.full(DAYS.size, 0.0002)


def sleepers():
    """Daily returns of a member that only holds cash, nearly, and of two that trade, one of them well."""
    rng = np.random.default_rng(6)
    asleep = CASH + rng.normal(0.0, 1e-6, DAYS.size)
    noise, skilled = rng.normal(0.0, 0.01, (2, DAYS.size))
    return np.array([asleep, CASH + noise, CASH + skilled + 0.002])


def test_what_cash_earns_is_chosen_nowhere():
    returns = sleepers()
    settings = WalkForward()
    assert {fold.member for fold in walk_forward(returns, DAYS, settings, cash=None)} == {0}, (
        "a Sharpe of 3,000"
    )
    assert {fold.member for fold in walk_forward(returns, DAYS, settings, cash=CASH)} == {2}
    assert newest_choice(returns, DAYS, settings, cash=CASH) == 2
    paths = cross_validated(returns, DAYS, CrossValidation(), "sharpe_ratio", cash=CASH)
    assert {fold.member for fold in paths.folds} == {2}


@pytest.mark.parametrize("metric", ["sharpe_ratio", "sortino_ratio"])
def test_ratios_with_cash_are_those_of_the_excess_and_growth_is_that_of_nav(metric):
    returns = sleepers()
    with_cash = cross_validated(returns, DAYS, CrossValidation(), metric, cash=CASH)
    excess = cross_validated(returns - CASH, DAYS, CrossValidation(), metric, cash=None)
    assert with_cash.folds == excess.folds
    np.testing.assert_array_equal(with_cash.sharpe, excess.sharpe)
    np.testing.assert_array_equal(
        score("cagr", returns, 365.25, CASH), score("cagr", returns, 365.25), "growth is growth"
    )
