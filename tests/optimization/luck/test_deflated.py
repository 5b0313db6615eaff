"""The deflated Sharpe ratio against the paper's formula, its vectors and what it must leave unsaid."""

import numpy as np
import pytest
from scipy import stats

from pipeline.errors import ConfigError, DataError
from pipeline.optimization.luck.deflated import (
    Shape,
    deflated_among,
    deflated_sharpe,
    expected_best,
    in_excess,
    probabilistic_sharpe,
    sharpe_beyond,
    sharpes,
)
from pipeline.optimization.luck.verdict import Verdict

YEARS = 4.0
SHARPES = np.array([0.3, -0.8, 1.1, 0.0, -0.2])


@pytest.fixture
def skewed():
    return 0.0008 - 0.004 * (np.random.default_rng(3).gamma(2.0, 1.0, 1008) - 2.0)


@pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_paper_s_numerical_example(trials, expected):
    threshold = np.sqrt(0.5) * expected_best(trials)
    found = probabilistic_sharpe(2.5, Shape(250.0, 1250, -3.0, 10.0), beyond=threshold)
    assert found == pytest.approx(expected, abs=5e-5)


def test_it_equals_the_formula_written_with_scipy(skewed):
    found = deflated_sharpe(skewed, SHARPES, 40, YEARS)
    n, per_year = skewed.size, skewed.size / YEARS
    ratio = skewed.mean() / skewed.std(ddof=1)
    best = (1 - np.euler_gamma) * stats.norm.ppf(1 - 1 / 40) + np.euler_gamma * stats.norm.ppf(
        1 - 1 / (40 * np.e)
    )
    threshold = SHARPES.std(ddof=1) * best
    spread = np.sqrt(
        1 - stats.skew(skewed) * ratio + (stats.kurtosis(skewed, fisher=False) - 1) / 4 * ratio**2
    )

    def probability(beyond):
        return stats.norm.cdf((ratio - beyond / np.sqrt(per_year)) * np.sqrt(n - 1) / spread)

    assert found.value == pytest.approx(probability(threshold), abs=1e-12)
    assert found.psr == pytest.approx(probability(0.0), abs=1e-12)
    assert found.sharpe == pytest.approx(ratio * np.sqrt(per_year), rel=1e-12)
    assert found.threshold == pytest.approx(threshold, rel=1e-12)
    assert found.skew == pytest.approx(stats.skew(skewed), rel=1e-9)
    assert found.kurtosis == pytest.approx(stats.kurtosis(skewed, fisher=False), rel=1e-9)
    assert (found.n, found.n_trials, found.left_out, found.reason) == (1008, 40, 0, None)


@pytest.mark.parametrize("trials", [20, 200, 1000])
def test_the_expected_best_is_near_that_of_simulated_noise(trials):
    best = np.random.default_rng(1).standard_normal((4000, trials)).max(axis=1)
    assert expected_best(trials) == pytest.approx(best.mean(), rel=0.03)


def test_a_single_trial_is_judged_by_its_probabilistic_sharpe_alone(skewed):
    found = deflated_sharpe(skewed, np.array([1.2]), 1, YEARS)
    assert found.threshold == 0.0
    assert found.value == found.psr


def test_trials_are_never_fewer_than_those_given(skewed):
    assert deflated_sharpe(skewed, SHARPES, 1, YEARS) == deflated_sharpe(skewed, SHARPES, 5, YEARS)


def test_more_trials_make_the_same_result_worth_less(skewed):
    values = [deflated_sharpe(skewed, SHARPES, n, YEARS).value for n in (5, 20, 100, 1000)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.1


def test_without_two_sharpe_ratios_the_spread_of_noise_stands_in(skewed):
    found = deflated_sharpe(skewed, np.array([1.2, np.nan]), 20, YEARS)
    assert found.spread == 1.0 / YEARS
    assert found.threshold == pytest.approx(expected_best(20) / np.sqrt(YEARS))
    assert found.left_out == 1


def test_undefined_days_are_left_out_and_counted_and_the_year_keeps_its_days(skewed):
    holed = skewed.copy()
    holed[::4] = np.nan
    found = deflated_sharpe(holed, SHARPES, 5, YEARS)
    kept = deflated_sharpe(skewed[np.isfinite(holed)], SHARPES, 5, YEARS * 0.75)
    assert (found.n, found.left_out) == (756, 252)
    assert found.value == pytest.approx(kept.value, abs=1e-12)


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (np.zeros(400), "the excess returns do not move"),
        (np.full(400, 0.001), "the excess returns do not move"),
        (np.full(400, np.nan), "0 days of defined returns, 30 needed"),
        (np.random.default_rng(1).normal(size=29), "29 days of defined returns, 30 needed"),
    ],
)
def test_what_cannot_be_said_is_none_with_its_reason(days, reason):
    found = deflated_sharpe(days, SHARPES, 5, 1.0)
    assert (found.value, found.psr, found.min_detectable) == (None, None, None)
    assert found.reason == reason
    assert found.verdict is Verdict.UNDECIDED


def test_a_benchmark_held_against_itself_shows_no_skill_to_measure():
    market = np.random.default_rng(4).normal(0.0005, 0.01, 500)
    nav = np.cumprod(1.0 + market)
    rounded = nav / np.concatenate([[1.0], nav[:-1]]) - 1.0
    assert deflated_sharpe(in_excess(rounded, market, 1.0), SHARPES, 5, 2.0).value is None


def test_excess_is_over_the_benchmark_at_each_trial_s_own_exposure():
    rng = np.random.default_rng(5)
    market, held = rng.normal(size=6), np.array([0.2, 1.0, 0.0])
    many = in_excess(np.outer(held, market) + 0.5, market, held)
    assert np.allclose(many, 0.5)
    assert np.allclose(in_excess(0.2 * market + 0.5, market, 0.2), 0.5)
    with pytest.raises(DataError):
        in_excess(np.zeros((3, 6)), np.zeros(5), held)


@pytest.mark.parametrize(("trials", "years"), [(0, 1.0), (5, 0.0), (5, float("nan"))])
def test_impossible_numbers_are_refused(skewed, trials, years):
    with pytest.raises(ConfigError):
        deflated_sharpe(skewed, SHARPES, trials, years)


def test_the_needed_sharpe_ratio_is_where_the_value_reaches_its_level(skewed):
    found = deflated_sharpe(skewed, SHARPES, 40, YEARS)
    shape = Shape(skewed.size / YEARS, skewed.size, found.skew, found.kurtosis)
    at = probabilistic_sharpe(found.needed, shape, beyond=found.threshold)
    assert at == pytest.approx(0.95, abs=1e-9)
    assert found.threshold < found.needed < found.min_detectable


def test_where_no_sharpe_ratio_is_far_enough_none_is_named():
    assert sharpe_beyond(1.0, 1.6, Shape(252.0, 30, 0.0, 100.0)) is None


@pytest.mark.parametrize(
    ("trials", "years", "quoted"),
    [(20, 2, 2.51), (20, 5, 1.59), (200, 2, 3.12), (200, 5, 1.97), (1000, 2, 3.47), (1000, 5, 2.19)],
)
def test_the_annual_sharpe_ratio_that_the_best_of_n_needs(trials, years, quoted):
    found = sharpe_beyond(
        expected_best(trials) / np.sqrt(years), 1.6448536, Shape(365.25, round(365.25 * years))
    )
    assert found == pytest.approx(quoted, abs=0.01)


def test_interest_on_idle_cash_is_no_excess():
    rng = np.random.default_rng(5)
    held, cash = rng.normal(0.0005, 0.01, 500), np.full(500, 0.0002)
    traded = 0.4 * held + rng.normal(0.0, 0.004, 500)
    paid = traded + 0.6 * cash
    np.testing.assert_allclose(in_excess(paid, held, 0.4, cash), in_excess(traded, held, 0.4), atol=1e-15)


def family(seed, count=12, days=1008):
    """Trials of very different worth, in excess of their benchmark; the first is the best."""
    rng = np.random.default_rng(seed)
    trials = rng.normal(0.0, 0.01, (count, days)) + np.linspace(0.0012, -0.0012, count)[:, None]
    return trials[np.argsort(-trials.mean(axis=1) / trials.std(axis=1))]


def copies(trial, count, seed=9):
    """The same trial with other hands: a hundredth of its variance is its own."""
    return trial + np.random.default_rng(seed).normal(0.0, 0.1 * trial.std(), (count, trial.size))


@pytest.mark.parametrize("copied", [0, 5, 11])
@pytest.mark.parametrize("seed", range(5))
def test_copies_of_any_trial_never_make_the_best_worth_more(seed, copied):
    trials = family(seed)
    alone = deflated_among(trials, 0, len(trials), YEARS)
    assert alone.spread > 1.0 / YEARS, "they differ by more than noise"
    before = alone.value
    for count in (1, 20, 300):
        crowd = np.concatenate([trials, copies(trials[copied], count)])
        found = deflated_among(crowd, 0, len(crowd), YEARS)
        assert (found.distinct, found.n_trials) == (len(trials), len(crowd))
        assert found.spread == alone.spread
        assert found.value <= before
        before = found.value


def test_without_that_copies_of_the_best_would_have_made_it_worth_more():
    trials = family(1)
    crowd = np.concatenate([trials, copies(trials[0], 300)])
    plain = np.var(sharpes(crowd, YEARS), ddof=1)
    assert plain < 0.3 * deflated_among(trials, 0, len(trials), YEARS).spread


def test_trials_that_hardly_differ_are_spread_like_noise_at_least():
    common = np.random.default_rng(2).normal(0.0004, 0.01, 1008)
    related = common + np.random.default_rng(3).normal(0.0, 0.006, (50, 1008))
    found = deflated_among(related, 0, 50, YEARS)
    assert np.var(sharpes(related, YEARS), ddof=1) < 0.5 / YEARS
    assert found.distinct == 50
    assert found.threshold == pytest.approx(expected_best(50) / np.sqrt(YEARS))


def test_the_judged_trial_stands_for_its_copies_wherever_it_is():
    trials = family(3)
    crowd = np.concatenate([copies(trials[0], 5), trials])
    found = deflated_among(crowd, 5, len(crowd), YEARS)
    assert found.spread == pytest.approx(deflated_among(trials, 0, len(trials), YEARS).spread)
