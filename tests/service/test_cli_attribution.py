"""``bells backtest attribution``: who owned which target at a decision."""

import shutil
from pathlib import Path

import pytest

from service.cli.main import invoke

BOOK = (
    "--strategy", "[EquityTrend, IndexMeanReversion]",
    "--start", "2023-03-01", "--end", "2023-05-01",
    "--set", "strategies.IndexMeanReversion.parameters.oversold=45",
)  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory, updated, folder) -> Path:
    """A home with a run of one strategy, then one of a book, then one of a strategy again."""
    from tests.service.conftest import point_to

    path = tmp_path_factory.mktemp("book") / "home"
    shutil.copytree(updated, path)
    with pytest.MonkeyPatch.context() as patch:
        point_to(patch, path, folder)
        assert invoke(["backtest", "run", "--start", "2023-03-01", "--end", "2023-05-01", "--json"]) == 0
        assert invoke(["backtest", "run", *BOOK, "--json"]) == 0
        assert invoke(["backtest", "run", "--start", "2023-03-01", "--end", "2023-04-15", "--json"]) == 0
    return path


@pytest.fixture
def home_with_book(home, ran) -> Path:
    """The home of this test with these runs."""
    shutil.copytree(ran, home)
    return home


def test_every_target_names_its_owners_and_adds_up(bells, home_with_book):
    answer = bells("backtest", "attribution", "--json").json
    assert {row["strategy"] for row in answer["strategies"]} == {"EquityTrend", "IndexMeanReversion"}
    assert {target["symbol"] for target in answer["targets"]} == {"SPY", "QQQ"}
    for target in answer["targets"]:
        shares = target["shares"].values()
        assert sum(share["share"] for share in shares) == pytest.approx(target["target"], abs=1e-12)
        cut = sum(target["rules"].values())
        assert target["wanted"] + cut == pytest.approx(target["target"], abs=1e-12)
        assert target["target"] + sum(target["terms"].values()) == pytest.approx(target["held"], abs=1e-12)


def test_an_earlier_instant_shows_the_decision_in_force_then(bells, home_with_book):
    at = "2023-04-03T12:00Z"
    answer = bells("backtest", "attribution", "--at", at, "--symbol", "SPY", "--json").json
    (target,) = answer["targets"]
    assert target["decided_at"] <= "2023-04-03T12:00:00+00:00"
    assert answer["decided_by"] == "2023-04-03T12:00:00+00:00"
    later = bells("backtest", "attribution", "--symbol", "SPY", "--json").json["targets"][0]
    assert later["decided_at"] > target["decided_at"]


def test_people_read_strategies_owners_rules_and_what_was_held(bells, home_with_book):
    answer = bells("backtest", "attribution")
    for words in ("EquityTrend", "IndexMeanReversion", "mean share", "as decided at", "held after the fill"):
        assert words in answer.out
    assert "in percent of the book's NAV" in answer.out
    assert "in percent of NAV then" in answer.out
    assert "asked: budget times weight" in answer.err


def test_without_an_id_it_is_the_newest_run_of_a_book_and_newer_ones_are_counted(bells, home_with_book):
    runs = bells("backtest", "list", "--json").json["runs"]
    assert [run["strategy"] for run in runs] == ["EquityTrend", "portfolio", "EquityTrend"]
    answer = bells("backtest", "attribution", "--json").json
    assert (answer["run_id"], answer["newer_runs"]) == (runs[1]["run_id"], 1)
    said = bells("backtest", "attribution")
    assert runs[1]["run_id"] in said.out
    assert "1 newer run is of one strategy" in said.err


def test_a_book_is_shown_with_its_strategies(bells, home_with_book):
    run = bells("backtest", "attribution", "--json").json
    shown = bells("backtest", "show", run["run_id"], "--json").json
    assert shown["strategies"] == run["strategies"]
    said = bells("backtest", "show", run["run_id"]).out
    assert "strategies, in percent of the book's NAV" in said
    assert "IndexMeanReversion" in said
    single = bells("backtest", "show", "latest", "--json").json
    assert "strategies" not in single


def test_without_any_run_of_a_book_the_command_that_makes_one_is_named(bells, stored):
    bells("backtest", "run", "--start", "2023-03-01", "--end", "2023-04-01", "--json")
    answer = bells("backtest", "attribution", "--json")
    assert (answer.code, answer.json["what"]) == (2, "no run of a book is stored")
    assert "--strategy portfolio" in answer.json["fix"]


def test_a_run_of_one_strategy_has_no_attribution(bells, home_with_book):
    single = bells("backtest", "list", "--strategy", "EquityTrend", "--json").json["runs"][0]["run_id"]
    answer = bells("backtest", "attribution", single, "--json")
    assert answer.code == 1
    assert "owns all of it" in answer.json["what"]


def test_a_symbol_outside_the_book_and_an_instant_before_it_are_told(bells, home_with_book):
    stranger = bells("backtest", "attribution", "--symbol", "BTC/USD", "--json")
    assert (stranger.code, stranger.json["constraint"]) == (1, "one of QQQ, SPY")
    early = bells("backtest", "attribution", "--at", "2020-01-01", "--json")
    assert early.code == 2
    assert "2023-03-01" in early.json["constraint"]
