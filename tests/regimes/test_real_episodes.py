"""The real folder: the labels are what the years were like, and those of the slow reference on every bar."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from assets.regime_rows import RegimeInputs, observations_of
from pipeline.config import load_settings
from pipeline.regimes.vocabulary import labels
from tests.support.real_regimes import END, real_frames
from tests.support.reference_regimes import reference_labels
from tests.support.small_regimes import as_reference, numbers

pytestmark = [pytest.mark.realdata, pytest.mark.slow]
SETTINGS = load_settings(root=Path(__file__).parents[2], environ={}).settings


@pytest.fixture(scope="module")
def read(real_data) -> RegimeInputs:
    observations = observations_of(*real_frames(real_data), SETTINGS, END)
    return RegimeInputs(observations, SETTINGS.regimes, (), ())


@pytest.fixture(scope="module")
def classified(read):
    return read.at(read.axis(END))


def share(classified, dimension: str, label: str, first: str, last: str) -> float:
    """Share of the decisions of the months ``first`` to ``last``, both included."""
    months = classified.decisions.astype("datetime64[M]")
    inside = (months >= np.datetime64(first)) & (months <= np.datetime64(last))
    words = Counter(labels(dimension, classified.of[dimension].codes[inside]))
    return words[label] / inside.sum()


@pytest.mark.parametrize(
    ("first", "last", "dimension", "label", "least"),
    [
        ("2008-10", "2009-02", "equity", "bear", 1.0),
        ("2008-10", "2009-02", "vol", "high", 1.0),
        ("2020-03", "2020-03", "vol", "high", 0.95),
        ("2020-03", "2020-03", "equity", "bear", 0.5),
        ("2022-06", "2022-10", "equity", "bear", 0.95),
        ("2022-06", "2022-10", "vol", "high", 0.6),
        ("2013-01", "2013-12", "equity", "bull", 1.0),
        ("2017-01", "2017-12", "equity", "bull", 1.0),
        ("2019-07", "2019-12", "equity", "bull", 0.95),
        ("2017-01", "2017-12", "vol", "low", 0.95),
    ],
)
def test_dated_episodes_are_labelled_as_they_were(classified, first, last, dimension, label, least):
    assert share(classified, dimension, label, first, last) >= least


def test_a_crash_is_a_bear_market_within_two_weeks(classified):
    bear = np.array(labels("equity", classified.of["equity"].codes)) == "bear"
    march = classified.decisions[bear & (classified.decisions >= np.datetime64("2020-02-20"))]
    assert march[0] <= np.datetime64("2020-03-14")


def test_the_labels_are_those_of_the_slow_reference_on_every_bar(read, classified):
    slow = reference_labels(numbers(classified.decisions), as_reference(read.observations))
    assert classified.decisions.size > 72_000
    for dimension, codes in classified.codes.items():
        assert labels(dimension, codes) == slow[dimension], dimension


def test_an_activity_series_that_ends_leaves_the_economy_neutral(classified):
    late = classified.decisions >= np.datetime64("2020-06-01")
    assert set(labels("macro", classified.of["macro"].codes[late])) == {"neutral"}
    assert share(classified, "macro", "contraction", "2008-11", "2009-03") == 1.0
