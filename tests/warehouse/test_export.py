"""Exported bars are what the ``files`` source reads back, to the last bit and to ``known_at``."""

from datetime import timedelta

import polars as pl
import pytest

from pipeline.config.load import load_settings
from pipeline.errors import ConfigError, InsufficientDataError
from resources.home import ROOT
from resources.market.files import FilesSource
from warehouse.tables import INSTRUMENTS, OHLCV_DAILY, OHLCV_H4


@pytest.fixture
def instruments():
    return load_settings(root=ROOT, environ={}).settings.instruments


@pytest.fixture
def feed(warehouse, clock, bars):
    """Store two crypto symbols, awkward numbers among them, with one correction and one late bar."""
    awkward = bars("BTC/USD", n=30, price=0.1).with_columns(
        pl.col("open", "high", "low", "close") * (1 / 3) + 1e4,
        volume=pl.when(pl.col("ts") == pl.col("ts").min()).then(None).otherwise(1 / 7),
        known_at=pl.col("known_at") + timedelta(microseconds=123_457),
    )
    warehouse.append(OHLCV_H4, awkward)
    warehouse.append(OHLCV_H4, bars("ETH/USD", n=30, price=2e3))
    warehouse.append(OHLCV_H4, bars("ETH/USD", n=30, price=2e3, feed="other"))
    day = timedelta(days=1)
    days = bars("BTC/USD", n=1).with_columns(
        close_at=pl.col("ts") + day, known_at=pl.col("ts") + day, minutes=1440, covered_minutes=1440
    )
    kinds = {"minutes": pl.Int32, "covered_minutes": pl.Int32}
    warehouse.append(OHLCV_DAILY, days.cast(kinds))
    clock.advance(timedelta(hours=1))
    warehouse.append(OHLCV_H4, bars("ETH/USD", n=1, price=1.9e3))
    return warehouse


def test_there_is_one_file_for_each_symbol_and_timeframe_and_a_mapping(feed, tmp_path):
    written = feed.export(tmp_path / "out", feed="sample")
    assert [p.relative_to(tmp_path / "out").as_posix() for p in written] == [
        "h4/BTC_USD.parquet",
        "h4/ETH_USD.parquet",
        "daily/BTC_USD.parquet",
        "source.yaml",
    ]


def test_a_symbol_without_an_entry_is_exported_with_what_it_is_like(warehouse, bars, tmp_path, instruments):
    warehouse.append(OHLCV_H4, bars("DOGE/USD", n=30, price=0.1))
    like = {"asset_class": "crypto", "calendar": "24/7", "venue": "kraken", "currency": "USD", "tick": 0.1}
    row = {"feed": "sample", "symbol": "DOGE/USD", **like, "lot": 0.0, "min_notional": 5.0}
    row |= {"taken_for": "BTC/USD", "survivors": True}
    warehouse.append(INSTRUMENTS, pl.DataFrame([row]))
    mapping = warehouse.export(tmp_path / "out", feed="sample")[-1]
    source = FilesSource.from_yaml(mapping, data_dir=None, instruments=instruments, root=tmp_path)
    assert source.instruments() == ("DOGE/USD",)
    assert 'like: "BTC/USD", selection: "survivors"' in mapping.read_text()


@pytest.mark.parametrize(("timeframe", "table"), [("h4", OHLCV_H4), ("daily", OHLCV_DAILY)])
def test_the_files_source_reads_it_back_unchanged(feed, tmp_path, clock, instruments, timeframe, table):
    written = feed.export(tmp_path / "out", feed="sample")
    source = FilesSource.from_yaml(written[-1], data_dir=None, instruments=instruments, root=tmp_path)
    assert source.simulated
    stored = feed.as_of(table, where={"feed": "sample"}).drop("feed")
    fetched = source.bars(timeframe, stored["ts"].min(), clock.now(), now=clock.now())
    assert fetched.quarantined.is_empty()
    read = fetched.frame.select(stored.columns).sort("symbol", "ts")
    assert read.equals(stored)
    back = read.with_columns(feed=pl.lit("sample"))
    assert feed.append(table, back).unchanged == stored.height


def test_a_feed_without_bars_is_refused(warehouse, tmp_path):
    with pytest.raises(InsufficientDataError, match="field: feed; value: 'files'"):
        warehouse.export(tmp_path, feed="files")


def test_an_unknown_format_is_refused(warehouse, tmp_path):
    with pytest.raises(ConfigError, match="field: format"):
        warehouse.export(tmp_path, feed="sample", format="csv")


def test_symbols_that_would_share_a_file_are_refused(warehouse, tmp_path, bars):
    warehouse.append(OHLCV_H4, pl.concat([bars("BTC/USD"), bars("BTC_USD")]))
    with pytest.raises(ConfigError, match="share one file"):
        warehouse.export(tmp_path, feed="sample")
