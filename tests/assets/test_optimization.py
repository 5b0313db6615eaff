"""A search through the door: members in the ledger, N that reruns do not raise, resumption to the bit."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from assets.backtest import holdouts
from assets.backtest.trials import run_trial
from assets.manifests import manifest_for
from assets.market.ingest import update_bars
from assets.optimization.search import run_experiment
from pipeline.backtest import metrics as m
from pipeline.config.load import with_experiment
from pipeline.errors import ComponentNotFoundError, ConfigError, RefusedError, ResourceError
from pipeline.lifecycle.holdouts import Window
from pipeline.optimization import out_of_sample
from tests.support.desk import NOW, desk_at
from warehouse.tables import EXPERIMENTS, FOLDS, RESULTS, TRIALS

HEAD = """\
experiment:
  name: tried
  description: A small search
  target_model: EquityTrend
  overrides:
    strategies.EquityTrend.parameters: {sma_days: 5, momentum_short_days: 2, momentum_long_days: 3}
  backtest: {start_date: 2019-01-20, end_date: 2019-03-15}
"""
GRID = "  method: grid\n  parameter_grid: {sma_days: [4, 5, 6], momentum_short_days: [2, 3]}\n"
EVOLVED = """\
  method: evolutionary
  parameter_ranges: {sma_days: {min: 3, max: 12}, momentum_short_days: {min: 2, max: 9}}
  evolutionary: {population_size: 5, num_generations: 4}
"""
WINDOW = (datetime(2019, 1, 20, tzinfo=UTC), datetime(2019, 3, 15, tzinfo=UTC))


@pytest.fixture
def stocked(tmp_path, world):
    """A desk whose warehouse holds the bars of the first months, and asks few random strategies."""
    desk = replace(desk_at(tmp_path / "home", overrides={"controls.random": 20}), market=world)
    for timeframe in ("h4", "daily"):
        update_bars(
            timeframe,
            (world.history.start, NOW),
            market=world,
            warehouse=desk.warehouse,
            now=NOW,
            manifest=manifest_for("test", desk.loaded, NOW),
        )
    return desk


@pytest.fixture
def searching(tmp_path, stocked):
    """Return the desk with an experiment laid over it."""

    def opened(text: str, **overrides: float):
        path = tmp_path / "tried.yaml"
        path.write_text(HEAD + text)
        changed = {"controls.random": 20, **overrides}
        desk = replace(desk_at(tmp_path / "home", overrides=changed), market=stocked.market)
        return replace(desk, loaded=with_experiment(desk.loaded, path))

    return opened


CASH = {"costs.cash.rate": 0.08, "costs.cash.keeps": 0.0}


def test_folds_and_paths_are_judged_in_excess_of_what_the_ledger_says_cash_earned(searching):
    found = run_experiment(searching(GRID, **CASH))
    desk, evidence = searching(GRID), found.evidence
    trials = desk.warehouse.as_of(TRIALS).filter(pl.col("kind") == "research").sort("trial_id")
    returns, cash = (np.array(trials[name].to_list()) for name in ("daily_returns", "cash_returns"))
    assert (cash > 0.0).all()
    assert (cash == cash[0]).all(), "cash is cash, whatever the member"
    assert cash[0].sum() == pytest.approx(0.08 * found.evidence.run.metrics.years, rel=0.02)
    per_year = out_of_sample.returns_per_year(evidence.days)
    fold = evidence.folds[0]
    rows = np.array([row for row in range(cash.shape[1]) if not fold.test[0] <= row <= fold.test[1]])
    judged = slice(fold.test[0], fold.test[1] + 1)
    excess = (returns - cash)[fold.member, judged]
    assert fold.out_of_sample == pytest.approx(m.sharpe(excess, excess.size / per_year).value)
    assert fold.out_of_sample != pytest.approx(
        m.sharpe(returns[fold.member, judged], rows.size / per_year).value, rel=0.01
    )
    controls = desk.warehouse.as_of(TRIALS).filter(
        pl.col("kind") == "control", pl.col("daily_returns").is_not_null()
    )
    lengths = controls.select(pl.col("daily_returns", "cash_returns").list.len())
    assert (lengths["daily_returns"] == lengths["cash_returns"]).all()


def test_trials_of_the_family_are_in_excess_of_what_their_own_cash_earned(searching):
    run_trial(searching(GRID, **CASH))
    done = run_experiment(searching(GRID))
    trials = done.evidence.luck.check
    assert trials.n_trials + trials.left_out == 7, "the run with cash is another configuration"
    stored = searching(GRID).warehouse.as_of(TRIALS).filter(pl.col("kind") == "research")
    assert sorted(stored["cash_returns"].list.len().unique()) == [0, stored["daily_returns"][0].len()]
    assert done.row["trials"] == 7


def stop_before(stage: str):
    def progress(seen: str, done: int, total: int) -> None:
        if seen == stage:
            raise KeyboardInterrupt

    return progress


def test_every_member_is_a_trial_and_a_result_and_the_search_is_one_row(searching):
    desk = searching(GRID)
    done = run_experiment(desk)
    (row,) = desk.warehouse.as_of(EXPERIMENTS).to_dicts()
    results = desk.warehouse.as_of(RESULTS)
    trials = desk.warehouse.as_of(TRIALS).filter(pl.col("kind") == "research")
    assert row["members"] == results.height == trials.height == 6
    assert results["trial_id"].to_list() == trials["trial_id"].to_list()
    assert sorted(results["rank"]) == [1, 2, 3, 4, 5, 6]
    best = results.filter(pl.col("rank") == 1)
    assert best["score"].item() == results["score"].max() == done.row["best"]["bps"]
    assert trials["config_hash"].n_unique() == 6
    assert trials["family"].unique().to_list() == ["EquityTrend[QQQ,SPY]"]
    assert trials["daily_returns"].list.len().n_unique() == 1
    assert done.row["trials"] == 6
    assert (done.folder / "report.html").is_file()
    folds = desk.warehouse.as_of(FOLDS)
    assert folds["kind"].unique().to_list() == ["cpcv"], "two months have no walk-forward window"
    assert folds.height == 15


def test_the_runs_that_judge_a_search_are_controls_and_count_as_no_trial(searching):
    desk = searching(GRID)
    run_experiment(desk)
    controls = desk.warehouse.as_of(TRIALS).filter(pl.col("kind") == "control")
    assert controls.height > 20
    assert any(name.endswith("hold") for name in controls["trial_id"])
    (counted,) = desk.warehouse.query("trials").to_dicts()
    assert counted["trials"] == 6


def test_the_same_search_again_has_the_same_answer_and_raises_no_n(searching):
    first, second = (run_experiment(searching(GRID), threads=threads) for threads in (1, 2))
    passing = {"experiment_id", "started_at", "seconds"}
    assert {k: v for k, v in first.row.items() if k not in passing} == {
        k: v for k, v in second.row.items() if k not in passing
    }
    assert first.row["experiment_id"] != second.row["experiment_id"]


def test_a_member_that_a_person_ran_before_is_not_counted_twice(searching):
    desk = searching(GRID)
    run_trial(desk)
    (counted,) = desk.warehouse.query("trials").to_dicts()
    assert counted["trials"] == 1
    done = run_experiment(desk)
    assert done.row["trials"] == 6, "sma 5 with momentum 2 is that run"


def test_trials_of_a_wider_search_stay_in_n_of_a_narrower_one(searching):
    run_experiment(searching(GRID))
    narrow = "  method: grid\n  parameter_grid: {sma_days: [5, 7]}\n"
    done = run_experiment(searching(narrow))
    assert done.row["members"] == 2
    assert done.row["trials"] == 7
    assert (
        done.row["evidence"]["reality_check"]["n_trials"] + done.row["evidence"]["reality_check"]["left_out"]
        == 7
    )


def test_a_search_stopped_between_blocks_resumes_to_the_same_bits(searching, tmp_path, world):
    whole = run_experiment(searching(EVOLVED))
    desk = searching(EVOLVED + "  optimization: {save_top_n: 9}\n")
    with pytest.raises(KeyboardInterrupt):
        run_experiment(desk, progress=stop_before("generation 3"))
    (kept,) = desk.warehouse.query("unfinished_experiments").to_dicts()
    assert 0 < kept["members"] < whole.row["members"]
    before = desk.warehouse.as_of(TRIALS).height
    resumed = run_experiment(desk, resume=True)
    assert resumed.row["experiment_id"] == kept["experiment_id"]
    assert resumed.row["digest"] == whole.row["digest"]
    assert resumed.row["best"] == whole.row["best"]
    assert resumed.row["evidence"] == whole.row["evidence"]
    research = desk.warehouse.as_of(TRIALS).filter(
        pl.col("trial_id").str.starts_with(kept["experiment_id"]), pl.col("kind") == "research"
    )
    assert research.height == whole.row["members"], "what was kept was not run again"
    assert desk.warehouse.as_of(TRIALS).height > before
    assert desk.warehouse.query("unfinished_experiments").is_empty()


def declared_at(desk, stage: str):
    """Hold days of the search out when it comes to a stage, as another person would."""

    def progress(seen: str, done: int, total: int) -> None:
        if seen == stage:
            held = Window("EquityTrend", *WINDOW)
            holdouts.declare(desk, held, "ann", "while it ran")

    return progress


def test_days_held_out_while_a_search_runs_are_not_stored(searching):
    desk = searching(GRID)
    with pytest.raises(RefusedError, match="while it ran") as told:
        run_experiment(desk, progress=declared_at(desk, "grid"))
    assert told.value.exit_code == 5
    assert desk.warehouse.as_of(TRIALS).is_empty()
    assert desk.warehouse.as_of(RESULTS).is_empty()


def test_a_search_that_has_stored_a_block_keeps_it_and_its_days_cannot_be_held_out(searching):
    desk = searching(EVOLVED)
    with pytest.raises(RefusedError, match="have seen days"):
        run_experiment(desk, progress=declared_at(desk, "generation 2"))
    (kept,) = desk.warehouse.query("unfinished_experiments").to_dicts()
    assert kept["members"] == 5


def test_what_a_search_has_stored_stays_when_its_days_are_held_out_after_all(searching, monkeypatch):
    desk = searching(EVOLVED)
    monkeypatch.setattr("assets.backtest.holdouts._seen", lambda *_: 0)
    with pytest.raises(RefusedError, match="while it ran"):
        run_experiment(desk, progress=declared_at(desk, "generation 2"))
    (kept,) = desk.warehouse.query("unfinished_experiments").to_dicts()
    assert kept["members"] == 5


def test_one_search_is_run_by_one_process_at_a_time(searching):
    desk = searching(EVOLVED)

    def meddle(seen: str, done: int, total: int) -> None:
        if seen == "generation 3":
            with pytest.raises(ResourceError, match="another process is at this search") as told:
                run_experiment(desk, resume=True)
            assert told.value.exit_code == 4
            assert told.value.value == f"PID {os.getpid()}"

    done = run_experiment(desk, progress=meddle)
    assert desk.warehouse.as_of(RESULTS).height == done.row["members"]
    assert not (done.folder / "running").exists()


def test_a_search_that_was_finished_since_it_was_looked_up_is_not_run_again(searching, monkeypatch):
    desk = searching(EVOLVED)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(desk, progress=stop_before("generation 3"))
    (kept,) = desk.warehouse.query("unfinished_experiments").to_dicts()
    first = run_experiment(desk, resume=True)
    monkeypatch.setattr("assets.optimization.search._unfinished", lambda *_: kept["experiment_id"])
    with pytest.raises(ResourceError, match="just finished"):
        run_experiment(desk, resume=True)
    (row,) = desk.warehouse.as_of(EXPERIMENTS).to_dicts()
    assert row["digest"] == first.row["digest"]


def test_without_an_interrupted_run_there_is_nothing_to_resume(searching):
    with pytest.raises(ComponentNotFoundError, match="no interrupted run"):
        run_experiment(searching(GRID), resume=True)


def test_a_search_with_other_values_is_another_search(searching):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(searching(EVOLVED), progress=stop_before("generation 3"))
    with pytest.raises(ComponentNotFoundError, match="no interrupted run"):
        run_experiment(searching(EVOLVED.replace("max: 12", "max: 11")), resume=True)


@pytest.mark.parametrize(
    ("grid", "named"),
    [
        ("{sma_days: [4, 5], max_missed_closes: [100, 200]}", "max_missed_closes"),
        ("{sma_days: [5]}", "sma_days"),
    ],
)
def test_a_parameter_that_changes_no_weight_ends_the_search_by_name(searching, grid, named):
    desk = searching(f"  method: grid\n  parameter_grid: {grid}\n")
    with pytest.raises(ConfigError) as caught:
        run_experiment(desk)
    assert caught.value.field == f"experiment.parameter_grid.{named}"
    assert desk.warehouse.as_of(TRIALS).is_empty()


def test_an_experiment_that_only_changes_settings_cannot_be_searched(stocked, tmp_path):
    path = tmp_path / "cautious.yaml"
    path.write_text("experiment: {name: x, description: y, overrides: {risk.per_asset_cap: 0.2}}\n")
    with pytest.raises(ConfigError, match="searches for nothing"):
        run_experiment(replace(stocked, loaded=with_experiment(stocked.loaded, path)))


def test_evolution_begins_with_the_best_of_an_earlier_experiment(searching):
    earlier = run_experiment(searching(GRID))
    seeded = EVOLVED.replace(
        "num_generations: 4", "num_generations: 1, seed_from_experiment: tried, seed_top_n: 3"
    )
    desk = searching(seeded)
    desk = replace(
        desk,
        loaded=replace(desk.loaded, experiment=desk.loaded.experiment.model_copy(update={"name": "later"})),
    )
    later = run_experiment(desk)
    first = [dict(member.params) for member in later.members[:3]]
    assert first == [dict(member.params) for member in earlier.top[:3]]


def test_an_earlier_experiment_that_is_not_there_is_named(searching):
    text = EVOLVED.replace("num_generations: 4", "num_generations: 4, seed_from_experiment: nobody")
    with pytest.raises(ComponentNotFoundError, match="nobody"):
        run_experiment(searching(text))


def test_a_hybrid_may_refine_other_parameters_than_its_grid_tried(searching):
    text = (
        "  method: hybrid\n  parameter_grid: {sma_days: [4, 6]}\n"
        "  parameter_ranges: {momentum_short_days: {min: 2, max: 9}}\n"
        "  evolutionary: {population_size: 4, num_generations: 2}\n"
    )
    done = run_experiment(searching(text))
    assert {tuple(point) for point in done.evidence.points.values()} == {("sma_days", "momentum_short_days")}
    assert {stage.stage for stage in done.members} == {"grid", "generation 1", "generation 2"}
    assert done.row["evidence"]["stability"]["axes"] == ["momentum_short_days", "sma_days"]


def test_walk_forward_chooses_what_the_newest_window_would(searching):
    done = run_experiment(searching(GRID.replace("method: grid", "method: walk_forward")))
    assert done.row["method"] == "walk_forward"
    assert done.row["best"]["config_hash"] in {member.config_hash for member in done.members}
