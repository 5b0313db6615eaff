"""Reality Check and SPA against the arch library, against a slow reference, and in their size and power."""

import math

import numpy as np
import pytest
from arch.bootstrap import SPA, StationaryBootstrap

from pipeline.errors import ConfigError, DataError
from pipeline.optimization.luck.kernel_bootstrap import TILE
from pipeline.optimization.luck.reality_check import reality_check
from pipeline.optimization.luck.verdict import Verdict

DAYS = 300


def noise(seed, trials, days=DAYS, common=0.0):
    rng = np.random.default_rng(seed)
    return 0.01 * (common * rng.standard_normal(days) + rng.standard_normal((trials, days)))


def worlds():
    skilled = noise(1, 12)
    skilled[4] += 0.0012
    poor = noise(2, 40)
    poor[5:] -= 0.003
    persistent = noise(3, 9, DAYS + 1)
    return {
        "noise": noise(4, 60),
        "related": noise(5, 25, common=1.0),
        "skilled": skilled,
        "poor": poor,
        "persistent": persistent[:, 1:] + 0.6 * persistent[:, :-1],
        "one": noise(6, 1) + 0.0008,
    }


def agree(ours, theirs, draws):
    error = math.sqrt(2.0 * max(theirs * (1.0 - theirs), 0.01) / draws)
    return abs(ours - theirs) < 4.0 * error


def spa_of_arch(excess, draws):
    """Hansen's test by arch, which compares means as they are: the scale goes into the losses."""
    plain = SPA(np.zeros(DAYS), -excess.T, block_size=10, reps=draws, bootstrap="stationary")
    plain._compute_variance()
    scale = np.sqrt(plain._loss_diff_var)
    test = SPA(np.zeros(DAYS), -excess.T / scale, block_size=10, reps=draws, bootstrap="stationary", seed=1)
    test.compute()
    return test.pvalues, scale


@pytest.mark.parametrize("world", sorted(worlds()))
def test_p_values_equal_those_of_arch_within_monte_carlo_error(world):
    excess, draws = worlds()[world], 4000
    ours = reality_check(excess, seed=8, draws=draws, studentise="sample")
    theirs, scale = spa_of_arch(excess, draws)
    observed = math.sqrt(DAYS) * excess.mean(axis=1) / scale
    assert ours.statistic == pytest.approx(observed.max(), rel=1e-9)
    assert ours.best == observed.argmax()
    assert agree(ours.p_white, theirs["upper"], draws)
    assert agree(ours.p_spa, theirs["consistent"], draws)


@pytest.mark.parametrize("world", ["noise", "skilled", "poor", "persistent"])
def test_draws_studentised_by_their_own_blocks_equal_a_slow_reference_on_indices_of_arch(world):
    excess, draws = worlds()[world], 1500
    ours = reality_check(excess, seed=8, draws=draws)
    means = excess.mean(axis=1)
    lags = np.arange(1, DAYS)
    weight = (1 - lags / DAYS) * 0.9**lags + lags / DAYS * 0.9 ** (DAYS - lags)
    centred = excess - means[:, None]
    omega = np.array(
        [
            math.sqrt(
                (row @ row + 2 * sum(w * (row[:-k] @ row[k:]) for k, w in zip(lags, weight, strict=True)))
                / DAYS
            )
            for row in centred
        ]
    )
    observed = math.sqrt(DAYS) * means / omega
    kept = np.where(observed < -math.sqrt(2 * math.log(math.log(DAYS))), means, 0.0)
    white = hansen = 0
    drawer = StationaryBootstrap(10, np.arange(DAYS), seed=2)
    for (index,), _ in drawer.bootstrap(draws):
        begins = np.concatenate([[0], np.flatnonzero(np.diff(index) % DAYS != 1) + 1])
        sums = np.add.reduceat(centred[:, index], begins, axis=1)
        lengths = np.diff(np.append(begins, DAYS))
        mean = sums.sum(axis=1) / DAYS
        scale = np.sqrt(((sums - lengths * mean[:, None]) ** 2).sum(axis=1) / DAYS)
        white += max(0.0, (math.sqrt(DAYS) * mean / scale).max()) >= observed.max()
        hansen += max(0.0, (math.sqrt(DAYS) * (mean + kept) / scale).max()) >= observed.max()
    assert ours.statistic == pytest.approx(observed.max(), rel=1e-9)
    assert agree(ours.p_white, white / draws, draws)
    assert agree(ours.p_spa, hansen / draws, draws)


@pytest.mark.parametrize(("common", "name"), [(0.0, "independent"), (1.2, "related")])
def test_noise_is_rejected_no_more_often_than_the_level_says(common, name):
    found = [reality_check(noise(seed, 100, 504, common), seed=seed, draws=200) for seed in range(120)]
    assert sum(each.p_white <= 0.05 for each in found) <= 11, name  # 99 % of Binomial(120, 0.05)
    assert sum(each.p_spa <= 0.10 for each in found) <= 20, name  # 99 % of Binomial(120, 0.10)


def test_a_skilled_trial_is_found_as_often_as_the_minimum_detectable_effect_promises():
    hits, rounds = 0, 60
    detectable = reality_check(noise(0, 50, 504), seed=0, years=2.0).min_detectable
    for seed in range(rounds):
        excess = noise(1000 + seed, 50, 504)
        excess[7] += detectable * 0.01 / math.sqrt(252)
        found = reality_check(excess, seed=seed, draws=400, years=2.0)
        hits += found.best == 7 and found.p_white <= 0.05
    assert 0.65 <= hits / rounds <= 0.95


def test_poor_trials_hide_skill_from_white_more_than_from_hansen():
    excess = worlds()["poor"]
    excess[2] += 0.0012
    found = reality_check(excess, seed=8)
    assert found.best == 2
    assert found.p_spa < found.p_white


def test_trials_that_are_undefined_or_never_move_are_left_out_and_counted():
    excess = noise(7, 6)
    padded = np.vstack([np.zeros(DAYS), excess[:3], np.full(DAYS, 0.01), excess[3:]])
    padded[6, 10] = np.nan
    found, kept = reality_check(padded, seed=8), reality_check(excess[[0, 1, 2, 3, 5]], seed=8)
    assert (found.n_trials, found.left_out) == (5, 3)
    assert (found.p_white, found.p_spa, found.statistic) == (kept.p_white, kept.p_spa, kept.statistic)
    assert np.array_equal(padded[found.best], excess[[0, 1, 2, 3, 5]][kept.best])


@pytest.mark.parametrize(
    ("excess", "reason"),
    [
        (np.zeros((3, DAYS)), "no trial moves on defined days"),
        (np.zeros((0, DAYS)), "no trial moves on defined days"),
        (noise(1, 3, 99), "99 days of defined returns, 100 needed"),
    ],
)
def test_what_cannot_be_said_is_none_with_its_reason(excess, reason):
    found = reality_check(excess, seed=8)
    assert (found.p_white, found.p_spa, found.best, found.reason) == (None, None, None, reason)
    assert found.verdict is Verdict.UNDECIDED


def test_a_p_value_is_never_zero():
    assert reality_check(noise(1, 3) + 0.01, seed=8, draws=200).p_white == 1.0 / 201.0


def test_trials_share_their_draws_whatever_tile_they_fall_in():
    excess = noise(9, TILE + 5)
    together = reality_check(excess, seed=8)
    turned = reality_check(excess[::-1], seed=8)
    assert (together.p_white, together.p_spa) == (turned.p_white, turned.p_spa)
    assert together.best == TILE + 4 - turned.best


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"draws": 99}, ConfigError),
        ({"mean_block": 0.5}, ConfigError),
        ({"seed": -1}, ConfigError),
        ({"studentise": "nothing"}, ConfigError),
        ({"excess": np.zeros(DAYS)}, DataError),
    ],
)
def test_impossible_arguments_are_refused(bad, error):
    arguments = {"excess": noise(1, 3), "seed": 8} | bad
    with pytest.raises(error):
        reality_check(arguments.pop("excess"), **arguments)


def test_a_named_trial_is_judged_against_the_largest_of_all():
    excess = worlds()["skilled"]
    best = reality_check(excess, seed=8)
    assert reality_check(excess, seed=8, row=best.best) == best
    each = [reality_check(excess, seed=8, row=row) for row in range(len(excess))]
    assert [check.best for check in each] == list(range(len(excess)))
    order = np.argsort([-check.statistic for check in each])
    ps = np.array([check.p_white for check in each])[order]
    assert (np.diff(ps) >= 0.0).all()
    assert ps[0] == best.p_white < ps[-1]


def test_a_named_trial_that_is_left_out_has_no_p_value():
    excess = worlds()["noise"].copy()
    excess[3, 5] = np.nan
    check = reality_check(excess, seed=8, row=3)
    assert (check.p_white, check.reason) == (None, "the trial has an undefined day, or never moves")
    assert reality_check(excess, seed=8, row=4).p_white is not None
