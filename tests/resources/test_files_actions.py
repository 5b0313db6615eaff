"""Corporate actions from files: translated, and known when they could be."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.market.actions import ACTION_SCHEMA
from resources.market.files import FilesSource
from resources.market.mapping import FilesMapping
from tests.support.files_source import EARLY, H4_FILE, INSTRUMENTS, LATE, NOW, some_bars, source_of

ACTIONS = """ex,ticker,what,size,ccy,announced
2020-08-31,AAPL.US,SPLT,4,,2020-07-30
2020-08-07,AAPL.US,DIV,0.82,USD,
2020-08-07,OTHER,DIV,0.10,USD,
2020-11-06,AAPL.US,DIV,0,USD,
soon,AAPL.US,DIV,0.2,USD,
2020-11-06,AAPL.US,SPINOFF,2,,
"""
ACTION_FILE = {
    "path": "actions.csv",
    "columns": {
        "time": "ex", "symbol": "ticker", "kind": "what", "value": "size", "currency": "ccy",
        "declared": "announced",
    },
    "kinds": {"SPLT": "split", "DIV": "dividend"},
    "symbols": {"AAPL.US": "SPY"},
}  # fmt: skip


def actions_of(folder, *entries, now=NOW, **window):
    mapping = FilesMapping.model_validate({"actions": list(entries)})
    source = FilesSource(mapping, folder, INSTRUMENTS)
    return source.actions(window.get("start", EARLY), window.get("end", LATE), now=now)


def test_corporate_actions_of_a_file_are_translated_and_known_when_they_could_be(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    got = actions_of(tmp_path, ACTION_FILE)
    assert dict(got.frame.schema) == dict(ACTION_SCHEMA)
    assert got.frame.select("symbol", "ts", "kind", "value", "currency", "known_at").rows() == [
        ("SPY", at(2020, 8, 7), "dividend", 0.82, "USD", at(2020, 8, 7, 13, 30)),  # the open of its ex-date
        ("SPY", at(2020, 8, 31), "split", 4.0, None, at(2020, 7, 31, 4)),  # announced: New York's midnight
    ]
    assert sorted(got.quarantined["rule"]) == ["missing_value", "non_positive", "unknown_kind"]
    assert [(f.rule, f.count) for f in got.findings if f.severity == "info"] == [("other_symbols", 1)]


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_actions_keep_to_the_window_and_to_what_was_known(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    inside = actions_of(tmp_path, ACTION_FILE, start=at(2020, 8, 8), end=at(2020, 9, 1))
    assert inside.frame["kind"].to_list() == ["split"]
    assert actions_of(tmp_path, ACTION_FILE, now=at(2020, 7, 31, 3)).frame.is_empty()
    assert actions_of(tmp_path, ACTION_FILE, now=at(2020, 7, 31, 4)).frame["kind"].to_list() == ["split"]


def test_a_file_of_one_kind_needs_no_column_for_it(tmp_path):
    (tmp_path / "splits.csv").write_text("ex_date,symbol,value\n2020-08-31,SPY,4\n")
    got = actions_of(tmp_path, {"path": "splits.csv", "action": "split"})
    assert got.frame.select("kind", "value").rows() == [("split", 4.0)]


def test_a_currency_may_hold_for_a_whole_file(tmp_path):
    (tmp_path / "cash.csv").write_text("ex_date,symbol,value\n2020-08-07,MSFT,0.51\n")
    cash = {"path": "cash.csv", "action": "dividend", "like": "SPY"}
    assert actions_of(tmp_path, cash | {"currency": "USD"}).frame["currency"].to_list() == ["USD"]
    assert actions_of(tmp_path, cash).quarantined["rule"].to_list() == ["no_currency"]


def test_a_damaged_file_of_actions_is_a_finding_and_the_others_count(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    (tmp_path / "b.csv").write_text("ex_date\n2020-08-31\n")
    other = {"path": "b.csv", "action": "split"}
    got = actions_of(tmp_path, other, ACTION_FILE)
    assert next(f.rule for f in got.findings if f.severity == "error") == "unreadable"
    assert got.frame.height == 2
    with pytest.raises(SourceError, match="not one file"):
        actions_of(tmp_path, other)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "split"},
        {"currency": "USD"},
        {"columns": {"time": "ex"}},
        {"action": "spinoff", "columns": {}},
        {"kinds": {"S": "merger"}},
        {"currency": "dollars"},
    ],
)
def test_a_wrong_entry_of_actions_is_refused(change):
    with pytest.raises(ValidationError):
        FilesMapping.model_validate({"actions": [ACTION_FILE | change]})


def test_a_source_without_actions_has_no_rows(tmp_path):
    some_bars().write_parquet(tmp_path / "btc.parquet")
    got = source_of(tmp_path, H4_FILE).actions(EARLY, LATE, now=NOW)
    assert (got.frame.height, got.quarantined.height, list(got.findings)) == (0, 0, [])
