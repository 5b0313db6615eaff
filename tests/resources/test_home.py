"""The home directory: where it is, what prepare makes, and that Dagster takes the settings written there."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from pipeline.errors import ConfigError, ResourceError
from resources.home import DAGSTER_YAML, ROOT, Home


def test_the_root_holds_the_layers_and_does_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    assert (ROOT / "pipeline" / "errors.py").is_file()
    monkeypatch.chdir(tmp_path)
    assert Home.from_environ({}).path == ROOT / "var"


def test_the_variable_moves_the_home_and_empty_counts_as_unset(tmp_path):
    assert Home.from_environ({"EIGHTBELLS_HOME": str(tmp_path)}).path == tmp_path
    assert Home.from_environ({"EIGHTBELLS_HOME": " "}).path == ROOT / "var"


@pytest.mark.parametrize("text", ["state", "./state", "../state", "~/state"])
def test_a_relative_home_is_refused(text):
    with pytest.raises(ConfigError, match="relative path") as caught:
        Home.from_environ({"EIGHTBELLS_HOME": text})
    assert caught.value.field == "EIGHTBELLS_HOME"
    assert caught.value.fix


def test_prepare_makes_the_folders_and_points_numba_and_dagster_there(tmp_path):
    environ = {}
    home = Home(tmp_path / "deep" / "home with blanks").prepare(environ)
    names = {path.name for path in home.path.iterdir()}
    assert names == {"dagster", "artifacts", "spool", "numba", "logs", "bench", "verify"}
    assert not home.warehouse.exists()
    assert environ == {"NUMBA_CACHE_DIR": str(home.numba), "DAGSTER_HOME": str(home.dagster)}


def test_prepare_changes_nothing_that_exists(tmp_path):
    home = Home(tmp_path).prepare({})
    yours = home.dagster / "dagster.yaml"
    yours.write_text("telemetry: {enabled: false}\n")
    (home.logs / "kept").write_text("x")
    environ = {"NUMBA_CACHE_DIR": "/elsewhere", "DAGSTER_HOME": "/other"}
    home.prepare(environ)
    assert yours.read_text() == "telemetry: {enabled: false}\n"
    assert (home.logs / "kept").read_text() == "x"
    assert environ == {"NUMBA_CACHE_DIR": "/elsewhere", "DAGSTER_HOME": "/other"}
    assert sorted(path.name for path in home.dagster.iterdir()) == ["dagster.yaml"]


def test_without_an_argument_the_process_environment_is_set(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "/kept")
    home = Home(tmp_path).prepare()
    assert os.environ["NUMBA_CACHE_DIR"] == str(home.numba)
    assert os.environ["DAGSTER_HOME"] == "/kept"


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(ResourceError, match="cannot be prepared") as caught:
        Home(tmp_path).prepare({})
    assert str(tmp_path / "logs") in str(caught.value)
    assert caught.value.exit_code == 4


def test_two_processes_may_prepare_at_once(tmp_path):
    code = f"import pathlib, resources.home as h; h.Home(pathlib.Path({str(tmp_path)!r})).prepare({{}})"
    running = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == DAGSTER_YAML
    assert len(list((tmp_path / "dagster").iterdir())) == 1


_ASK = """
import json, sys
from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
with DagsterInstance.get() as instance:
    concurrency = instance.get_concurrency_config()
    ticks = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    print(json.dumps({
        "root": instance.root_directory,
        "telemetry": instance.telemetry_enabled,
        "monitoring": instance.run_monitoring_enabled,
        "max_runtime": instance.run_monitoring_max_runtime_seconds,
        "coordinator": type(instance.run_coordinator).__name__,
        "runs": concurrency.run_queue_config.max_concurrent_runs,
        "pool_limit": concurrency.pool_config.default_pool_limit,
        "granularity": concurrency.pool_config.pool_granularity.value,
        "freshness": instance.freshness_enabled,
        "skipped": ticks[TickStatus.SKIPPED],
        "failure": ticks[TickStatus.FAILURE],
        "storage": type(instance.run_storage).__name__,
        "runs_there": instance.get_runs_count(),
    }))
"""


def test_dagster_takes_the_settings_and_means_by_them_what_we_do(tmp_path):
    home = Home(tmp_path).prepare({})
    environ = {**os.environ, "DAGSTER_HOME": str(home.dagster)}
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", _ASK],
        env=environ, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "deprecat" not in run.stderr.lower()
    assert json.loads(run.stdout) == {
        "root": str(home.dagster),
        "telemetry": False,
        "monitoring": True,
        "max_runtime": 7200,
        "coordinator": "QueuedRunCoordinator",
        "runs": 4,
        "pool_limit": 1,
        "granularity": "op",
        "freshness": True,
        "skipped": 3,
        "failure": 90,
        "storage": "SqliteRunStorage",
        "runs_there": 0,
    }
    assert list(home.dagster.rglob("runs.db"))


def test_every_key_of_dagster_yaml_is_known_to_the_pinned_release():
    from dagster import Field, Shape
    from dagster._config import validate_config
    from dagster._core.instance.config import dagster_instance_config_schema

    schema = Field(Shape(dagster_instance_config_schema())).config_type
    assert validate_config(schema, yaml.safe_load(DAGSTER_YAML)).success
    assert not validate_config(schema, {**yaml.safe_load(DAGSTER_YAML), "telemetri": {}}).success
