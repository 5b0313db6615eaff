"""The one door to the kernel: what a run stores, what it refuses, and what the UI is told."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets import checks
from assets.backtest.assets import backtest_assets
from assets.backtest.robustness import answers_of
from assets.backtest.trials import run_trial
from assets.describe import MOST_PICTURE_BYTES, markdown_table, numbers, picture
from assets.manifests import manifest_for
from assets.market.ingest import update_bars
from pipeline.errors import InsufficientDataError, ResourceError, TamperedError
from tests.support.desk import NOW, QUIET, desk_at, resources_of
from warehouse.tables import (
    EQUITY,
    FEATURES_H4,
    FILLS,
    MONTHLY,
    OHLCV_DAILY,
    OHLCV_H4,
    ROUND_TRIPS,
    RUNS,
    TRIALS,
)

START = datetime(2019, 1, 20, tzinfo=UTC)
QUICK = {
    "strategies.EquityTrend.parameters.sma_days": 5,
    "strategies.EquityTrend.parameters.momentum_short_days": 2,
    "strategies.EquityTrend.parameters.momentum_long_days": 3,
    "backtest.start": START,
    "backtest.end": datetime(2019, 3, 15, tzinfo=UTC),
}
"""A strategy quick enough to trade within eight weeks."""


@pytest.fixture
def stocked(tmp_path, world):
    """A desk whose warehouse holds the bars of the first months."""
    desk = replace(desk_at(tmp_path, overrides=QUICK), market=world)
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


def stored(desk, table, run_id):
    return desk.warehouse.as_of(table, where={"run_id": run_id})


def test_a_run_leaves_every_table_a_ledger_row_and_a_manifest(stocked):
    trial = run_trial(stocked)
    (run,) = stored(stocked, RUNS, trial.run_id).to_dicts()
    equity = stored(stocked, EQUITY, trial.run_id)
    fills = stored(stocked, FILLS, trial.run_id)
    (row,) = stored(stocked, TRIALS, trial.run_id).to_dicts()
    assert run["trades"] == fills.height > 0
    assert run["simulated"]
    assert run["bars"] == equity.height == (QUICK["backtest.end"] - START) // timedelta(hours=4)
    assert equity["nav"][-1] == run["final_nav"] == trial.result.simulation.final_nav
    assert row["kind"] == "research"
    assert row["digest"] == run["digest"] == trial.result.digest
    assert len(row["daily_returns"]) == trial.result.simulation.daily.size
    months = stored(stocked, MONTHLY, trial.run_id)
    assert np.prod(1.0 + months["return_"].to_numpy()) == pytest.approx(run["final_nav"] / run["initial_nav"])
    assert stored(stocked, ROUND_TRIPS, trial.run_id).height > 0
    manifests = stocked.warehouse.query("manifests", table_name="backtest.runs").to_dicts()
    read = {item["table"]: item for item in json.loads(manifests[0]["inputs_json"])}
    assert set(read) == {"market.ohlcv_h4", "market.ohlcv_daily"}
    assert all(item["rows"] and item["digest"] for item in read.values())


def test_cash_and_nav_can_be_recomputed_from_the_ledger_alone(stocked):
    trial = run_trial(stocked)
    fills = stored(stocked, FILLS, trial.run_id)
    signed = pl.when(pl.col("side") == "buy").then(1.0).otherwise(-1.0)
    spent = fills.select(
        (signed * pl.col("notional").cast(pl.Float64) + pl.col("fee").cast(pl.Float64)).sum()
    ).item()
    assert 100_000.0 - spent == pytest.approx(trial.result.simulation.cash[-1], abs=1e-4)
    price = fills["price_before_slippage"].cast(pl.Float64).to_numpy()
    paid = fills["price"].cast(pl.Float64).to_numpy()
    sign = np.where(fills["side"].to_numpy() == "buy", 1.0, -1.0)
    np.testing.assert_allclose(paid, price * (1.0 + sign * 5e-4), rtol=1e-8)


def test_no_fill_comes_before_the_decision_it_follows(stocked):
    trial = run_trial(stocked)
    fills = stored(stocked, FILLS, trial.run_id)
    late = fills.filter(pl.col("filled_at") < pl.col("ts"))
    assert late.is_empty()
    opens = trial.result.simulation
    decisions = opens.ts[opens.fills.row]  # an order of the decision at ts fills at or after that instant
    assert (opens.filled_at >= decisions).all()


def run_ids(desk) -> set[str]:
    """The trials that are runs of their own, not controls of one."""
    return set(desk.warehouse.as_of(TRIALS)["run_id"].drop_nulls())


def test_a_research_run_stores_its_answers_and_its_controls_and_a_control_neither(stocked):
    trial = run_trial(stocked)
    answers = answers_of(stocked.warehouse, trial.run_id)
    told = {place: value for *place, value in trial.robustness.values() for place in [tuple(place)]}
    assert len(told) > 100
    for (topic, name, measure), value in told.items():
        assert answers[topic][name][measure] == value
    assert answers["control"]["random"]["runs"] == 200
    known = {"equity", "vol", "crypto"}  # no macro series is stored, so nothing is said of that dimension
    assert set(answers) == {"control", "interval", "stress", "crisis", "season"} | known
    controls = stocked.warehouse.as_of(TRIALS, where={"kind": "control"})
    assert controls.height == len(trial.robustness.runs) > 200
    assert controls["digest"].null_count() == 0
    silent = run_trial(stocked, kind="control")
    assert silent.robustness is None
    assert answers_of(stocked.warehouse, silent.run_id) == {}


def test_a_second_configuration_of_the_family_is_compared_with_bests_of_two(stocked, tmp_path, world):
    other = replace(desk_at(tmp_path, overrides=QUICK | {"risk.per_asset_cap": 0.3}), market=world)
    runs = [run_trial(desk) for desk in (stocked, other, stocked)]
    assert [run.robustness.random.trials for run in runs] == [1, 2, 2]


def test_asking_changes_no_hash_and_no_digest(stocked, tmp_path, world):
    unasked = QUICK | {"controls.random": 0, "controls.crises": ()}
    quiet = replace(desk_at(tmp_path, overrides=unasked), market=world)
    asked, silent = run_trial(stocked), run_trial(quiet)
    assert silent.row["config_hash"] == asked.row["config_hash"]
    assert silent.row["digest"] == asked.row["digest"]
    assert silent.robustness.random.percentile_single is None
    assert silent.robustness.crises == ()


def test_the_same_run_again_is_another_row_with_the_same_digest(stocked):
    first, second = run_trial(stocked), run_trial(stocked, kind="control")
    assert first.run_id != second.run_id
    assert first.row["digest"] == second.row["digest"]
    (counted,) = stocked.warehouse.query("trials").to_dicts()
    assert counted["trials"] == 1
    assert run_ids(stocked) == {first.run_id, second.run_id}


def test_a_run_on_bars_that_nobody_restated_has_one_sharpe_and_one_ledger_row(stocked):
    trial = run_trial(stocked)
    sharpe = trial.row["sharpe"]
    assert trial.row["restatement"] == {"sharpe_as_known": sharpe, "sharpe_latest": sharpe}
    assert "restatement" not in {flag.name for flag in trial.result.flags}
    assert run_ids(stocked) == {trial.run_id}


def test_a_restated_history_is_run_again_as_a_control_that_nobody_counts(stocked):
    before = run_trial(stocked)
    (counted,) = stocked.warehouse.query("trials").to_dicts()
    bars = stocked.warehouse.as_of(OHLCV_H4, where={"symbol": "SPY"})
    stocked.clock.advance(timedelta(days=1))
    prices = pl.col("open", "high", "low", "close") * pl.int_range(pl.len()).pow(0.05).clip(1.0)
    stocked.warehouse.append(OHLCV_H4, bars.with_columns(prices))
    after = run_trial(stocked)
    assert after.result.digest == before.result.digest
    shown = after.row["restatement"]
    assert shown["sharpe_as_known"] == before.row["sharpe"]
    assert shown["sharpe_latest"] not in {None, shown["sharpe_as_known"]}
    (flag,) = [flag for flag in after.result.flags if flag.name == "restatement"]
    assert flag.value == shown
    (run,) = stored(stocked, RUNS, after.run_id).to_dicts()
    assert json.loads(run["flags_json"])["restatement"] == shown
    (again,) = stocked.warehouse.query("trials").to_dicts()
    assert again["trials"] == counted["trials"]
    control = stocked.warehouse.as_of(TRIALS, where={"trial_id": f"{after.run_id}-latest"})
    assert control.select("kind", "run_id").rows() == [("control", None)]


def test_a_run_on_the_latest_revision_alone_cannot_know_what_was_restated(stocked):
    bars = stocked.warehouse.as_of(OHLCV_H4)
    stocked.clock.advance(timedelta(days=1))
    stocked.warehouse.append(
        OHLCV_H4, bars.with_columns(feed=pl.lit("other"), vintage=pl.lit("latest_revision"))
    )
    daily = stocked.warehouse.as_of(OHLCV_DAILY)
    stocked.warehouse.append(OHLCV_DAILY, daily.with_columns(feed=pl.lit("other")))
    other = replace(stocked, market=Renamed(stocked.market))
    trial = run_trial(other)
    assert trial.row["restatement"] == {"sharpe_as_known": trial.row["sharpe"], "sharpe_latest": None}
    assert "latest_revision" in {flag.name for flag in trial.result.flags}


class Renamed:
    """The same source under another name."""

    feed = "other"

    def __init__(self, source):
        self._source = source

    def __getattr__(self, name):
        return getattr(self._source, name)


def test_the_files_of_a_run_are_whole_and_say_simulated(stocked):
    trial = run_trial(stocked)
    names = {path.name for path in trial.folder.iterdir()}
    assert names == {"report.html", "equity.png", "monthly.png", "metrics.json", "run_meta.json", "run.log"}
    assert "SIMULATED" in (trial.folder / "report.html").read_text()
    lines = [json.loads(line) for line in (trial.folder / "run.log").read_text().splitlines()]
    assert [line["event"] for line in lines][:: len(lines) - 1] == ["started", "finished"]
    assert {line["trace_id"] for line in lines} == {trial.run_id}
    meta = json.loads((trial.folder / "run_meta.json").read_text())
    assert meta["origin"]["system.backtest.start"] == "command line"


def test_every_fill_is_in_the_trade_log_under_the_run(stocked):
    trial = run_trial(stocked)
    lines = [json.loads(line) for line in (stocked.home.logs / "trades.jsonl").read_text().splitlines()]
    mine = [line for line in lines if line["trace_id"] == trial.run_id]
    assert len(mine) == trial.row["trades"]


def test_a_feature_that_was_changed_by_hand_stops_the_run(stocked):
    at = datetime(2019, 2, 4, 16, tzinfo=UTC)
    blank = dict.fromkeys((name for name in FEATURES_H4.names if name not in FEATURES_H4.key), None)
    row = {
        **blank,
        "feed": "sample",
        "symbol": "SPY",
        "ts": at,
        "close_d": 1.0,
        "version": "1.0.0",
        "simulated": True,
        "known_at": at + timedelta(hours=4),
    }
    stocked.warehouse.append(FEATURES_H4, pl.DataFrame([row], infer_schema_length=None))
    with pytest.raises(TamperedError, match="not what the bars give") as caught:
        run_trial(stocked)
    assert "close_d" in str(caught.value.field)
    assert stocked.warehouse.query("runs").is_empty()


def test_a_feed_without_bars_says_what_to_run(tmp_path, world):
    desk = replace(desk_at(tmp_path, overrides=QUICK), market=world)
    desk.warehouse.migrate()
    with pytest.raises(InsufficientDataError, match="no H4 bars") as caught:
        run_trial(desk)
    assert "bells data update" in str(caught.value.fix)
    assert "universe" in str(caught.value.fix), "the feed may never have bars of these symbols"


def test_a_materialisation_shows_numbers_pictures_and_checks(stocked, instance):
    done = dg.materialize(
        backtest_assets(),
        resources={**resources_of(stocked), "logs": stocked.logs},
        instance=instance,
        run_config=QUIET,
    )
    written = done.get_asset_materialization_events()
    events = {event.asset_key.path[-1]: event.materialization for event in written}
    facts = events["runs"].metadata
    assert isinstance(facts["sharpe"].value, float)
    assert facts["simulated"].value is True
    assert facts["equity"].value.startswith("![")
    for name in ("hold_sharpe", "costs_x2_sharpe", "late_sharpe", "sharpe_low", "sharpe_high"):
        assert isinstance(facts[name].value, float), name
    assert "| costs_x2 | sharpe |" in facts["controls"].value
    assert events["equity"].metadata["run_id"].value == facts["run_id"].value
    verdicts = {check.check_name: check.passed for check in done.get_asset_check_evaluations()}
    assert verdicts == {"finite_nav": True, "has_trades": True}


def test_a_run_that_never_traded_warns_and_a_broken_nav_fails():
    assert checks.has_trades(0).severity is dg.AssetCheckSeverity.WARN
    assert not checks.has_trades(0).passed
    assert checks.finite_nav(np.array([1.0, 2.0])).passed
    for wrong in (np.nan, np.inf, 0.0, -1.0):
        assert not checks.finite_nav(np.array([1.0, wrong])).passed


def test_a_picture_too_large_for_the_event_log_is_refused():
    assert picture(b"x" * MOST_PICTURE_BYTES, "small")
    with pytest.raises(ResourceError, match="too large"):
        picture(b"x" * (MOST_PICTURE_BYTES + 1), "large")


def test_an_unknown_number_is_left_out_of_plots_and_a_dash_in_tables():
    assert numbers({"a": 1, "b": None}) == {"a": 1.0}
    assert "| - |" in markdown_table([{"a": None}]).value
    assert markdown_table([]).value == "no rows"
