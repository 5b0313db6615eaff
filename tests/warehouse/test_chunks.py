"""Large writes appear whole, together with their manifest, or not at all."""

import json
from datetime import timedelta

import polars as pl
import pytest

from pipeline.errors import DataError, ResourceError
from warehouse import chunks
from warehouse.manifest import Input, Manifest
from warehouse.store import Warehouse
from warehouse.tables import EQUITY, MONTHLY, OHLCV_H4, RUNS


@pytest.fixture
def small(warehouse, clock):
    """Return a warehouse that writes four rows at a time."""
    return Warehouse(warehouse.path, now=clock.now, chunk_rows=4)


class InterruptedWriteError(Exception):
    """Stands for the end of the process."""


def interrupt(monkeypatch, after):
    """Let the write die once ``after`` chunks are in the file."""
    real, left = chunks.apply, [after]

    def apply(*args, **kwargs):
        if left[0] == 0:
            raise InterruptedWriteError
        left[0] -= 1
        return real(*args, **kwargs)

    monkeypatch.setattr(chunks, "apply", apply)


def manifests(warehouse):
    return warehouse.query("manifests")


def test_a_small_write_has_no_write_id_and_a_manifest_only_when_given(warehouse, bars):
    done = warehouse.append(OHLCV_H4, bars())
    assert (done.write_id, done.manifest_id) == (None, None)
    done = warehouse.append(OHLCV_H4, bars("QQQ"), manifest=Manifest(asset="market/ohlcv_h4"))
    assert manifests(warehouse)["manifest_id"].to_list() == [done.manifest_id]


def test_a_large_write_goes_in_chunks_under_one_write_id(small, bars):
    done = small.append(OHLCV_H4, bars(n=10))
    assert (done.inserted, done.unchanged) == (10, 0)
    with small.read() as cursor:
        stored = cursor.execute("SELECT write_id, count(*) FROM market.ohlcv_h4 GROUP BY ALL").fetchall()
    assert stored == [(done.write_id, 10)]
    assert small.as_of(OHLCV_H4).select(bars().columns).equals(bars(n=10))
    assert manifests(small)["rows"].to_list() == [10]


def test_chunks_write_only_what_is_new(small, clock, bars):
    small.append(OHLCV_H4, bars(n=10))
    clock.advance(timedelta(hours=1))
    changed = bars(n=12).with_columns(close=pl.when(pl.col("close") == 105.0).then(1.0).otherwise("close"))
    done = small.append(OHLCV_H4, changed)
    assert (done.inserted, done.revised, done.unchanged) == (2, 1, 9)


def test_an_interrupted_write_is_invisible_everywhere(small, bars, monkeypatch):
    small.append(OHLCV_H4, bars("QQQ", n=2))
    interrupt(monkeypatch, after=2)
    with pytest.raises(InterruptedWriteError):
        small.append(OHLCV_H4, bars(n=10))
    with small.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM market.ohlcv_h4").fetchall() == [(10,)]
        assert cursor.execute("SELECT count(*) FROM market.ohlcv_h4_now").fetchall() == [(2,)]
    assert small.as_of(OHLCV_H4).height == 2
    assert small.as_of(OHLCV_H4, recorded=True, at=small.now()).height == 2
    assert small.query("coverage")["rows"].to_list() == [2]
    assert small.latest_digest(OHLCV_H4).rows == 2


def test_the_same_write_again_after_an_interruption_is_whole(small, bars, monkeypatch):
    interrupt(monkeypatch, after=2)
    with pytest.raises(InterruptedWriteError):
        small.append(OHLCV_H4, bars(n=10))
    monkeypatch.undo()
    assert small.append(OHLCV_H4, bars(n=10)).inserted == 10
    assert small.as_of(OHLCV_H4).select(bars().columns).equals(bars(n=10))


def test_a_write_whose_first_chunks_were_removed_is_refused(small, bars, monkeypatch):
    real = chunks.apply

    def apply(cursor, piece, **how):
        if piece.frame["close"][0] == 108.0:  # the last chunk
            cursor.execute("DELETE FROM market.ohlcv_h4 WHERE close < 104")
        return real(cursor, piece, **how)

    monkeypatch.setattr(chunks, "apply", apply)
    with pytest.raises(ResourceError, match=r"removed before it was complete.*10 rows, found 6"):
        small.append(OHLCV_H4, bars(n=10))
    assert small.as_of(OHLCV_H4).is_empty()


def test_a_chunked_write_exists_on_the_recorded_clock_only_since_its_manifest(
    small, clock, bars, monkeypatch
):
    real, seen = chunks.apply, []

    def apply(*args, **how):
        seen.append(clock.advance(timedelta(minutes=1)))
        return real(*args, **how)

    monkeypatch.setattr(chunks, "apply", apply)
    small.append(OHLCV_H4, bars(n=10))
    assert small.as_of(OHLCV_H4, seen[0], recorded=True).is_empty()
    assert small.as_of(OHLCV_H4, clock.now(), recorded=True).height == 10


@pytest.fixture
def result(run_row, bars):
    """Return a run with its curve and months."""
    curve = bars(n=7).select(
        pl.lit("r1").alias("run_id"), "ts", nav="close", drawdown=0.0, cash=1.0, gross=1.0
    )
    months = pl.DataFrame({"run_id": ["r1"], "month": ["2024-01-01"], "return_": [0.1]})
    return [(RUNS, run_row()), (EQUITY, curve), (MONTHLY, months.with_columns(pl.col("month").str.to_date()))]


@pytest.mark.parametrize("chunk_rows", [4, 200_000])
def test_a_result_and_its_manifests_come_together(warehouse, clock, result, chunk_rows):
    store = Warehouse(warehouse.path, now=clock.now, chunk_rows=chunk_rows)
    read = Input("market.ohlcv_h4", clock.now(), 10, "ab12")
    manifest = Manifest(
        asset="backtest/runs", inputs=(read,), seed=8, config_hash="c", versions={"numpy": "2"}, seconds=1.5
    )
    written = store.write_many(result, manifest=manifest)
    assert [a.inserted for a in written.appended] == [1, 7, 1]
    rows = manifests(store).sort("table_name")
    assert rows["table_name"].to_list() == ["backtest.equity", "backtest.monthly", "backtest.runs"]
    assert rows["rows"].to_list() == [7, 1, 1]
    assert json.loads(rows["inputs_json"][0]) == [
        {"table": "market.ohlcv_h4", "at": "2026-01-01T00:00:00+00:00", "rows": 10, "digest": "ab12",
         "recorded": False}
    ]  # fmt: skip
    assert rows["digest"].to_list() == [store.latest_digest(t).digest for t in (EQUITY, MONTHLY, RUNS)]
    assert store.as_of(EQUITY).height == 7


def test_nothing_of_a_result_stays_when_a_part_is_refused(warehouse, result, run_row):
    warehouse.append(RUNS, run_row(sharpe=9.0))
    with pytest.raises(DataError, match="already written"):
        warehouse.write_many(list(reversed(result)), manifest=Manifest(asset="backtest/runs"))
    assert warehouse.as_of(EQUITY).is_empty()
    assert manifests(warehouse).is_empty()


def test_identifiers_of_writes_sort_by_time_and_differ(clock):
    from warehouse.manifest import new_id

    first, second = new_id(clock.now()), new_id(clock.now())
    assert first != second
    assert max(first, second) < new_id(clock.advance(timedelta(microseconds=1)))
