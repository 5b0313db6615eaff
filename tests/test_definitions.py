"""The code location: it loads from anywhere, describes every asset, and takes its parts from outside."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster_duckdb import DuckDBResource

from assets.partitions import RANGE_END, RANGE_START
from resources.clock import SimulatedClock
from resources.warehouse import WarehouseResource
from tests.support.desk import NOW, builder, compose, desk_at
from warehouse.store import Warehouse
from warehouse.tables import (
    BLOCKS,
    CORPORATE_ACTIONS,
    EQUITY,
    EXPERIMENTS,
    FEATURES_H4,
    FOLDS,
    MACRO,
    METRICS_DAILY,
    OHLCV_DAILY,
    OHLCV_H4,
    REGIMES_H4,
    RESULTS,
    RUNS,
    TRANSITIONS,
    TRUTH,
    VALUATION_TABLES,
)

ROOT = Path(__file__).parents[1]
SEARCHED = (EXPERIMENTS, RESULTS, FOLDS)
MARKET = (OHLCV_H4, OHLCV_DAILY, MACRO, CORPORATE_ACTIONS, TRUTH)
HISTORY = (*MARKET, BLOCKS, METRICS_DAILY, FEATURES_H4, REGIMES_H4, TRANSITIONS)
TABLES = {"/".join(t.asset_key): t for t in (*HISTORY, RUNS, EQUITY, *SEARCHED, *VALUATION_TABLES)}
MONTHLY = {"/".join(t.asset_key) for t in HISTORY}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory) -> dg.Definitions:
    return compose(desk_at(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def specs(definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def loaded_in(folder: Path, home: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Load ``definitions.py`` by path in a fresh interpreter, as Dagster does, then run ``code``."""
    load = (
        "import importlib.util as u, sys; "
        f"s = u.spec_from_file_location('definitions', {str(ROOT / 'definitions.py')!r}); "
        "d = u.module_from_spec(s); s.loader.exec_module(d); "
    )
    return subprocess.run(
        [sys.executable, "-c", load + code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "EIGHTBELLS_HOME": str(home), **environ},
    )


def test_the_location_loads_from_any_directory(tmp_path):
    code = "d.dg.Definitions.validate_loadable(d.defs); print(len(d.defs.resolve_all_asset_specs()))"
    run = loaded_in(tmp_path, tmp_path / "home", code)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == len(TABLES)
    assert "Warning" not in run.stderr


def test_workspace_yaml_names_the_file_that_loads():
    workspace = (ROOT / "workspace.yaml").read_text()
    assert "relative_path: definitions.py" in workspace
    assert "location_name: eightbells" in workspace


def test_a_broken_setting_fails_the_load_with_field_rule_and_fix(tmp_path):
    run = loaded_in(tmp_path, tmp_path / "home", "", EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP="lots")
    assert run.returncode != 0
    message = run.stderr.strip().splitlines()[-1]
    assert message.startswith("pipeline.errors.ConfigError: ")
    assert "EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP" in message
    assert "risk.per_asset_cap" in message
    assert "constraint: " in message


def test_an_unknown_source_fails_the_load_by_name(tmp_path):
    run = loaded_in(tmp_path, tmp_path / "home", "", EIGHTBELLS_SOURCE="carrier-pigeon")
    assert run.returncode != 0
    assert "carrier-pigeon" in run.stderr.strip().splitlines()[-1]


def test_the_graph_is_the_way_of_a_number(specs):
    assert set(specs) == set(TABLES)
    parents = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()}
    bars = {"market/ohlcv_h4", "market/ohlcv_daily"}
    assert parents["features/h4"] == bars
    assert parents["regimes/h4"] == {"market/ohlcv_daily", "market/macro"}
    assert parents["chain/metrics_daily"] == {"chain/blocks", "market/ohlcv_daily"}, "some know no price"
    assert not parents["chain/blocks"]
    assert parents["regimes/transitions"] == {"regimes/h4"}
    read = bars | {"features/h4", "market/macro", "regimes/h4"}
    assert parents["backtest/runs"] == parents["backtest/equity"] == read
    assert all(parents["/".join(table.asset_key)] == read for table in SEARCHED), "members are runs"
    assert all(parents[name] == {"chain/metrics_daily"} for name in specs if name.startswith("valuation/"))
    assert all(parents[name] == {"market/corporate_actions"} for name in bars), "a told split explains a jump"
    assert all(not parents[name] for name in specs if name.startswith("market/") and name not in bars)


def test_nothing_that_decides_reads_the_planted_truth(specs):
    truth = dg.AssetKey(["market", "truth"])
    assert not [name for name, spec in specs.items() if truth in {dep.asset_key for dep in spec.deps}]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_asset_says_what_it_is(specs, name):
    spec = specs[name]
    assert spec.group_name == name.split("/")[0]
    assert spec.owners
    assert all(owner.startswith("team:") for owner in spec.owners)
    assert "duckdb" in spec.kinds
    assert spec.description
    assert len(spec.description) > 40
    assert spec.code_version
    assert spec.metadata["dagster/table_name"] == f"warehouse.{TABLES[name].full_name}"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_column_schema_is_that_of_the_table(specs, name):
    schema = specs[name].metadata["dagster/column_schema"]
    table = TABLES[name]
    assert [column.name for column in schema.columns] == [column.name for column in table.all_columns]
    assert all(column.description for column in schema.columns)
    keys = {column.name for column in schema.columns if not column.constraints.nullable}
    assert set(table.key) <= keys


def test_history_is_partitioned_by_month_and_backfilled_in_one_run(definitions, specs):
    for name in MONTHLY:
        partitions = specs[name].partitions_def
        assert isinstance(partitions, dg.TimeWindowPartitionsDefinition)
        assert partitions.get_partition_keys(current_time=NOW) == ["2019-01", "2019-02", "2019-03"]
        asset = definitions.resolve_assets_def(dg.AssetKey(name.split("/")))
        assert asset.backfill_policy == dg.BackfillPolicy.single_run()
    assert all(specs[name].partitions_def is None for name in set(specs) - MONTHLY)


def test_features_of_a_month_need_the_bars_of_that_month(definitions):
    features = definitions.resolve_assets_def(dg.AssetKey(["features", "h4"]))
    for parent in (OHLCV_H4, OHLCV_DAILY):
        mapping = features.get_partition_mapping(dg.AssetKey(list(parent.asset_key)))
        assert isinstance(mapping, dg.TimeWindowPartitionMapping)


def test_whatever_feeds_a_decision_is_guarded_by_blocking_checks(definitions):
    checks = [spec for asset in definitions.resolve_asset_graph().assets_defs for spec in asset.check_specs]
    guarded: dict[str, set[str]] = {}
    for spec in checks:
        guarded.setdefault(spec.asset_key.to_user_string(), set()).add(spec.name)
        assert spec.description
        assert spec.blocking or spec.name == "better_than_luck", "a search feeds no decision"
    rows = {"no_duplicates", "no_nan", "known_in_time"}
    assert guarded["features/h4"] == rows
    assert guarded["market/corporate_actions"] == rows | {"all_read"}
    assert guarded["chain/blocks"] == {"all_read", "no_duplicates", "one_chain", "known_in_time"}
    days = {"all_read", "no_gaps", "rising", "on_schedule", "fresh"}
    assert guarded["chain/metrics_daily"] == rows | days
    assert guarded["market/macro"] == rows | {"all_read", "plausible"}
    bars = guarded["market/macro"] | {"no_gaps", "ohlc_order", "fresh"}
    assert guarded["market/ohlcv_h4"] == guarded["market/ohlcv_daily"] == bars
    assert guarded["backtest/runs"] >= {"finite_nav", "has_trades"}


def test_assets_that_fetch_retry_and_wait_for_no_other_run(definitions):
    for name in sorted(MONTHLY - {"features/h4"}):
        op = definitions.resolve_assets_def(dg.AssetKey(name.split("/"))).op
        assert op.pool is None, (
            "each adapter keeps its own pace; a run that waits for a place cannot be stopped"
        )
        assert op.retry_policy.max_retries == 3
        assert op.retry_policy.backoff == dg.Backoff.EXPONENTIAL


def test_freshness_is_what_the_settings_say(tmp_path):
    desk = desk_at(tmp_path, overrides={"freshness.h4_hours": 7.0, "freshness.daily_hours": 30.0})
    policies = {
        spec.key.to_user_string(): spec.freshness_policy for spec in compose(desk).resolve_all_asset_specs()
    }
    for name, hours in {
        "market/ohlcv_h4": 7,
        "features/h4": 7,
        "market/ohlcv_daily": 30,
        "market/macro": 28,
    }.items():
        assert policies[name].fail_window.to_timedelta() == timedelta(hours=hours)
    assert policies["market/truth"] is None


def test_the_job_main_holds_every_asset_but_searches_and_runs_in_one_process(definitions):
    job = definitions.resolve_job_def("main")
    searched = {"valuation/board", *("/".join(table.asset_key) for table in SEARCHED)}
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(TABLES) - searched
    assert job.executor_def is dg.in_process_executor
    assert job.description


def test_the_job_optimize_runs_the_experiment_file_that_its_configuration_names(definitions):
    job = definitions.resolve_job_def("optimize")
    searched = {"/".join(table.asset_key) for table in SEARCHED}
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == searched
    told = {"experiment": "configs/experiments/trend_sweep.yaml", "threads": 2, "resume": True}
    dg.validate_run_config(job, {"ops": {"search": {"config": told}}})
    with pytest.raises(dg.DagsterInvalidConfigError, match="expriment"):
        dg.validate_run_config(job, {"ops": {"search": {"config": {"expriment": "x.yaml"}}}})


def test_the_schedule_starts_the_job_main_over_whole_months(definitions):
    schedule = definitions.resolve_schedule_def("market_update")
    at = datetime(2019, 3, 8, 0, 5, tzinfo=UTC)
    (request,) = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at)).run_requests
    assert schedule.job_name == "main"
    assert request.tags[RANGE_START] == "2019-02"
    assert request.tags[RANGE_END] == "2019-03"


def test_overrides_and_clock_reach_the_assets(tmp_path):
    build = builder()
    clock = SimulatedClock(NOW)
    definitions = build(
        environ={"EIGHTBELLS_HOME": str(tmp_path)}, overrides={"freshness.macro_hours": 99.0}, clock=clock
    )
    by_key = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert by_key["market/macro"].freshness_policy.fail_window.to_timedelta() == timedelta(hours=99)
    assert definitions.resources["clock"] is clock
    assert Path(definitions.resources["warehouse"].database) == tmp_path / "warehouse.duckdb"


def test_the_files_source_is_chosen_by_the_environment(tmp_path, real_data):
    environ = {
        "EIGHTBELLS_HOME": str(tmp_path),
        "EIGHTBELLS_SOURCE": "files",
        "EIGHTBELLS_DATA": str(real_data),
    }
    definitions = builder()(environ=environ, clock=SimulatedClock(NOW))
    assert definitions.resources["market"].feed == "files"
    assert not definitions.resources["market"].simulated


@dg.asset
def counted_by_duckdb_code(warehouse: DuckDBResource) -> int:
    """Written against dagster-duckdb, knowing nothing of this house."""
    with warehouse.get_connection() as connection:
        connection.execute("CREATE TABLE notes (word VARCHAR)")
        connection.execute("INSERT INTO notes VALUES ('bell')")
        return connection.execute("SELECT count(*) FROM notes").fetchall()[0][0]


@dg.asset
def given(warehouse: dg.ResourceParam[Warehouse]) -> str:
    """Ask for the plain object."""
    return type(warehouse).__name__


@pytest.mark.parametrize("around", [True, False])
def test_code_written_for_the_duckdb_resource_runs_on_the_warehouse(tmp_path, around):
    desk = desk_at(tmp_path)
    path = str(tmp_path / "warehouse.duckdb")
    resource = WarehouseResource.around(desk.warehouse) if around else WarehouseResource(database=path)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [counted_by_duckdb_code, given], resources={"warehouse": resource}, instance=instance
        )
    assert result.output_for_node("counted_by_duckdb_code") == 1
    assert result.output_for_node("given") == "Warehouse"
    with desk.warehouse.read() as cursor:
        assert cursor.execute("SELECT word FROM notes").fetchall() == [("bell",)]


def test_the_resource_can_be_configured_as_text():
    """Resources that hold a path and numbers survive Dagster's own serialisation."""
    resource = WarehouseResource(database="somewhere.duckdb", timeout_s=5.0)
    assert json.loads(resource.model_dump_json())["timeout_s"] == 5.0
