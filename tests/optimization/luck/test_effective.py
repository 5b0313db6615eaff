"""The effective number of trials: N for independent ones, 1 for copies, the clusters for clusters."""

import math

import numpy as np
import pytest

from pipeline.optimization.luck.deflated import expected_best
from pipeline.optimization.luck.effective import effective_trials


def noise(trials, days, correlation=0.0):
    rng = np.random.default_rng(1)
    common, alone = rng.standard_normal(days), rng.standard_normal((trials, days))
    return math.sqrt(correlation) * common + math.sqrt(1 - correlation) * alone


def test_independent_trials_count_nearly_in_full():
    assert effective_trials(noise(20, 8_000)) == pytest.approx(20, rel=0.01)


def test_copies_count_once_whatever_their_scale_and_sign():
    row = noise(1, 400)
    assert effective_trials(np.vstack([row, 3 * row, -row, row + 5])) == pytest.approx(1.0)


def test_clusters_count_once_each():
    assert effective_trials(np.repeat(noise(5, 8_000), 30, axis=0)) == pytest.approx(5, rel=0.01)


def test_trials_in_common_are_as_many_as_independent_ones_with_the_same_best():
    found = effective_trials(noise(200, 8_000, 0.6))
    assert expected_best(round(found)) == pytest.approx(math.sqrt(0.4) * expected_best(200), rel=0.03)


def test_more_trials_than_days_take_the_same_eigenvalues_from_the_other_side():
    returns = noise(60, 59)
    centred = returns - returns.mean(axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(np.corrcoef(centred)) / 60
    shares = shares[shares > 1e-12]
    assert effective_trials(returns) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_what_is_undefined_is_left_out_or_none():
    returns = noise(5, 400)
    assert effective_trials(np.vstack([returns, np.zeros(400), np.full(400, np.nan)])) == effective_trials(
        returns
    )
    assert effective_trials(np.zeros((3, 400))) is None
    assert effective_trials(returns[:, :29]) is None
