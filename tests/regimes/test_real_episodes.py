"""The real folder: the labels are what the years were like, and those of the slow reference on every bar."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from assets.regimes.rows import RegimeInputs
from pipeline.regimes.vocabulary import START, code, labels
from tests.support.real_episodes import EPISODES, Episode, explained, read_real, sayings
from tests.support.real_regimes import END
from tests.support.reference_regimes import reference_labels
from tests.support.small_regimes import as_reference, numbers

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


@pytest.fixture(scope="module")
def read(real_data) -> RegimeInputs:
    return read_real(real_data)


@pytest.fixture(scope="module")
def classified(read):
    return read.at(read.axis(END))


def share(classified, dimension: str, label: str, first: str, last: str) -> float:
    """Share of the decisions of the months ``first`` to ``last``, both included."""
    inside = Episode(first, last, dimension, label, 0.0).inside(classified.decisions)
    words = Counter(labels(dimension, classified.of[dimension].codes[inside]))
    return words[label] / inside.sum()


@pytest.mark.parametrize("episode", EPISODES, ids=lambda one: f"{one.dimension}-{one.label}-{one.first}")
def test_dated_episodes_are_labelled_as_they_were(read, classified, episode, record_property):
    found = explained(read, classified, episode)
    record_property("share", str(found))
    assert found.labelled >= episode.least, str(found)
    assert found.unexplained == 0, str(found)


def test_the_crash_of_2020_takes_its_first_three_closes_in_a_row_below_everything(read, classified):
    spy = read.observations["SPY"]
    said = dict(
        zip(
            spy.ts.astype("datetime64[D]").astype(str),
            sayings("equity", spy.values.tolist(), []),
            strict=True,
        )
    )
    march = {day[-2:]: word for day, word in said.items() if day.startswith("2020-03")}
    assert [day for day, word in march.items() if word == "bear"][:5] == ["09", "11", "12", "13", "16"]
    episode = next(one for one in EPISODES if (one.dimension, one.first) == ("equity", "2020-03"))
    assert explained(read, classified, episode).labelled == 108 / 186, "from the evening of the 13th on"


def test_an_autumn_of_high_volatility_has_a_summer_in_which_the_index_closed_below(read, classified):
    vix = read.observations["VIX"]
    days = vix.ts.astype("datetime64[D]").astype(str)
    summer = (days >= "2022-07-19") & (days <= "2022-08-25")
    assert summer.sum() == 28
    assert (vix.values[summer] < 25.0).all()
    episode = next(one for one in EPISODES if (one.dimension, one.first) == ("vol", "2022-06"))
    found = explained(read, classified, episode)
    assert 0.60 < found.says_so < 0.70
    assert found.labelled == pytest.approx(0.699, abs=0.001)


def test_a_bar_that_is_not_what_three_closes_say_is_counted(read, classified):
    episode = EPISODES[0]
    equity = classified.of["equity"]
    codes = equity.codes.copy()
    codes[np.flatnonzero(episode.inside(classified.decisions))[:7]] = code(START["equity"])
    wrong = replace(classified, of={**classified.of, "equity": replace(equity, codes=codes)})
    assert explained(read, wrong, episode).unexplained == 7


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
