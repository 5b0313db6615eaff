"""SIGKILL in the middle of transactions: the bench in small, and proof that it would notice a loss."""

from datetime import UTC, datetime

import pytest

from benchmarks import warehouse_kill
from benchmarks.warehouse_kill import CHUNK_ROWS, Outcome, batch_rows, inspect, open_warehouse, run, series
from pipeline.errors import DataError
from warehouse.append import apply as apply_rows
from warehouse.append import prepare
from warehouse.manifest import Manifest
from warehouse.tables_market import MACRO


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_is_there_by_half(tmp_path):
    outcome = run(3, tmp_path, seed=5)
    assert outcome.texts == []
    assert (outcome.kills, outcome.lost, outcome.partial) == (3, 0, 0)
    assert outcome.acknowledged >= 3
    assert outcome.rows >= 3 * 400


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_counted_and_kept_as_the_kill_left_it(tmp_path, monkeypatch):
    def refuse(*_):
        raise DataError("the warehouse file cannot be attached")

    monkeypatch.setattr(warehouse_kill, "inspect", refuse)
    outcome = run(3, tmp_path, seed=5)
    assert (outcome.unattachable, outcome.attempts, outcome.faultless) == (1, 1, False)
    assert (tmp_path / "as_left" / "warehouse.duckdb").stat().st_size > 0


@pytest.fixture
def warehouse(tmp_path):
    made = open_warehouse(tmp_path / "warehouse.duckdb")
    for number in range(3):
        name = f"v0-{number}"
        made.write_many([(MACRO, series(name, batch_rows(number)))], manifest=Manifest(asset=name))
    return made


ACKNOWLEDGED = ["v0-0", "v0-1", "v0-2"]


def findings(warehouse) -> tuple[int, int, int]:
    outcome = Outcome()
    inspect(warehouse, "v0", ACKNOWLEDGED, outcome)
    return outcome.lost, outcome.partial, outcome.mid_chunk_kills


def test_whole_batches_are_no_finding(warehouse):
    assert findings(warehouse) == (0, 0, 0)


def test_a_lost_batch_would_be_noticed(warehouse):
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.macro WHERE series = 'v0-1'")
        cursor.execute("DELETE FROM meta.manifests WHERE asset = 'v0-1'")
    assert findings(warehouse) == (1, 0, 0)


def test_half_a_batch_would_be_noticed(warehouse):
    with warehouse.write() as cursor:
        cursor.execute(
            "DELETE FROM market.macro WHERE series = 'v0-2' AND ts > '2018-01-01 01:00:00+00'::TIMESTAMPTZ"
        )
    assert findings(warehouse) == (1, 1, 0)


def test_rows_of_an_unfinished_chunked_write_count_as_orphans_and_as_nothing_else(warehouse):
    chunk = prepare(MACRO, series("v0-3", CHUNK_ROWS))
    with warehouse.write() as cursor:
        apply_rows(cursor, chunk, now=datetime.now(UTC), write_id="unfinished")
    assert findings(warehouse) == (0, 0, 1)
    assert warehouse.orphans() == []
