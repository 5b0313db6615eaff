"""``bells regimes show``: labels, since when, from which numbers, and what changed last."""

import pytest

from pipeline.regimes.vocabulary import DIMENSIONS

pytestmark = pytest.mark.slow


@pytest.fixture
def sample(bells, monkeypatch):
    monkeypatch.setenv("EIGHTBELLS_SOURCE", "sample")
    assert bells("data", "update", "--end", "2021-06-01", "--json").code == 0
    return bells


def test_it_shows_every_regime_with_its_numbers_and_the_newest_changes(sample):
    shown = sample("regimes", "show", "--at", "2021-03-01", "--last", "5", "--json")
    assert shown.code == 0
    told = shown.json
    assert told["decision"] == "2021-03-01T00:00:00+00:00"
    assert told["simulated"]
    assert set(told["regimes"]) == set(DIMENSIONS)
    for dimension, regime in told["regimes"].items():
        assert regime["label"] == told[dimension]
        assert regime["state"] == "fresh"
        assert regime["since"] <= told["decision"]
        assert all(value is not None for value in regime["inputs"].values())
    assert len(told["transitions"]) == 5
    moments = [change["decision"] for change in told["transitions"]]
    assert moments == sorted(moments, reverse=True)
    newest = {change["regime"]: change["after"] for change in reversed(told["transitions"])}
    assert all(told[dimension] == label for dimension, label in newest.items())
    assert set(told["multipliers"]) == {"EquityTrend", "IndexMeanReversion", "CryptoMomentum"}


def test_an_earlier_instant_does_not_know_what_changed_later(sample):
    before = sample("regimes", "show", "--at", "2020-06-01", "--json").json
    after = sample("regimes", "show", "--at", "2021-05-01", "--last", "1000", "--json").json
    known = [change for change in after["transitions"] if change["decision"] <= before["decision"]]
    assert before["changes"] == len(known) < after["changes"]
    assert before["transitions"] == known[:10]


def test_people_see_a_table(sample):
    shown = sample("regimes", "show", "--at", "2021-03-01")
    assert shown.code == 0
    assert "budgets are multiplied by" in shown.out
    assert "SIM_PMI" in shown.out


def test_before_anything_is_known_it_says_so(sample):
    early = sample("regimes", "show", "--at", "2018-01-01", "--json")
    assert early.code == 2
    assert "data update" in early.json["fix"]
    assert sample("regimes", "show", "--last", "-1", "--json").code == 1
