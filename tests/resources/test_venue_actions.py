"""Corporate actions asked of venues: who is asked, who tells, and when each action was known."""

from datetime import UTC, datetime

import pytest

from pipeline.errors import SourceError
from pipeline.market.actions import ACTION_SCHEMA
from tests.support.fake_venues import FakeBars, live_source

START, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 7, 3, 9, 20, tzinfo=UTC)
EX = datetime(2024, 6, 10, tzinfo=UTC)
SPLIT = ("split", EX, 10.0, None, None)
EQUITY = {"length": "30m", "daily": "1d"}


def venue(name: str, told=None, **facts) -> FakeBars:
    return FakeBars(name, lambda: NOW, told=told, **facts)


def actions(*venues: FakeBars, bars=("SPY",), now=NOW, start=START, end=NOW):
    names = [one.name for one in venues]
    coins = {"BTC/USD": {"venues": names, "length": "1h", "daily": "bars"}}
    every = coins | {key: {"venues": names, **EQUITY} for key in ("SPY", "VIX")}
    source = live_source({"bars": {s: every[s] for s in bars}}, {one.name: one for one in venues})
    return source.actions(start, end, now=now)


def rules(fetched) -> list[tuple[str, str]]:
    return [(f.rule, f.severity) for f in fetched.findings]


def test_an_action_is_known_at_the_open_of_its_ex_date_or_when_it_was_declared():
    declared = datetime(2024, 5, 22, 20, 30, tzinfo=UTC)
    got = actions(venue("yahoo", {"SPY": [SPLIT, ("dividend", EX, 0.1, "USD", declared)]}))
    assert dict(got.frame.schema) == dict(ACTION_SCHEMA)
    assert got.frame.select("kind", "value", "currency", "source", "simulated", "known_at").rows() == [
        ("dividend", 0.1, "USD", "yahoo", False, declared),
        ("split", 10.0, None, "yahoo", False, datetime(2024, 6, 10, 13, 30, tzinfo=UTC)),
    ]
    assert rules(got) == []


def test_what_was_not_known_yet_is_not_delivered():
    before = datetime(2024, 6, 10, 13, 29, tzinfo=UTC)
    assert actions(venue("yahoo", {"SPY": [SPLIT]}), now=before).frame.is_empty()


def test_only_equities_are_asked_about():
    yahoo = venue("yahoo", {})
    actions(yahoo, bars=("SPY", "BTC/USD", "VIX"))
    assert [symbol for symbol, *_ in yahoo.asked] == ["SPY"]


def test_nothing_is_asked_about_a_window_before_the_history():
    yahoo = venue("yahoo", {}, broken={"SPY"})
    got = actions(yahoo, start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 1, 1, tzinfo=UTC))
    assert (got.frame.height, rules(got), yahoo.asked) == (0, [], [])


def test_a_venue_that_tells_none_leaves_the_word_to_the_next():
    got = actions(venue("ccxt"), venue("yahoo", {"SPY": [SPLIT]}))
    assert got.frame["source"].to_list() == ["yahoo"]
    assert rules(got) == []


def test_when_no_venue_tells_there_are_no_rows_and_no_complaint():
    got = actions(venue("ccxt"))
    assert (got.frame.height, rules(got)) == (0, [])


def test_the_next_venue_answers_for_one_that_is_out():
    got = actions(venue("first", {}, broken={"SPY"}), venue("second", {"SPY": [SPLIT]}))
    assert got.frame["source"].to_list() == ["second"]


def test_when_nobody_can_be_had_the_source_fails_with_a_cause_that_may_pass():
    with pytest.raises(SourceError, match="not one symbol") as caught:
        actions(venue("first", {}, broken={"SPY"}))
    assert isinstance(caught.value.__cause__.__cause__, ConnectionError)


def test_rows_that_make_no_sense_are_set_aside_with_a_finding():
    got = actions(venue("yahoo", {"SPY": [SPLIT, ("dividend", EX, -1.0, "USD", None)]}))
    assert got.frame["kind"].to_list() == ["split"]
    assert got.quarantined["rule"].to_list() == ["non_positive"]
    assert rules(got) == [("non_positive", "error")]
