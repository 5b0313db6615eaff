"""``bells backtest``: one digest for one configuration, stored runs shown, compared and listed."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from service.cli.backtest_tables import percent, universe_of
from service.cli.main import invoke
from service.cli.opening import open_for
from service.cli.stored_runs import METRICS
from warehouse.tables import EQUITY, TRIALS

KEYS = {
    "run_id",
    "digest",
    "source",
    "simulated",
    "start",
    "end",
    "bars",
    "trades",
    "sharpe",
    "cagr",
    "max_drawdown",
    "win_rate",
    "bps",
    "turnover",
    "final_nav",
    "data_hash",
    "config_hash",
}
TWO_MONTHS = ("--start", "2023-03-01", "--end", "2023-05-01")


@pytest.fixture(scope="module")
def ran(tmp_path_factory, updated, folder) -> Path:
    """A home with three runs: the same one twice, then one with another cap."""
    from tests.service.conftest import point_to

    path = tmp_path_factory.mktemp("ran") / "home"
    shutil.copytree(updated, path)
    with pytest.MonkeyPatch.context() as patch:
        point_to(patch, path, folder)
        for change in ((), (), ("--set", "risk.per_asset_cap=0.25")):
            assert invoke(["backtest", "run", *TWO_MONTHS, *change, "--json"]) == 0
    return path


@pytest.fixture
def runs(bells, home, ran) -> list[dict]:
    """The stored runs, oldest first."""
    shutil.copytree(ran, home)
    return bells("backtest", "list", "--json").json["runs"][::-1]


def test_the_same_configuration_gives_the_same_digest_and_another_cap_another(runs):
    first, again, other = runs
    assert first["digest"] == again["digest"] != other["digest"]
    assert first["run_id"] != again["run_id"]
    assert first["config_hash"] == again["config_hash"] != other["config_hash"]
    assert first["data_hash"] == other["data_hash"]
    assert first["trades"] > 0


def test_every_run_is_a_trial_of_one_family_and_leaves_its_curve(runs):
    warehouse = open_for(None).warehouse
    trials = warehouse.as_of(TRIALS, where={"kind": "research"})
    assert sorted(trials["run_id"]) == sorted(run["run_id"] for run in runs)
    assert trials["kind"].unique().to_list() == ["research"]
    assert trials["family"].n_unique() == 1
    curves = warehouse.as_of(EQUITY).group_by("run_id").agg(pl.len(), pl.col("nav").last())
    assert {run["run_id"]: (run["bars"], run["final_nav"]) for run in runs} == {
        run_id: (rows, nav) for run_id, rows, nav in curves.iter_rows()
    }


def test_show_says_everything_of_a_run_and_where_its_report_is(bells, runs):
    shown = bells("backtest", "show", runs[0]["run_id"], "--json").json
    assert shown.keys() >= KEYS | {"flags", "config", "monthly", "folder"}
    assert {name: shown[name] for name in METRICS} == {name: runs[0][name] for name in METRICS}
    assert (shown["start"], shown["end"]) == ("2023-03-01T00:00:00+00:00", "2023-05-01T00:00:00+00:00")
    assert (Path(shown["folder"]) / "report.html").is_file()
    product = 1.0
    for month in shown["monthly"]:
        product *= 1.0 + month["return"]
    assert product - 1.0 == pytest.approx(shown["total_return"], abs=1e-9)
    assert bells("backtest", "show").out.count(runs[-1]["run_id"]) >= 1


def test_people_read_window_universe_error_percent_and_every_flag_in_words(bells, runs):
    run = bells("backtest", "show", "latest", "--json").json
    out = bells("backtest", "show", "latest").out
    for text in ("2023-03-01 00:00", "2023-05-01 00:00", f"{run['sharpe']:.2f} ± {run['sharpe_se']:.2f}"):
        assert text in out
    assert f"{100 * run['max_drawdown']:.2f} %" in out
    assert f"{run['final_nav']:,.2f} of 100,000.00" in out
    assert universe_of(run["family"]) in out
    assert "closed round trips" in out
    assert "Cash earns nothing" in out
    assert str(run["sharpe"]) not in out
    shutil.rmtree(run["folder"])
    assert "cash_rate: 0" in bells("backtest", "show", "latest").out
    listed = bells("backtest", "list").out
    assert "fills" in listed


def test_people_read_regimes_seasons_and_stress_too(bells, runs):
    answers = bells("backtest", "show", "latest", "--json").json["robustness"]
    out = bells("backtest", "show", "latest").out
    for topic, title in (("equity", "equity regime"), ("season", "session of New York")):
        assert title in out
        assert answers[topic]
        for name, found in answers[topic].items():
            assert name.replace("_", " ") in out
            if found["total_return"] is not None:
                assert percent(found["total_return"]) in out
    assert percent(answers["stress"]["gap"]["loss"]) in out
    assert "stress: largest loss in a gap" in out


def test_a_run_on_the_command_line_shows_its_flags_in_words(bells, stored):
    out = bells("backtest", "run", *TWO_MONTHS).out
    assert "Cash earns nothing" in out
    assert "±" in out
    assert "report.html" in out


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.0195, "1.95 %"), (-0.199, "-19.9 %"), (12.34, "1,234 %"), (0.0, "0.00 %")]
)
def test_a_fraction_is_told_in_percent(fraction, text):
    assert percent(fraction) == text


def test_a_run_may_be_named_by_its_beginning_when_that_is_enough(bells, runs):
    newest = runs[-1]["run_id"]
    shown = [bells("backtest", "show", name, "--json").json["run_id"] for name in (newest[:-3], "latest")]
    assert shown == [newest, newest]
    assert bells("backtest", "show", newest[:4], "--json").code == 1
    missing = bells("backtest", "show", "nothing", "--json")
    assert (missing.code, missing.json["error"]) == (1, "ComponentNotFoundError")


def test_compare_gives_differences_and_the_settings_behind_them(bells, runs):
    answer = bells("backtest", "compare", runs[0]["run_id"], "latest", "--json").json
    assert answer["settings"] == {"system.risk.per_asset_cap": [0.4, 0.25]}
    assert (answer["same_data"], answer["same_config"], answer["same_digest"]) == (True, False, False)
    assert answer["metrics"]["final_nav"] == [runs[0]["final_nav"], runs[-1]["final_nav"]]
    twins = bells("backtest", "compare", runs[0]["run_id"], runs[1]["run_id"], "--json").json
    assert twins["same_digest"]
    assert twins["settings"] == {}
    (pair,) = twins["against_first"]
    assert pair["correlation"] == pytest.approx(1.0)
    assert pair["differences"]["sharpe"] == {"value": 0.0, "error": 0.0, "tie": True}
    assert bells("backtest", "compare", runs[0]["run_id"], "latest").code == 0


def test_a_difference_is_paired_on_the_days_that_both_runs_have(bells, runs):
    (pair,) = bells("backtest", "compare", runs[0]["run_id"], "latest", "--json").json["against_first"]
    assert pair["run_id"] == runs[-1]["run_id"]
    assert pair["days"] == 60
    difference = pair["differences"]["sharpe"]
    assert difference["value"] == pytest.approx(runs[-1]["sharpe"] - runs[0]["sharpe"], abs=0.15)
    assert 0.0 < difference["error"] < runs[0]["sharpe_se"]
    assert difference["tie"] == (abs(difference["value"]) < difference["error"])


def test_compare_takes_several_runs_or_what_the_options_find(bells, runs):
    ids = [run["run_id"] for run in runs]
    named = bells("backtest", "compare", *ids, "--json").json
    assert [run["run_id"] for run in named["runs"]] == ids
    assert [pair["run_id"] for pair in named["against_first"]] == ids[1:]
    found = bells("backtest", "compare", "--strategy", "EquityTrend", "--json").json
    assert found == named
    assert bells("backtest", "compare", *ids).out.count("a tie") >= 1


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (("--strategy", "EquityTrend"), 3),
        (("--strategy", "Other"), 0),
        (("--version", "1.0.0"), 3),
        (("--version", "9.9.9"), 0),
        (("--since", "2020-01-01"), 3),
        (("--until", "2020-01-01"), 0),
        (("--since", "2199-01"), 0),
        (("--source", "files", "--until", "2199-01-01"), 3),
    ],
)
def test_runs_are_found_by_strategy_version_feed_and_time(bells, runs, options, kept):
    found = bells("backtest", "list", *options, "--json").json["runs"]
    assert len(found) == kept <= len(runs)


def test_code_is_found_by_the_beginning_of_its_version(bells, runs):
    begun = runs[0]["code_version"][:4]
    assert len(bells("backtest", "list", "--version", begun, "--json").json["runs"]) == 3


@pytest.mark.parametrize("arguments", [("latest",), ("latest",) * 7, ("--strategy", "Other")])
def test_a_comparison_takes_two_to_six_runs(bells, runs, arguments):
    answer = bells("backtest", "compare", *arguments, "--json")
    assert answer.code == 1
    assert answer.json["field"] == "RUN_ID"


def test_compare_tells_people_what_is_the_same_and_when_numbers_do_not_compare(bells, runs):
    told = bells("backtest", "compare", runs[0]["run_id"], "latest")
    lines = [line.split() for line in told.out.splitlines()]
    for name, word in (("data", "yes"), ("config", "no"), ("code", "yes"), ("digest", "no")):
        assert ["same", name, word] in lines
    assert "careful" not in told.err
    with open_for(None).warehouse.write() as cursor:
        cursor.execute(
            "UPDATE backtest.runs SET simulated = true, window_end = '2023-06-01 00:00:00+00'"
            " WHERE run_id = ?",
            [runs[0]["run_id"]],
        )
        cursor.execute(
            "UPDATE ledger.trials SET cash_returns = [0.0001] WHERE trial_id = ?", [runs[0]["run_id"]]
        )
    unlike = bells("backtest", "compare", runs[0]["run_id"], "latest").err
    assert "run a is on SIMULATED prices and the other is not" in unlike
    assert "cash earns interest in a: differences of Sharpe ratios are of NAV" in unlike
    assert "2023-03-01 00:00 to 2023-06-01 00:00 and 2023-03-01 00:00 to 2023-05-01 00:00" in unlike


def test_show_has_what_the_run_was_asked(bells, runs):
    asked = bells("backtest", "show", "latest", "--json").json["robustness"]
    assert asked["control"]["hold"]["total_return"] is not None
    assert asked["control"]["random"]["trials"] == 2
    assert asked["crisis"]["bear_2022"]["total_return"] is None
    assert asked["interval"]["sharpe"]["low"] < asked["interval"]["sharpe"]["high"]
    people = bells("backtest", "show", "latest").out
    assert "costs x2: sharpe" in people
    assert "break even, extra bps" not in people


def test_controls_stand_in_the_ledger_and_count_as_no_trial(bells, runs):
    warehouse = open_for(None).warehouse
    kept = warehouse.as_of(TRIALS, columns=("trial_id", "run_id", "kind", "daily_returns"))
    controls = kept.filter(pl.col("kind") == "control")
    assert controls.height > 3 * 200
    assert controls["run_id"].null_count() == controls.height
    assert controls.filter(pl.col("daily_returns").is_not_null()).height == 3 * 3
    assert warehouse.query("trials")["trials"].to_list() == [2]


def test_show_without_any_run_is_a_problem_of_data(bells, stored):
    answer = bells("backtest", "show", "--json")
    assert answer.code == 2
    assert bells("backtest", "list", "--json").json["runs"] == []


def test_a_run_on_an_empty_warehouse_updates_first_and_says_so(bells):
    answer = bells("backtest", "run", *TWO_MONTHS, "--json")
    assert answer.code == 0
    assert answer.json.keys() >= KEYS
    assert answer.json["source"] == "files"
    assert "updating first" in answer.err


def test_a_window_without_bars_is_a_problem_of_data(bells, stored):
    answer = bells("backtest", "run", "--start", "2030-01-01", "--end", "2030-02-01", "--json")
    assert answer.code == 2
    assert "window" in answer.json["what"]
