"""The world that ships: its labels change, and are those of the slow reference on every bar."""

from datetime import UTC, datetime

import numpy as np
import pytest

from assets.regimes.rows import observations_of
from benchmarks.regime_agreement import classified_world
from benchmarks.strong_world import settings, world_of
from pipeline.regimes.budgets import budgets, multiplier_table
from pipeline.regimes.vocabulary import DIMENSIONS, START, labels
from tests.support.reference_regimes import reference_labels
from tests.support.small_regimes import as_reference, numbers

END = datetime(2025, 2, 1, tzinfo=UTC)
WINDOW = np.datetime64("2020-02-01", "us")
"""Where the backtest that ships begins; it ends with `END`."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world():
    return world_of("realistic", 8)


@pytest.fixture(scope="module")
def classified(world):
    return classified_world(world, END)


def test_the_world_is_the_one_that_ships(world):
    from benchmarks.strong_world import shipped

    assert world.parameters.seed == shipped()["seed"]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_backtest_on_the_sample_world_leaves_the_start_label(classified, dimension):
    words = labels(dimension, classified.of[dimension].codes[classified.decisions > WINDOW])
    assert set(words) == {str(label) for label in DIMENSIONS[dimension]}
    other = np.array(words) != str(START[dimension])
    assert other.mean() > 0.2
    assert (other[1:] != other[:-1]).sum() >= 2


def test_budgets_follow_the_regimes_of_the_sample_world(classified):
    names = ("EquityTrend", "IndexMeanReversion", "CryptoMomentum")
    table = multiplier_table(settings().settings.regimes.multipliers, names)
    given = budgets(np.array([0.60, 0.25, 0.15]), classified.codes, table)
    assert all(np.unique(given[:, column]).size > 2 for column in range(3))
    assert (given[:, 2] == 0.0).any(), "no crypto in risk_off"


def test_the_labels_are_those_of_the_slow_reference_on_every_bar(world, classified):
    inputs = observations_of(world.bars_daily(END), world.macro(END), settings().settings, END)
    slow = reference_labels(numbers(classified.decisions), as_reference(inputs))
    assert classified.decisions.size > 13_000
    for dimension, codes in classified.codes.items():
        assert labels(dimension, codes) == slow[dimension], dimension
