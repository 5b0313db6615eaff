"""What is pruned, and what never is."""

from datetime import timedelta

import polars as pl
import pytest

from pipeline.errors import ConfigError
from warehouse.retention import Retention
from warehouse.tables import EQUITY, OHLCV_H4, RUNS


def store_run(warehouse, bars, run_row, run_id):
    curve = bars().select(
        pl.lit(run_id).alias("run_id"), "ts", nav="close", drawdown=0.0, cash=1.0, gross=1.0
    )
    warehouse.append(RUNS, run_row(run_id))
    warehouse.append(EQUITY, curve)


def test_series_of_old_runs_go_and_their_headline_stays(warehouse, clock, bars, run_row):
    warehouse.append(OHLCV_H4, bars())
    store_run(warehouse, bars, run_row, "old")
    clock.advance(timedelta(days=10))
    store_run(warehouse, bars, run_row, "new")
    pruned = warehouse.prune(Retention(runs_days=5))
    assert {name: n for name, n in pruned.rows.items() if n} == {"backtest.equity": 6}
    assert set(warehouse.as_of(EQUITY)["run_id"]) == {"new"}
    assert warehouse.as_of(RUNS)["run_id"].to_list() == ["new", "old"]
    assert warehouse.as_of(OHLCV_H4).height == 6


def test_the_newest_snapshots_stay(warehouse, clock, tmp_path):
    copies = []
    for _ in range(4):
        copies.append(warehouse.snapshot())
        clock.advance(timedelta(hours=1))
    elsewhere = warehouse.snapshot(tmp_path / "mine.duckdb")
    pruned = warehouse.prune(Retention(snapshots=2))
    assert sorted(pruned.snapshots) == copies[:2]
    assert [c.exists() for c in copies] == [False, False, True, True]
    assert elsewhere.exists()


def test_without_rules_everything_stays(warehouse, clock, bars, run_row):
    store_run(warehouse, bars, run_row, "old")
    copy = warehouse.snapshot()
    clock.advance(timedelta(days=10_000))
    pruned = warehouse.prune(Retention())
    assert (sum(pruned.rows.values()), pruned.snapshots) == (0, ())
    assert copy.exists()


@pytest.mark.parametrize("field", ["runs_days", "snapshots"])
def test_a_negative_rule_is_refused(field):
    with pytest.raises(ConfigError, match=f"field: {field}"):
        Retention(**{field: -1})
