"""Which trials are near-copies of others, against a plain search through the correlation matrix."""

import numpy as np
import pytest

from pipeline.optimization.luck.copies import ALIKE, distinct


def plainly(returns, first):
    """Meet trials one by one and keep those unlike all kept so far."""
    matrix = np.corrcoef(returns)
    kept = []
    for row in sorted(range(len(returns)), key=lambda row: row != first):
        if all(matrix[row, other] < ALIKE for other in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize("count", [1, 40, 700])
@pytest.mark.parametrize("first", [0, -1])
def test_it_is_the_plain_search(count, first):
    rng = np.random.default_rng(count)
    factors = rng.normal(0.0, 0.01, (9, 300))
    returns = factors[rng.integers(0, 9, count)] + rng.normal(0.0, 1.0, (count, 300)) * rng.uniform(
        0.0005, 0.004, (count, 1)
    )
    first %= count
    found = distinct(returns, first).tolist()
    assert found == plainly(returns, first)
    assert found[0] == first
    assert count == 1 or 9 <= len(found) < count


def test_scaled_and_shifted_copies_are_copies_and_mirrors_are_not():
    trial = np.random.default_rng(1).normal(0.0, 0.01, 200)
    assert distinct(np.array([trial, 3.0 * trial + 0.001, -trial])).tolist() == [0, 2]


def test_trials_that_cannot_be_compared_are_left_out():
    trial = np.random.default_rng(1).normal(0.0, 0.01, 200)
    holed = np.where(np.arange(200) == 7, np.nan, trial)
    assert distinct(np.array([holed, np.zeros(200), trial])).tolist() == [2]
    assert distinct(np.empty((0, 200))).tolist() == []
