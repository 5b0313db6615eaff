"""An experiment file says what is searched; unknown keys, unread blocks and empty ranges are refused."""

import re
from pathlib import Path

import pytest

from pipeline.config.load import load_settings, with_experiment
from pipeline.errors import ConfigError
from pipeline.optimization.space import spaces_of
from pipeline.strategies.registry import strategy

ROOT = Path(__file__).parents[2]
SEARCHES = [
    p for p in sorted((ROOT / "configs" / "experiments").glob("*.yaml")) if "method:" in p.read_text()
]
HEAD = "experiment:\n  name: tried\n  description: x\n  target_model: EquityTrend\n"
GRID = "  method: grid\n  parameter_grid: {sma_days: [50, 100]}\n"


@pytest.mark.parametrize("path", SEARCHES, ids=lambda p: p.name)
def test_every_shipped_search_walks_a_legal_space(path):
    loaded = load_settings(root=ROOT, environ={}, experiment=path)
    name = loaded.settings.system.backtest.strategy
    described = loaded.settings.strategies[name]
    spaces = spaces_of(loaded.experiment, strategy(name, described.universe), described.parameters)
    assert spaces
    assert all(1 <= space.free <= 5 for space in spaces.values()), "more parameters than the guard allows"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GRID + "  paramter_ranges: {}\n", "did you mean parameter_ranges?"),
        ("  method: gird\n", "'grid'"),
        ("  method: grid\n", "parameter_grid is missing"),
        ("  method: hybrid\n  parameter_grid: {sma_days: [50]}\n", "parameter_ranges is missing"),
        (GRID + "  parameter_ranges: {sma_days: {min: 1, max: 2}}\n", "nothing reads parameter_ranges"),
        (GRID + "  evolutionary: {seed: 1}\n", "nothing reads evolutionary"),
        (
            GRID + "  optimization: {objectives: [{metric: bps}, {metric: cagr}]}\n",
            "nothing reads optimization",
        ),
        (GRID + "  optimization: {metric: sharp}\n", "'bps'"),
        ("  method: evolutionary\n  parameter_ranges: {sma_days: {min: 9, max: 9}}\n", "the range is empty"),
        (
            "  method: random\n  parameter_distributions: {sma_days: {type: uniform, min: 1}}\n",
            "between two numbers",
        ),
        (
            "  method: random\n  parameter_distributions: {sma_days: {type: loguniform, min: -1, max: 2}}\n",
            "min > 0",
        ),
        ("  overrides: {}\n", "nothing reads target_model"),
        (GRID + "  walk_forward: {out_sample_months: 6, step_months: 3}\n", "overlap"),
        (GRID + "  cross_validation: {n_folds: 4, n_test_folds: 4}\n", "no fold is left"),
    ],
)
def test_a_wrong_search_is_named_with_file_and_fix(tree, text, words):
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        tree.load(experiment=tree.experiment(HEAD + text))
    assert str(caught.value).startswith("configs/experiments/tried.yaml")


def test_the_strategy_and_window_of_a_search_become_those_of_the_run(tree):
    text = HEAD + GRID + "  backtest: {start_date: 2019-01-01, end_date: 2020-01-01}\n"
    loaded = tree.load(experiment=tree.experiment(text))
    run = loaded.settings.system.backtest
    assert (run.strategy, run.start.year, run.end.year) == ("EquityTrend", 2019, 2020)
    assert loaded.origin["system.backtest.start"] == "configs/experiments/tried.yaml:7"


def test_an_experiment_may_stand_on_another_one(tree):
    text = HEAD + GRID + "  base_config: configs/experiments/cautious.yaml\n"
    loaded = tree.load(experiment=tree.experiment(text))
    assert loaded.settings.system.risk.per_asset_cap == 0.20
    assert loaded.experiment.name == "tried"


def test_a_file_laid_over_open_settings_gives_what_loading_it_gives(tree):
    path = tree.experiment(HEAD + GRID + "  overrides: {risk.per_asset_cap: 0.3}\n")
    loaded, laid = tree.load(experiment=path), with_experiment(tree.load(), path)
    assert laid.config_hash == loaded.config_hash
    assert laid.origin == loaded.origin
    assert laid.settings == loaded.settings


def test_the_hash_of_a_member_is_that_of_a_run_with_its_parameters(tree):
    loaded = tree.load()
    configured = loaded.settings.strategies["EquityTrend"].parameters
    (one, two) = loaded.hash_with("EquityTrend", [{**configured, "sma_days": days} for days in (150, 200)])
    run = tree.load(overrides={"strategies.EquityTrend.parameters.sma_days": 150})
    assert one == run.config_hash
    assert two == loaded.config_hash
