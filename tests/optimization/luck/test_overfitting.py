"""PBO by CSCV against a slow reference written from the paper, and on noise, skill and gaps."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.optimization.luck.overfitting import pbo


def noise(seed, trials, days):
    return 0.01 * np.random.default_rng(seed).standard_normal((trials, days))


def reference(returns, blocks, ratio=True):
    """Bailey et al. (2017), section 3, step by step: relative rank, scores of the chosen in both halves."""
    parts = np.split(returns, [k * returns.shape[1] // blocks for k in range(1, blocks)], axis=1)
    rows = []
    for inside in combinations(range(blocks), blocks // 2):
        train = np.concatenate([parts[k] for k in range(blocks) if k in inside], axis=1)
        test = np.concatenate([parts[k] for k in range(blocks) if k not in inside], axis=1)
        scores = []
        for half in (train, test):
            with np.errstate(invalid="ignore"):
                scores.append(half.mean(axis=1) / (half.std(axis=1, ddof=1) if ratio else 1.0))
        met = np.isfinite(scores[0]) & np.isfinite(scores[1])
        train, test = scores[0][met], scores[1][met]
        best = int(np.argmax(train))
        rank = np.mean(np.flatnonzero(np.sort(test) == test[best])) + 1
        rows.append((rank / (test.size + 1), train[best], test[best]))
    return np.array(rows).T


@pytest.mark.parametrize(
    ("trials", "days", "blocks"), [(7, 160, 8), (12, 203, 10), (2, 90, 2), (33, 64, 4), (5, 331, 12)]
)
@pytest.mark.parametrize("score", ["sharpe", "mean"])
def test_it_equals_a_slow_reference_written_from_the_paper(trials, days, blocks, score):
    returns = noise(trials, trials, days) + 0.0003
    found = pbo(returns, blocks=blocks, score=score)
    rank, chosen, judged = reference(returns, blocks, ratio=score == "sharpe")
    assert found.pbo == np.mean(rank <= 0.5)
    assert np.allclose(np.sort(found.logits), np.sort(np.log(rank / (1 - rank))), atol=1e-12)
    assert found.degradation == pytest.approx(np.polyfit(chosen, judged, 1)[0], rel=1e-8)
    assert found.loss == np.mean(judged < 0)
    assert found.n == rank.size


@pytest.mark.slow
def test_it_equals_the_reference_on_the_usual_sixteen_blocks():
    returns = noise(16, 6, 500)
    rank, _, _ = reference(returns, 16)
    found = pbo(returns)
    assert found.n == rank.size == 12_870
    assert found.pbo == np.mean(rank <= 0.5)


def test_noise_overfits_in_half_of_all_splits():
    values = [pbo(noise(seed, 100, 504), blocks=10).pbo for seed in range(60)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.07)
    assert 0.08 < np.std(values) < 0.26


def test_a_trial_of_lasting_skill_does_not_overfit():
    returns = noise(2, 50, 1000)
    returns[9] += 0.003
    found = pbo(returns)
    assert found.pbo == 0.0
    assert found.loss < 0.01


def test_a_trial_that_is_good_in_one_stretch_only_overfits():
    returns = noise(3, 20, 480)
    for trial in range(16):
        returns[trial, 30 * trial : 30 * (trial + 1)] += 0.02
    assert pbo(returns).pbo > 0.9


def test_a_half_without_a_move_takes_the_trial_out_of_that_split_and_is_counted():
    returns = noise(4, 6, 160)
    returns[2, 60:] = 0.0
    returns[5, :100] = 0.0
    found = pbo(returns, blocks=8)
    rank, chosen, judged = reference(returns, 8)
    assert found.uncompared > 0
    assert found.pbo == np.mean(rank <= 0.5)
    assert found.degradation == pytest.approx(np.polyfit(chosen, judged, 1)[0], rel=1e-8)


def test_trials_of_equal_merit_share_the_middle_rank():
    row = noise(5, 1, 160)
    found = pbo(np.vstack([row] * 4), blocks=8)
    assert np.array_equal(found.logits, np.zeros(70))
    assert found.pbo == 1.0


def test_undefined_trials_are_left_out_and_counted():
    returns = noise(6, 5, 160)
    holed = np.vstack([returns, returns[:1], np.zeros((1, 160))])
    holed[5, 3] = np.inf
    found, kept = pbo(holed, blocks=8), pbo(returns, blocks=8)
    assert (found.pbo, found.left_out, found.n_trials) == (kept.pbo, 2, 5)


def never_together():
    returns = np.zeros((2, 160))
    returns[0, :80], returns[1, 80:] = noise(7, 2, 80)
    return returns


@pytest.mark.parametrize(
    ("returns", "blocks", "reason"),
    [
        (noise(1, 1, 160), 8, "1 trials that move on defined days, 2 needed"),
        (np.full((3, 160), np.nan), 8, "0 trials that move on defined days, 2 needed"),
        (noise(1, 5, 63), 16, "63 days of defined returns, 64 needed"),
        (never_together(), 2, "no split in which two trials move in both halves"),
    ],
)
def test_what_cannot_be_said_is_none_with_its_reason(returns, blocks, reason):
    found = pbo(returns, blocks=blocks)
    assert (found.pbo, found.degradation, found.loss, found.reason) == (None, None, None, reason)


@pytest.mark.parametrize("bad", [{"blocks": 7}, {"blocks": 0}, {"blocks": 22}, {"score": "luck"}])
def test_impossible_arguments_are_refused(bad):
    with pytest.raises(ConfigError):
        pbo(noise(1, 3, 200), **bad)
