"""Provisional and imputed bars give way to final ones, whatever comes in whatever order, kills included."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.market.ingest import update_bars
from pipeline.market.bars import BAR_SCHEMA, GAP_SCHEMA, QUARANTINE_SCHEMA, empty
from resources.clock import SimulatedClock
from resources.home import ROOT
from resources.market.port import Fetched
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables import OHLCV_H4

CELL = datetime(2024, 7, 1, 8, tzinfo=UTC)
CLOSE = CELL + timedelta(hours=4)
WINDOW = (CELL, CLOSE)
MINUTE = timedelta(minutes=1)


def bar(state, close=100.0, covered=240):
    row = {
        "symbol": "BTC/USD", "ts": CELL, "open_at": CELL, "close_at": CLOSE, "minutes": 240,
        "covered_minutes": covered, "open": 100.0, "high": 110.0, "low": 90.0, "close": close, "volume": 5.0,
        "adjustment": "raw", "source": "x", "venue": "v", "vintage": "as_published", "state": state,
        "simulated": True, "known_at": CLOSE,
    }  # fmt: skip
    return pl.DataFrame([row], schema=dict(BAR_SCHEMA))


class Venue:
    """A source that delivers whatever frame it was handed."""

    feed = "venue"
    incremental = None

    def __init__(self):
        self.frame = empty(BAR_SCHEMA)

    def bars(self, timeframe, start, end, *, now):
        return Fetched(self.frame, empty(QUARANTINE_SCHEMA), (), empty(GAP_SCHEMA))


class Desk:
    """A warehouse, its clock, and the door through which bars come in."""

    def __init__(self, folder):
        self.clock = SimulatedClock(CLOSE)
        self.warehouse = Warehouse(folder / "w.duckdb", now=self.clock.now)
        self.venue = Venue()

    def bring(self, frame):
        self.clock.advance(MINUTE)
        self.venue.frame = frame
        return update_bars(
            "h4", WINDOW, market=self.venue, warehouse=self.warehouse,
            now=self.clock.now(), manifest=Manifest(asset="market/ohlcv_h4"),
        )  # fmt: skip

    def newest(self, at=None, *, recorded=False):
        rows = self.warehouse.as_of(OHLCV_H4, at, recorded=recorded)
        return rows.select("state", "close").rows()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_the_bar_that_a_decision_used_can_be_read_again_after_it_was_superseded(desk):
    desk.bring(bar("provisional", 100.5))
    decided = desk.clock.now()
    read = desk.warehouse.as_of(OHLCV_H4)
    assert desk.bring(bar("final", 101.0)).revised == 1
    for recorded in (False, True):
        assert_frame_equal(desk.warehouse.as_of(OHLCV_H4, decided, recorded=recorded), read)
    assert desk.newest() == [("final", 101.0)]
    superseded = desk.warehouse.as_of(OHLCV_H4)["known_at"].item()
    assert superseded == desk.clock.now() > decided


@pytest.mark.parametrize("state", ["provisional", "imputed"])
def test_a_less_complete_bar_is_set_aside_with_its_reason_and_replaces_nothing(desk, state):
    desk.bring(bar("final", 101.0))
    done = desk.bring(bar(state, 99.0))
    assert (done.revised, done.quarantined) == (0, 1)
    assert desk.newest() == [("final", 101.0)]
    aside = desk.warehouse.query("quarantined", feed="venue")
    assert aside["rule"].to_list() == ["less_complete"]


def test_a_final_bar_of_fewer_minutes_replaces_a_provisional_one_but_no_final_one(desk):
    desk.bring(bar("provisional", 100.5))
    assert desk.bring(bar("final", 101.0, covered=180)).revised == 1
    assert desk.bring(bar("final", 102.0, covered=120)).quarantined == 1
    assert desk.newest() == [("final", 101.0)]


VICTIM = """
import os, signal, sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
import polars as pl
from warehouse.store import Warehouse
from warehouse.tables import OHLCV_H4

class Dies(Warehouse):
    @contextmanager
    def write(self, **options):
        with super().write(**options) as cursor:
            yield cursor
            os.kill(os.getpid(), signal.SIGKILL)

path, frame, now = sys.argv[1:]
Dies(Path(path), now=lambda: datetime.fromisoformat(now)).append(OHLCV_H4, pl.read_parquet(frame))
"""
"""Writes the bars of a file and is killed inside the write session, before it commits."""


def test_a_kill_while_the_final_bar_is_written_leaves_the_provisional_one_and_the_next_try_ends_it(
    desk, tmp_path
):
    desk.bring(bar("provisional", 100.5))
    decided = desk.clock.now()
    frame = tmp_path / "final.parquet"
    bar("final", 101.0).with_columns(feed=pl.lit("venue")).write_parquet(frame)
    now = (decided + MINUTE).isoformat()
    victim = [sys.executable, "-c", VICTIM, str(desk.warehouse.path), str(frame), now]
    assert subprocess.run(victim, cwd=ROOT, timeout=60, check=False).returncode == -signal.SIGKILL
    assert desk.newest() == [("provisional", 100.5)]
    desk.clock.advance(2 * MINUTE)
    assert desk.bring(bar("final", 101.0)).revised == 1
    for recorded in (False, True):
        assert desk.newest(decided, recorded=recorded) == [("provisional", 100.5)]
        assert desk.newest(desk.clock.now(), recorded=recorded) == [("final", 101.0)]
