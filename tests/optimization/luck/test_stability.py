"""A stability map tells a plateau from a spike, on grids and on points drawn at random."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from pipeline.errors import DataError
from pipeline.optimization.luck.stability import STEPS, stability_map


def square(side=8):
    return [{"fast": 5 * a, "slow": 0.1 * b} for a, b in product(range(side), repeat=2)]


def test_means_and_least_of_a_grid_equal_those_of_scipy_filters():
    scores = np.random.default_rng(1).normal(size=64)
    found = stability_map(square(), scores)
    picture = np.pad(scores.reshape(8, 8), 1, constant_values=np.nan)
    mean = ndimage.generic_filter(picture, np.nanmean, size=3)[1:-1, 1:-1]
    least = ndimage.generic_filter(picture, np.nanmin, size=3)[1:-1, 1:-1]
    assert np.allclose(found.mean, mean.ravel())
    assert np.allclose(found.least, least.ravel())
    assert found.neighbours.reshape(8, 8)[0, 0] == 3
    assert found.neighbours.reshape(8, 8)[4, 4] == 8


def test_a_spike_has_no_plateau_and_a_poor_neighbourhood():
    scores = np.zeros((8, 8))
    scores[1, 6], scores[3:6, 3:6] = 3.0, 1.4
    found = stability_map(square(), scores.ravel())
    assert found.best == 14
    assert found.plateau_share == 1 / 64
    assert found.mean[14] == pytest.approx(3.0 / 9.0)
    assert found.robust == 4 * 8 + 4


def test_the_plateau_equals_the_connected_region_that_scipy_labels():
    scores = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(12, 12)), 1.5)
    grid = [{"a": a, "b": b} for a, b in product(range(12), repeat=2)]
    found = stability_map(grid, scores.ravel(), tolerance=0.15)
    regions, count = ndimage.label(scores >= scores.max() - 0.15, structure=np.ones((3, 3)))
    expected = regions == regions.ravel()[scores.argmax()]
    assert count > 1
    assert np.array_equal(found.plateau.reshape(12, 12), expected)
    assert found.plateau_share == expected.mean()


def test_shift_and_scale_of_scores_change_no_plateau():
    scores = np.random.default_rng(3).normal(size=64)
    one, two = stability_map(square(), scores), stability_map(square(), 40.0 + 7.0 * scores)
    assert np.array_equal(one.plateau, two.plateau)
    assert two.tolerance == pytest.approx(7.0 * one.tolerance)


def test_values_without_an_order_are_neighbours_of_themselves_only():
    points = [{"kind": kind, "n": n} for kind in ("a", "b") for n in (1, 2)]
    points += [{"kind": True, "n": 1}]
    found = stability_map(points, np.array([1.0, 2.0, 30.0, 40.0, 5.0]))
    assert found.mean.tolist() == [1.5, 1.5, 35.0, 35.0, 5.0]
    assert found.neighbours.tolist() == [1, 1, 1, 1, 0]


def test_points_drawn_at_random_are_gathered_into_steps():
    rng = np.random.default_rng(4)
    points = [{"x": x, "y": y, "same": 1} for x, y in rng.uniform(size=(600, 2))]
    where = np.array([[p["x"], p["y"]] for p in points])
    scores = np.exp(-((where - 0.5) ** 2).sum(axis=1) / 0.08)
    found = stability_map(points, scores)
    assert found.axes == ("x", "y")
    assert found.steps.max() == STEPS - 1
    assert found.neighbours.min() > 5
    assert 0.1 < found.plateau_share < 0.4
    assert np.abs(where[found.robust] - 0.5).max() < 0.1


def test_points_without_a_score_are_left_out_and_counted():
    scores = np.array([1.0, np.nan, 3.0, 2.9, np.inf])
    found = stability_map([{"n": n} for n in range(5)], scores)
    assert (found.best, found.left_out) == (2, 2)
    assert found.mean[2] == pytest.approx(2.95)
    assert np.isnan(found.mean[[1, 4]]).all()
    assert found.neighbours.tolist() == [0, 0, 1, 1, 0]


def test_without_a_score_nothing_is_best():
    found = stability_map([{"n": 1}, {"n": 2}], np.full(2, np.nan))
    assert (found.best, found.robust, found.plateau_share, found.left_out) == (None, None, None, 2)
    assert stability_map([], np.zeros(0)).best is None


def test_a_single_point_is_its_own_plateau_without_neighbours():
    found = stability_map([{"n": 1}], np.array([1.0]))
    assert (found.best, found.robust, found.plateau_share) == (0, None, 1.0)


def test_points_and_scores_must_match():
    with pytest.raises(DataError):
        stability_map([{"n": 1}], np.zeros(2))
    with pytest.raises(DataError):
        stability_map([{"n": 1}, {"m": 1}], np.zeros(2))
