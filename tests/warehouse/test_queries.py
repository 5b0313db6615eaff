"""Named queries answer from newest, finished rows."""

import polars as pl
import pytest

from pipeline.errors import ComponentNotFoundError, ConfigError
from warehouse.manifest import Manifest
from warehouse.queries import QUERIES, duplicates, sizes
from warehouse.tables import EQUITY, OHLCV_DAILY, OHLCV_H4, QUARANTINE, RUNS, TABLES, TRIALS


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_runs_on_an_empty_warehouse(warehouse, name):
    assert warehouse.query(name).is_empty() or name == "migrations"


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_uses_the_parameters_it_names(name):
    query = QUERIES[name]
    assert query.description.endswith(".")
    assert all(f"${p}" in query.sql for p in query.parameters)
    assert query.sql.count("$") == sum(query.sql.count(f"${p}") for p in query.parameters)


def test_coverage_counts_bars_of_each_feed_symbol_and_timeframe(warehouse, bars):
    warehouse.append(OHLCV_H4, pl.concat([bars(), bars("QQQ", n=3), bars(feed="files", n=2)]))
    warehouse.append(OHLCV_H4, bars(price=50.0))
    warehouse.append(OHLCV_DAILY, bars(n=4))
    rows = warehouse.query("coverage", feed="sample").select("symbol", "timeframe", "rows").rows()
    assert rows == [("QQQ", "h4", 3), ("SPY", "daily", 4), ("SPY", "h4", 6)]
    assert warehouse.query("coverage").height == 4


def test_quarantined_rows_are_counted_by_rule(warehouse):
    row = {
        "feed": "files", "dataset": "ohlcv_h4", "symbol": "SPY", "ts": None, "rule": "straddle",
        "severity": "error", "reason": "x", "row_json": "1",
    }  # fmt: skip
    frame = pl.DataFrame([row, row | {"row_json": "2"}])
    warehouse.append(QUARANTINE, frame.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))))
    assert warehouse.query("quarantined").select("rule", "rows").rows() == [("straddle", 2)]


def test_runs_come_newest_first_and_by_strategy(warehouse, clock, run_row):
    from datetime import timedelta

    for run_id, strategy in (("r1", "EquityTrend"), ("r2", "EquityTrend"), ("r3", "Other")):
        warehouse.append(RUNS, run_row(run_id, strategy=strategy))
        clock.advance(timedelta(hours=1))
    assert warehouse.query("runs")["run_id"].to_list() == ["r3", "r2", "r1"]
    assert warehouse.query("runs", strategy="EquityTrend")["run_id"].to_list() == ["r2", "r1"]
    assert warehouse.query("run", run_id="r2")["run_id"].to_list() == ["r2"]


def test_the_equity_curve_of_a_run_is_in_order(warehouse, bars):
    curve = bars().select(pl.lit("r1").alias("run_id"), "ts", nav="close", drawdown=0.0, cash=1.0, gross=1.0)
    warehouse.append(EQUITY, curve.reverse())
    assert warehouse.query("equity", run_id="r1")["nav"].to_list() == bars()["close"].to_list()


def test_controls_and_repeats_are_no_trials(warehouse):
    def trial(number, kind, config):
        return dict.fromkeys(TRIALS.names) | {
            "trial_id": f"t{number}", "strategy": "s", "family": "f", "kind": kind, "config_hash": config,
            "data_hash": "d",
        }  # fmt: skip

    rows = [trial(1, "research", "a"), trial(2, "research", "a"), trial(3, "research", "b")]
    rows += [trial(4, "control", "c"), trial(5, "verify", "a")]
    warehouse.append(TRIALS, pl.DataFrame(rows))
    assert warehouse.query("trials").select("family", "trials", "rows").rows() == [("f", 2, 5)]


def test_manifests_can_be_asked_by_table(warehouse, bars):
    warehouse.append(OHLCV_H4, bars(), manifest=Manifest(asset="market/ohlcv_h4"))
    warehouse.append(OHLCV_DAILY, bars(), manifest=Manifest(asset="market/ohlcv_daily"))
    found = warehouse.query("manifests", table_name="market.ohlcv_daily")
    assert found["asset"].to_list() == ["market/ohlcv_daily"]


def test_an_unknown_query_or_parameter_is_refused(warehouse):
    with pytest.raises(ComponentNotFoundError, match="one of coverage"):
        warehouse.query("everything")
    with pytest.raises(ConfigError, match=r"field: symbol.*one of feed"):
        warehouse.query("coverage", symbol="SPY")


def test_duplicate_versions_are_counted(warehouse, bars):
    warehouse.append(OHLCV_H4, bars())
    warehouse.append(OHLCV_H4, bars(price=50.0))
    with warehouse.write() as cursor:
        assert cursor.execute(duplicates(OHLCV_H4)).fetchall() == [(0,)]
        cursor.execute("INSERT INTO market.ohlcv_h4 SELECT * FROM market.ohlcv_h4 WHERE close > 104")
        assert cursor.execute(duplicates(OHLCV_H4)).fetchall() == [(1,)]


def test_sizes_name_every_table(warehouse):
    with warehouse.read() as cursor:
        assert [name for name, _ in cursor.execute(sizes()).fetchall()] == list(TABLES)
