"""Rows of writes that died are found, spared while they may live, and removed."""

from datetime import timedelta

import pytest

from warehouse.store import Warehouse
from warehouse.tables import OHLCV_DAILY, OHLCV_H4


@pytest.fixture
def with_orphans(warehouse, clock, bars):
    """Return a warehouse with one finished chunked write and three rows of an unfinished one."""
    Warehouse(warehouse.path, now=clock.now, chunk_rows=2).append(OHLCV_H4, bars())
    with warehouse.write() as cursor:
        for table, rows in (("ohlcv_h4", 2), ("ohlcv_daily", 1)):
            cursor.execute(
                f"INSERT INTO market.{table} SELECT * REPLACE ('dead' AS write_id, 'QQQ' AS symbol)"
                f" FROM market.ohlcv_h4 LIMIT {rows}"
            )
    return warehouse


def test_orphans_are_found_by_table(with_orphans, clock):
    found = [(o.table, o.write_id, o.rows, o.last) for o in with_orphans.orphans()]
    assert found == [
        ("market.ohlcv_h4", "dead", 2, clock.now()),
        ("market.ohlcv_daily", "dead", 1, clock.now()),
    ]


def test_a_young_write_may_still_be_alive(with_orphans, clock):
    clock.advance(timedelta(minutes=59))
    assert with_orphans.remove_orphans() == []
    assert len(with_orphans.orphans()) == 2


def test_old_ones_are_removed_and_finished_writes_stay(with_orphans, clock):
    clock.advance(timedelta(hours=1))
    assert sum(o.rows for o in with_orphans.remove_orphans()) == 3
    assert with_orphans.orphans() == []
    assert with_orphans.as_of(OHLCV_H4).height == 6
    assert with_orphans.as_of(OHLCV_DAILY).is_empty()


def test_a_write_is_as_young_as_its_youngest_chunk_in_any_table(with_orphans, clock):
    clock.advance(timedelta(minutes=50))
    with with_orphans.write() as cursor:
        cursor.execute("UPDATE market.ohlcv_daily SET recorded_at = ?", [clock.now()])
    clock.advance(timedelta(minutes=20))
    assert with_orphans.remove_orphans() == []


def test_a_write_that_is_complete_leaves_no_orphans(warehouse, clock, bars):
    Warehouse(warehouse.path, now=clock.now, chunk_rows=2).append(OHLCV_H4, bars())
    assert warehouse.orphans() == []
