"""``bells strategies``: what is configured and installed, what is wrong with it, and a new package."""

import importlib
import os
import subprocess
import sys
import tomllib

import pytest
import yaml

from pipeline.config.strategies import StrategySettings
from pipeline.strategies.installed import GROUP
from service.strategy_package import TEMPLATES
from tests.conftest import ROOT

KEYS = {
    "name", "version", "status", "budget", "description", "universe", "parameters", "features", "regimes",
    "urgency", "horizon", "confidence", "origin", "code", "problem",
}  # fmt: skip
UNKNOWN = "version: 1.0.0, description: x, status: research, universe: [SPY], parameters: {}"


def listed(answer):
    return {row["name"]: row for row in answer.json["strategies"]}


def test_the_list_says_what_each_strategy_would_run_with_and_what_it_says_of_itself(bells):
    answer = bells(
        "strategies", "list", "--json", "--set", "strategies.EquityTrend.parameters={sma_days: 150}"
    )
    assert (answer.code, answer.json["ok"]) == (0, True)
    rows = listed(answer)
    assert list(rows) == ["EquityTrend", "IndexMeanReversion", "CryptoMomentum"]
    assert all(set(row) == KEYS for row in rows.values())
    trend, reversion, crypto = rows.values()
    assert trend["parameters"]["sma_days"] == 150
    assert trend["parameters"]["momentum_long_days"] == 252
    assert "sma_150d" in trend["features"]
    assert (trend["version"], trend["status"], trend["universe"]) == ("1.0.0", "research", ["SPY", "QQQ"])
    assert (reversion["urgency"], reversion["horizon"]) == ("high", "swing")
    assert crypto["regimes"] == ["crypto"]
    assert {row["origin"] for row in rows.values()} == {"built in"}
    assert {row["problem"] for row in rows.values()} == {None}


def test_people_read_one_line_per_strategy(bells):
    out = bells("strategies", "list").out
    for word in ("EquityTrend", "IndexMeanReversion", "CryptoMomentum", "built in", "position", "research"):
        assert word in out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("strategies.EquityTrend.version=3.0.0", "another version"),
        ("strategies.EquityTrend.parameters.sma_dys=3", "did you mean sma_days"),
        (f"strategies.EquityTrends={{{UNKNOWN}}}", "did you mean EquityTrend"),
    ],
)
def test_a_strategy_that_cannot_run_says_why_and_the_command_leaves_with_one(bells, change, words):
    answer = bells("strategies", "list", "--json", "--set", change)
    assert (answer.code, answer.json["ok"]) == (1, False)
    broken = [row for row in answer.json["strategies"] if row["problem"]]
    assert len(broken) == 1
    assert words in broken[0]["problem"]
    assert broken[0]["status"] == "research"


def test_an_installed_strategy_that_nothing_configures_is_listed_without_status(bells, tmp_path, monkeypatch):
    made = bells("strategies", "new", "Toy", "--folder", tmp_path / "toy", "--json").json
    info = tmp_path / "toy" / "toy-0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nToy = toy:Toy\n")
    monkeypatch.syspath_prepend(made["folder"])
    importlib.invalidate_caches()
    row = listed(bells("strategies", "list", "--json"))["Toy"]
    sys.modules.pop("toy", None)
    assert (row["version"], row["status"], row["origin"], row["problem"]) == ("1.0.0", None, "toy 0.9", None)
    assert (row["urgency"], row["horizon"], row["confidence"]) == (None, None, False)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_package_declares_its_strategy_and_brings_an_entry_that_the_settings_take(
    bells, tmp_path, template
):
    made = bells(
        "strategies", "new", "HTTPWatcher2", "--template", template, "--folder", tmp_path / "new", "--json"
    )
    assert (made.code, made.json["module"]) == (0, "http_watcher2")
    files = {path.name for path in (tmp_path / "new").iterdir()}
    assert files == set(made.json["files"])
    assert files == {"http_watcher2.py", "test_http_watcher2.py", "pyproject.toml", "strategies.yaml"}
    project = tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP] == {"HTTPWatcher2": "http_watcher2:HTTPWatcher2"}
    entry = yaml.safe_load((tmp_path / "new" / "strategies.yaml").read_text())["HTTPWatcher2"]
    assert StrategySettings.model_validate(entry).version == "1.0.0"


@pytest.mark.slow
def test_the_tests_of_every_template_pass_and_fail_on_a_planted_leak(bells, tmp_path):
    for template in TEMPLATES:
        name = "Try" + template.title().replace("_", "")
        assert (
            bells("strategies", "new", name, "--template", template, "--folder", tmp_path / template).code
            == 0
        )
    passed = outcome_of(tmp_path)
    assert passed.returncode == 0, passed.stdout
    assert f"{2 * len(TEMPLATES)} passed" in passed.stdout
    spoilt = tmp_path / "trend" / "try_trend.py"
    text = spoilt.read_text()
    assert "above = fast > slow" in text
    spoilt.write_text(text.replace("above = fast > slow", "above = np.roll(fast, -6, axis=0) > slow"))
    failed = outcome_of(tmp_path / "trend")
    assert failed.returncode == 1
    assert "test_it_sees_no_future_and_keeps_to_the_port" in failed.stdout


def outcome_of(folder):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)], cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("goldenCross",), "no name for a strategy"),
        (("Golden-Cross",), "no name for a strategy"),
        (("EquityTrend",), "of that name"),
        (("GoldenCross", "--template", "golden"), "no such template"),
    ],
)
def test_a_name_or_template_that_will_not_do_is_refused_and_nothing_is_written(
    bells, tmp_path, arguments, words
):
    answer = bells("strategies", "new", *arguments, "--folder", tmp_path / "new", "--json")
    assert (answer.code, answer.json["ok"]) == (1, False)
    assert words in answer.json["what"]
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_left_alone(bells, tmp_path):
    place = tmp_path / "new"
    assert bells("strategies", "new", "GoldenCross", "--folder", place).code == 0
    (place / "golden_cross.py").write_text("mine")
    answer = bells("strategies", "new", "GoldenCross", "--folder", place, "--json")
    assert (answer.code, answer.json["field"]) == (1, "--folder")
    assert (place / "golden_cross.py").read_text() == "mine"
    assert (
        bells("strategies", "new", "GoldenCross", "--folder", place / "golden_cross.py", "--json").code == 1
    )


def test_a_folder_that_cannot_be_made_is_a_problem_of_the_disk(bells, tmp_path):
    (tmp_path / "file").write_text("")
    answer = bells("strategies", "new", "GoldenCross", "--folder", tmp_path / "file" / "new", "--json")
    assert answer.code == 4
    assert answer.json["fix"]


def test_a_strategy_says_what_it_wants_to_hold_at_a_decision_and_leaves_no_trial(bells, stored):
    answer = bells("strategies", "signal", "--at", "2023-06-30T21:59Z", "--json")
    (said,) = answer.json["signals"]
    assert said == {
        "strategy": "EquityTrend",
        "version": "1.0.0",
        "at": "2023-06-30T20:00:00+00:00",
        "weights": {"SPY": 0.5, "QQQ": 0.5},
        "confidence": None,
        "urgency": "normal",
        "horizon": "position",
    }
    assert bells("backtest", "list", "--json").json["runs"] == []


def test_what_is_known_by_now_is_too_old_to_hold_anything(bells, stored):
    (said,) = bells("strategies", "signal", "--json").json["signals"]
    assert said["weights"] == {"SPY": 0.0, "QQQ": 0.0}


def test_a_look_without_bars_is_a_problem_of_data(bells):
    assert bells("strategies", "signal", "--json").code == 2
