"""``bells run``: the whole graph in one process against the Dagster instance, on a small folder of bars."""

import json
import shutil
import signal
import time

import dagster as dg
import polars as pl
import pytest

from service.cli.opening import open_for
from warehouse.tables import FEATURES_H4, MANIFESTS, RUNS

pytestmark = pytest.mark.slow


def test_a_run_fills_every_table_shows_in_the_instance_and_names_the_hole(bells, home):
    answer = bells("run", "--from", "2022-05", "--set", "backtest.start=2023-03-01", "--json")
    record = answer.json
    assert (answer.code, record["ok"], record["not_made"]) == (0, True, [])
    assert (record["from"], record["to"], record["simulated"]) == ("2022-05", "2023-06", False)
    assert {name for name, facts in record["assets"].items() if facts["failed"]} == set()
    bars = record["assets"]["market/ohlcv_h4"]
    assert bars["rows"] == bars["inserted"] > 3000
    assert [(g["symbol"], g["missing"]) for g in record["gaps"]] == [("BTC/USD", 3)]
    assert record["quarantine"] == []
    assert record["window"] == {"first": "2022-05-01T00:00:00+00:00", "last": "2023-06-30T20:00:00+00:00"}
    assert "Cash earns nothing" in {f["name"]: f["text"] for f in record["backtest"]["flags"]}["cash_rate"]
    warned = {(c["asset"], c["check"]) for c in record["checks"]}
    assert ("market/ohlcv_h4", "no_gaps") in warned
    assert "ok      market/ohlcv_h4" in answer.err
    assert "Warning" not in answer.err
    warehouse = open_for(None).warehouse
    stored = warehouse.as_of(RUNS)
    assert stored["run_id"].to_list() == [record["backtest"]["run_id"]]
    assert warehouse.as_of(FEATURES_H4).height > 0
    assert record["dagster_run_id"] in warehouse.as_of(MANIFESTS)["dagster_run_id"].to_list()
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        run = instance.get_run_by_id(record["dagster_run_id"])
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert run.job_name == "main"


def test_a_check_that_blocks_stops_the_run_with_5_and_says_which(bells, folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder.parent, tmp_path / "damaged")
    path = copy / "h4_SPY.parquet"
    pl.read_parquet(path).filter(pl.col("ts").dt.month() % 2 == 1).write_parquet(path)
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(copy / "source.yaml"))
    answer = bells("run", "--from", "2023-03", "--set", "checks.max_missing_share=0.01", "--json")
    record = answer.json
    assert (answer.code, record["exit_code"], record["ok"]) == (5, 5, False)
    assert record["error"] == "CheckFailedError"
    assert "market/ohlcv_h4: no_gaps" in record["field"]
    assert record["backtest"] is None
    assert "backtest/runs" in record["not_made"]
    assert "Traceback" not in answer.err


def test_a_source_that_fails_stops_the_run_with_2_and_the_file_in_the_message(
    bells, folder, tmp_path, monkeypatch
):
    copy = shutil.copytree(folder.parent, tmp_path / "damaged")
    for path in copy.glob("h4_*.parquet"):
        pl.read_parquet(path).drop("close").write_parquet(path)
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(copy / "source.yaml"))
    answer = bells("run", "--from", "2023-05")
    assert answer.code == 2
    assert "h4_SPY.parquet" in answer.err
    assert "market/ohlcv_h4" in answer.out
    assert "Traceback" not in answer.err + answer.out


def test_an_interrupt_leaves_with_130_and_a_run_that_did_not_succeed(process, home):
    begun = process("run", "--json")
    deadline = time.monotonic() + 60
    while not (home / "warehouse.duckdb").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    out, err = begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert json.loads(out)["exit_code"] == 130
    assert "Traceback" not in err
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        (run,) = instance.get_runs()
        assert run.is_finished
        assert run.status is not dg.DagsterRunStatus.SUCCESS


def test_stdout_of_a_process_holds_the_answer_and_nothing_else(process, home):
    begun = process("data", "update", "--json")
    out, err = begun.communicate(timeout=60)
    assert begun.returncode == 0
    assert json.loads(out)["ok"]
    assert len(out.splitlines()) == 1
    assert "market.ohlcv_h4" in err
