"""Urgent writes reach the file exactly once, by one way or the other."""

import multiprocessing
from datetime import timedelta

import pytest

from pipeline.errors import RefusedError, SchemaError
from warehouse.spool import Spool
from warehouse.store import Warehouse
from warehouse.tables import EQUITY, OHLCV_H4, SPOOLED


@pytest.fixture
def impatient(warehouse, clock):
    """Return a warehouse that waits a tenth of a second for an urgent write."""
    return Warehouse(warehouse.path, now=clock.now, urgent_wait_s=0.1)


def hold(path, ready, let_go):
    import duckdb

    with duckdb.connect(path):
        ready.set()
        let_go.wait(30)


@pytest.fixture
def foreigner(warehouse):
    """Let another process, which knows nothing of our locks, hold the file; yield how to end it."""
    context = multiprocessing.get_context("spawn")
    ready, let_go = context.Event(), context.Event()
    process = context.Process(target=hold, args=(str(warehouse.path), ready, let_go))
    process.start()
    assert ready.wait(30)

    def end():
        let_go.set()
        process.join(30)

    yield end
    end()


def test_an_urgent_write_goes_into_the_file_when_it_can(warehouse, bars):
    assert warehouse.write_urgent("2024-01-01T00/trend", OHLCV_H4, bars()) == "written"
    assert warehouse.as_of(OHLCV_H4).height == 6
    assert warehouse.as_of(SPOOLED).select("entry_id", "rows", "via").rows() == [
        ("2024-01-01T00/trend/market.ohlcv_h4", 6, "write")
    ]
    assert warehouse.drain() == 0


def test_a_decision_is_stored_once_and_never_changed(warehouse, bars):
    warehouse.write_urgent("d", OHLCV_H4, bars())
    assert warehouse.write_urgent("d", OHLCV_H4, bars()) == "written"
    with pytest.raises(RefusedError, match="a decision is taken once"):
        warehouse.write_urgent("d", OHLCV_H4, bars(price=7.0))
    assert warehouse.as_of(OHLCV_H4)["close"].to_list() == bars()["close"].to_list()


def test_one_decision_may_write_several_tables(warehouse, bars):
    curve = bars().select("ts", run_id="symbol", nav="close", drawdown="low", cash="low", gross="low")
    warehouse.write_urgent("d", OHLCV_H4, bars())
    warehouse.write_urgent("d", EQUITY, curve)
    assert warehouse.as_of(EQUITY).height == 6


def test_while_a_foreigner_holds_the_file_a_decision_goes_to_the_spool_and_is_drained_once(
    impatient, clock, bars, foreigner
):
    assert impatient.write_urgent("d", OHLCV_H4, bars()) == "spooled"
    assert impatient.write_urgent("d", OHLCV_H4, bars()) == "spooled"
    assert [e.decision_id for e in Spool(impatient.spool_directory).pending()] == ["d"]
    foreigner()
    clock.advance(timedelta(minutes=1))
    assert impatient.drain() == 1
    assert impatient.drain() == 0
    stored = impatient.as_of(OHLCV_H4, columns=["close", "known_at", "recorded_at"])
    assert stored["known_at"].equals(bars()["known_at"])
    assert stored["recorded_at"].unique().to_list() == [clock.now()]
    assert impatient.as_of(SPOOLED)["via"].to_list() == ["spool"]


def test_an_entry_that_reached_the_file_before_a_crash_is_not_applied_again(warehouse, bars):
    warehouse.write_urgent("d", OHLCV_H4, bars())
    Spool(warehouse.spool_directory).put("d", OHLCV_H4.full_name, bars().to_arrow())
    assert warehouse.drain() == 0
    assert Spool(warehouse.spool_directory).pending() == []
    with warehouse.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM market.ohlcv_h4").fetchall() == [(6,)]


def test_rows_that_no_table_would_take_never_reach_the_spool(warehouse, bars):
    with pytest.raises(SchemaError):
        warehouse.write_urgent("d", OHLCV_H4, bars().drop("close"))
    assert not warehouse.spool_directory.exists()
