"""The market port: sources by name, windows, and what every source owes its callers."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from pipeline.errors import ComponentNotFoundError, TimestampError
from pipeline.market.actions import ACTION_SCHEMA
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA, QUARANTINE_SCHEMA
from resources.market.port import Window
from resources.market.registry import SOURCES, open_source

ROOT = Path(__file__).parents[2]
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
NOW = datetime(2021, 3, 17, 14, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample():
    return open_source("sample", root=ROOT, data_dir=None, instruments=INSTRUMENTS)


def test_an_unknown_source_names_the_known_ones():
    with pytest.raises(ComponentNotFoundError) as caught:
        open_source("yahooo", root=ROOT, data_dir=None, instruments=INSTRUMENTS)
    assert all(name in str(caught.value) for name in SOURCES)
    assert caught.value.exit_code == 1


def test_opening_a_source_loads_no_heavy_library():
    code = (
        "import sys; from pathlib import Path; from resources.market.registry import open_source\n"
        "from pipeline.config.document import read_document as r\n"
        "from pipeline.config.instruments import Instrument as I\n"
        f"root = Path({str(ROOT)!r})\n"
        "table = {s: I(symbol=s, **v) for s, v in r(root / 'configs/base/instruments.yaml').data.items()}\n"
        "for name in ('sample', 'files'):\n"
        "    source = open_source(name, root=root, data_dir=root, instruments=table)\n"
        "    source.history, source.backtest, source.feed, source.instruments()\n"
        "print([m for m in ('polars', 'numba', 'pandas', 'exchange_calendars', 'scipy.stats') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_sample_source_says_what_it_is(sample):
    assert (sample.feed, sample.simulated) == ("sample", True)
    assert sample.instruments() == ("BTC/USD", "ETH/USD", "QQQ", "SPY", "VIX")
    assert sample.history.end is None
    assert sample.backtest.start > sample.history.start
    assert len(sample.version) == 12


def test_sample_bars_pass_the_validation_of_all_sources_without_a_finding(sample):
    for timeframe in ("h4", "daily"):
        got = sample.bars(timeframe, sample.history.start, NOW, now=NOW)
        assert dict(got.frame.schema) == dict(BAR_SCHEMA)
        assert dict(got.quarantined.schema) == dict(QUARANTINE_SCHEMA)
        assert got.frame.height > 2000
        assert (got.quarantined.height, got.gaps.height, list(got.findings)) == (0, 0, [])


def test_no_gap_is_claimed_while_a_closed_bar_waits_for_its_lag(sample):
    at_close = datetime(2021, 3, 16, 20, 5, tzinfo=UTC)
    got = sample.bars("daily", datetime(2021, 3, 1, tzinfo=UTC), at_close, now=at_close)
    assert got.gaps.is_empty()
    assert got.frame.filter(pl.col("symbol") == "SPY")["ts"].max() == datetime(2021, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize("timeframe", ["h4", "daily"])
def test_months_put_together_are_the_whole(sample, timeframe):
    edges = [datetime(2020, month, 1, tzinfo=UTC) for month in range(1, 13)]
    months = [sample.bars(timeframe, first, last, now=NOW).frame for first, last in pairwise(edges)]
    whole = sample.bars(timeframe, edges[0], edges[-1], now=NOW).frame
    assert pl.concat(months).sort("symbol", "ts").equals(whole)


def test_a_window_that_ends_before_the_world_begins_is_empty(sample):
    got = sample.bars("h4", datetime(2010, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC), now=NOW)
    assert got.frame.is_empty()
    assert list(got.findings) == []


def test_macro_and_truth_keep_to_the_window(sample):
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 7, 1, tzinfo=UTC)
    macro = sample.macro(start, end, now=NOW).frame
    assert dict(macro.schema) == dict(MACRO_SCHEMA)
    assert set(macro["series"]) == {"SIM_PMI", "T10Y2Y"}
    truth = sample.truth(start, end, now=NOW)
    assert set(truth["scope"]) == {"macro", "equity", "volatility", "crypto"}
    for frame in (macro, truth):
        assert frame["ts"].is_between(start, end, closed="left").all()
    assert truth.height == 4 * 182


def test_the_sample_world_tells_of_no_corporate_action(sample):
    got = sample.actions(sample.history.start, NOW, now=NOW)
    assert dict(got.frame.schema) == dict(ACTION_SCHEMA)
    assert (got.frame.height, got.quarantined.height, list(got.findings)) == (0, 0, [])


def test_a_window_needs_zones_and_some_length():
    at = datetime(2020, 1, 1, tzinfo=UTC)
    assert Window(at).until(NOW) == NOW
    assert Window(at, at + timedelta(days=1)).until(NOW) == at + timedelta(days=1)
    with pytest.raises(TimestampError, match="without a time zone"):
        Window(datetime(2020, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(TimestampError, match="empty"):
        Window(at, at)
