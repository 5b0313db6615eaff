"""Weights of many strategies become one account's."""

import numpy as np

from pipeline.portfolio.netting import net


def test_budgets_of_60_25_and_15_percent_on_one_asset_are_exactly_the_whole():
    contributions = np.array([[[0.60], [0.25], [0.15]]])
    assert net(contributions)[0, 0] == 1.0


def test_opposite_signs_net_and_their_rounding_is_nothing():
    contributions = np.array([[[0.3, 0.1], [-0.1, 0.2], [-0.2, -0.3]]])
    assert 0.3 - 0.1 - 0.2 != 0.0
    assert net(contributions).tolist() == [[0.0, 0.0]]


def test_small_weights_of_one_sign_stay_as_they_are():
    contributions = np.array([[[1e-18], [1e-18]]])
    assert net(contributions)[0, 0] == 2e-18


def test_the_contributions_are_left_alone():
    contributions = np.full((2, 3, 1), 0.1)
    net(contributions)[:] = 7.0
    assert (contributions == 0.1).all()
