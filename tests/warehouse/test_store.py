"""The Warehouse as callers meet it: sessions, connections, refusals, cheap to import."""

import subprocess
import sys
from datetime import datetime

import pytest

from pipeline.errors import ConfigError, DataError, TimestampError
from warehouse.store import Warehouse
from warehouse.tables import OHLCV_H4

HEAVY = ("polars", "pyarrow", "pandas", "numba", "scipy", "exchange_calendars")


@pytest.mark.parametrize("module", ["warehouse.store", "warehouse.tables", "resources.warehouse"])
def test_importing_it_imports_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_making_one_touches_no_file(tmp_path, clock):
    Warehouse(tmp_path / "none" / "warehouse.duckdb", now=clock.now)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_is_a_write_session_on_the_file(warehouse, bars):
    with warehouse.get_connection() as connection:
        connection.execute("CREATE TABLE meta.scratch AS SELECT 1 AS a")
    with warehouse.read() as cursor:
        assert cursor.execute("SELECT a FROM meta.scratch").fetchall() == [(1,)]


def test_a_failed_session_leaves_nothing(warehouse):
    class WentWrongError(Exception):
        pass

    def fail():
        with warehouse.write() as cursor:
            cursor.execute("CREATE TABLE meta.scratch (a INTEGER)")
            raise WentWrongError

    with pytest.raises(WentWrongError):
        fail()
    with warehouse.read() as cursor:
        assert cursor.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'scratch'"
        ).fetchall() == [(0,)]


def test_a_table_that_is_not_there_is_named(warehouse):
    def ask():
        with warehouse.read() as cursor:
            cursor.execute("SELECT * FROM market.ohlcv_h1")

    with pytest.raises(DataError, match=r"lacks what was asked for.*ohlcv_h1"):
        ask()


def test_a_file_that_vanished_is_made_anew_by_the_next_write(warehouse, bars):
    warehouse.append(OHLCV_H4, bars())
    warehouse.path.unlink()
    assert warehouse.append(OHLCV_H4, bars(n=2)).inserted == 2


def test_a_clock_without_zone_is_refused(tmp_path, bars):
    naive = Warehouse(tmp_path / "w.duckdb", now=lambda: datetime(2026, 1, 1))  # noqa: DTZ001 - the fault
    with pytest.raises(TimestampError, match="field: now"):
        naive.append(OHLCV_H4, bars())


def test_chunks_hold_at_least_a_row(tmp_path, clock):
    with pytest.raises(ConfigError, match="field: chunk_rows"):
        Warehouse(tmp_path / "w.duckdb", now=clock.now, chunk_rows=0)


def test_two_warehouses_on_one_file_see_each_other(warehouse, clock, bars):
    other = Warehouse(warehouse.path, now=clock.now)
    warehouse.append(OHLCV_H4, bars())
    assert other.append(OHLCV_H4, bars()).unchanged == 6
    other.append(OHLCV_H4, bars("QQQ"))
    assert warehouse.as_of(OHLCV_H4).height == 12
