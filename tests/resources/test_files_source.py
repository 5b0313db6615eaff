"""The files source on small folders: what stamps, names, sessions and gaps mean."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.market.instruments import listed_rows
from pipeline.errors import SourceError
from pipeline.market.bars import BAR_SCHEMA
from resources.market.files import FilesSource, feed_of
from resources.market.registry import open_source
from tests.support.files_source import (
    EARLY,
    H4_FILE,
    INSTRUMENTS,
    LATE,
    NOW,
    ROOT,
    bars_of,
    some_bars,
    source_of,
)
from warehouse import export
from warehouse.tables_market import INSTRUMENTS as INSTRUMENT_TABLE
from warehouse.tables_market import OHLCV_DAILY, OHLCV_H4


def test_h4_bars_of_a_file_arrive_as_they_are(tmp_path):
    some_bars().write_parquet(tmp_path / "btc.parquet")
    got = bars_of(tmp_path, H4_FILE | {"venue": "somewhere"})
    assert got.frame["close"].to_list() == some_bars()["close"].to_list()
    assert got.frame["known_at"].to_list() == [t + timedelta(hours=4) for t in some_bars()["timestamp"]]
    assert set(got.frame["source"]) == {"btc.parquet"}
    assert set(got.frame["venue"]) == {"somewhere"}
    assert (got.quarantined.height, got.gaps.height, list(got.findings)) == (0, 0, [])


def test_a_gap_is_reported_with_its_first_last_and_count(tmp_path):
    some_bars().filter(~pl.int_range(12).is_in([3, 4, 8])).write_parquet(tmp_path / "btc.parquet")
    gaps = bars_of(tmp_path, H4_FILE).gaps.select("first", "last", "count").rows()
    at = some_bars()["timestamp"].to_list()
    assert gaps == [(at[3], at[4], 2), (at[8], at[8], 1)]


def test_a_vendor_lag_delays_when_bars_are_known(tmp_path):
    some_bars().write_parquet(tmp_path / "btc.parquet")
    got = bars_of(tmp_path, H4_FILE | {"lag_minutes": 30})
    assert set(got.frame["known_at"] - got.frame["close_at"]) == {timedelta(minutes=30)}


@pytest.mark.parametrize(
    ("stamps", "keys"),
    [
        (lambda t: t.dt.replace_time_zone(None), {"zone": "UTC"}),
        (
            lambda t: t.dt.convert_time_zone("Asia/Tokyo").dt.replace_time_zone(None),
            {"zone": "Asia/Tokyo"},
        ),
        (lambda t: t.dt.convert_time_zone("America/New_York"), {}),
        (lambda t: t.dt.epoch("ms"), {"epoch": "ms"}),
        (lambda t: t.dt.epoch("s"), {"epoch": "s"}),
        (lambda t: t + timedelta(hours=4), {"stamp": "close"}),
    ],
    ids=["naive UTC", "naive Tokyo", "aware New York", "milliseconds", "seconds", "close stamps"],
)
def test_stamps_of_all_kinds_mean_the_same_bars(tmp_path, stamps, keys):
    some_bars().with_columns(stamps(pl.col("timestamp"))).write_parquet(tmp_path / "btc.parquet")
    got = bars_of(tmp_path, H4_FILE | keys)
    assert got.frame["ts"].to_list() == some_bars()["timestamp"].to_list()


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", {}),
        ("%Y-%m-%d %H:%M:%S", {"zone": "UTC"}),
        ("%d.%m.%Y %H:%M", {"zone": "UTC", "time_format": "%d.%m.%Y %H:%M"}),
    ],
)
def test_csv_stamps_are_read_as_written(tmp_path, pattern, keys):
    text = some_bars().with_columns(pl.col("timestamp").dt.strftime(pattern))
    text.write_csv(tmp_path / "btc.csv")
    got = bars_of(tmp_path, H4_FILE | {"path": "btc.csv"} | keys)
    assert got.frame["ts"].to_list() == some_bars()["timestamp"].to_list()
    assert got.frame["close"].to_list() == some_bars()["close"].to_list()


def test_only_the_columns_that_are_mapped_are_read(tmp_path):
    renamed = some_bars().rename({"timestamp": "t", "open": "o", "volume": "junk"})
    renamed.with_columns(extra=pl.lit("x")).write_parquet(tmp_path / "btc.parquet")
    got = bars_of(tmp_path, H4_FILE | {"columns": {"time": "t", "open": "o", "volume": None}})
    assert got.frame.height == 12
    assert got.frame["volume"].null_count() == 12


def test_a_pattern_names_the_symbols_and_the_mapping_translates_them(tmp_path):
    (tmp_path / "x").mkdir()
    for name in ("BTCUSDT", "ETHUSDT"):
        some_bars().write_parquet(tmp_path / "x" / f"binance_{name}_4h.parquet")
    entry = {
        "path": "x/binance_{symbol}_4h.parquet",
        "symbols": {"BTCUSDT": "BTC/USD", "ETHUSDT": "ETH/USD"},
        "timeframe": "4h",
        "stamp": "open",
    }
    source = source_of(tmp_path, entry)
    assert source.instruments() == ("BTC/USD", "ETH/USD")
    got = source.bars("h4", EARLY, LATE, now=NOW)
    assert dict(got.frame.group_by("symbol").len().iter_rows()) == {"BTC/USD": 12, "ETH/USD": 12}


def test_a_symbol_without_an_instrument_is_an_error_finding_and_the_others_stay(tmp_path):
    for name in ("SPY", "ZZZ"):
        hourly_session(name).write_parquet(tmp_path / f"{name}.parquet")
    entry = {"path": "{symbol}.parquet", "timeframe": "1h", "stamp": "open", "covers": "session"}
    got = bars_of(tmp_path, entry)
    assert set(got.frame["symbol"]) == {"SPY"}
    assert [(f.rule, f.symbol, f.count) for f in got.findings] == [("unknown_symbol", "ZZZ", 7)]
    both = bars_of(tmp_path, entry | {"like": "SPY"})
    assert set(both.frame["symbol"]) == {"SPY", "ZZZ"}


def hourly_session(_name="SPY", date=datetime(2024, 7, 1, tzinfo=UTC)):
    """Seven rows stamped 09:00 .. 15:00 New York in summer; the first covers half an hour."""
    return some_bars(7, timedelta(hours=1), date.replace(hour=13))


def test_whole_hour_stamps_are_cut_to_the_session(tmp_path):
    hourly_session().write_parquet(tmp_path / "spy.parquet")
    entry = {"path": "spy.parquet", "symbol": "SPY", "timeframe": "1h", "stamp": "open"}
    got = bars_of(tmp_path, entry | {"covers": "session"})
    shape = got.frame.select("ts", "open_at", "minutes", "covered_minutes", "open", "close").rows()
    day = datetime(2024, 7, 1, tzinfo=UTC)
    assert shape == [
        (day.replace(hour=12), day.replace(hour=13, minute=30), 150, 150, 100.0, 103.0),
        (day.replace(hour=16), day.replace(hour=16), 240, 240, 103.0, 107.0),
    ]


def test_rows_outside_the_session_are_set_aside_and_counted(tmp_path):
    early = some_bars(10, timedelta(hours=1), datetime(2024, 7, 1, 10, tzinfo=UTC))
    early.write_parquet(tmp_path / "spy.parquet")
    entry = {"path": "spy.parquet", "symbol": "SPY", "timeframe": "1h", "stamp": "open", "covers": "session"}
    got = bars_of(tmp_path, entry)
    assert got.quarantined["rule"].to_list() == ["outside_session"] * 3
    assert [(f.rule, f.count) for f in got.findings] == [("outside_session", 3)]


@pytest.mark.parametrize(("allowed", "straddlers"), [(False, 1), (True, 0)])
def test_bars_across_a_cell_are_set_aside_unless_allowed(tmp_path, allowed, straddlers):
    # 09:30, 10:30 .. 15:30 New York: the row of 11:30 crosses 16:00 UTC.
    rows = some_bars(7, timedelta(hours=1), datetime(2024, 7, 1, 13, 30, tzinfo=UTC))
    rows.write_parquet(tmp_path / "spy.parquet")
    entry = {"path": "spy.parquet", "symbol": "SPY", "timeframe": "1h", "stamp": "open", "covers": "session"}
    got = bars_of(tmp_path, entry | {"allow_straddle": allowed})
    assert got.quarantined.filter(pl.col("rule") == "straddle").height == straddlers
    assert (got.frame["known_at"] >= got.frame["close_at"]).all()


def test_daily_rows_are_known_after_their_session_never_at_their_date(tmp_path):
    days = some_bars(5, timedelta(days=1), datetime(2024, 7, 1, tzinfo=UTC))
    days.select(pl.col("timestamp").dt.date().alias("date"), pl.exclude("timestamp")).write_parquet(
        tmp_path / "d.parquet"
    )
    entry = {"path": "d.parquet", "symbol": "SPY", "timeframe": "1d", "stamp": "session_date"}
    got = bars_of(tmp_path, entry | {"columns": {"time": "date"}}, timeframe="daily")
    assert got.quarantined.select("ts", "rule").rows() == [
        (datetime(2024, 7, 4, tzinfo=UTC), "outside_session")
    ]
    known = dict(got.frame.select("ts", "known_at").iter_rows())
    assert known[datetime(2024, 7, 2, tzinfo=UTC)] == datetime(2024, 7, 2, 20, 15, tzinfo=UTC)
    assert known[datetime(2024, 7, 3, tzinfo=UTC)] == datetime(2024, 7, 3, 17, 15, tzinfo=UTC)


def test_a_cell_that_spans_two_files_is_one_bar(tmp_path):
    hours = some_bars(8, timedelta(hours=1))
    hours[:3].write_parquet(tmp_path / "a.parquet")
    hours[3:].write_parquet(tmp_path / "b.parquet")
    got = bars_of(tmp_path, H4_FILE | {"path": "*.parquet", "timeframe": "1h"})
    assert got.frame["covered_minutes"].to_list() == [240, 240]
    assert got.frame["close"].to_list() == [104.0, 108.0]


def test_a_changed_file_is_read_again(tmp_path):
    some_bars(3).write_parquet(tmp_path / "btc.parquet")
    source = source_of(tmp_path, H4_FILE)
    assert source.bars("h4", EARLY, LATE, now=NOW).frame.height == 3
    some_bars(5).write_parquet(tmp_path / "btc.parquet")
    assert source.bars("h4", EARLY, LATE, now=NOW).frame.height == 5


def test_macro_series_in_both_layouts(tmp_path):
    days = [datetime(2024, 7, day, tzinfo=UTC).date() for day in (1, 2, 3)]
    wide = pl.DataFrame({"date": days, "A": [1.0, None, 3.0], "B": [4.0, 5.0, 6.0]})
    wide.write_csv(tmp_path / "wide.csv")
    wide.unpivot(["A", "B"], index="date", variable_name="series").write_parquet(tmp_path / "long.parquet")
    rule = {"unit": "fraction", "scale": 0.01, "release": "fred_daily"}
    for file, columns in (("wide.csv", {}), ("long.parquet", {"series": "series"})):
        entry = {"path": file, "columns": columns, "series": {"A": rule, "B": rule | {"name": "SLOPE"}}}
        got = source_of(tmp_path, series=[entry]).macro(EARLY, LATE, now=NOW).frame.drop_nulls("value")
        assert got.select("series", "value").rows() == [
            ("A", 0.01), ("A", 0.03), ("SLOPE", 0.04), ("SLOPE", 0.05), ("SLOPE", 0.06)
        ]  # fmt: skip
        assert got["known_at"][0] == datetime(2024, 7, 2, 20, 30, tzinfo=UTC)
    with pytest.raises(SourceError, match="lacks a series"):
        source_of(
            tmp_path,
            series=[{"path": "long.parquet", "columns": {"series": "series"}, "series": {"C": rule}}],
        ).macro(EARLY, LATE, now=NOW)


def test_two_values_for_one_period_are_set_aside(tmp_path):
    day = datetime(2024, 7, 1, tzinfo=UTC).date()
    pl.DataFrame({"date": [day, day], "A": [1.0, 2.0]}).write_csv(tmp_path / "m.csv")
    rule = {"unit": "points", "release": "monthly_release"}
    got = source_of(tmp_path, series=[{"path": "m.csv", "series": {"A": rule}}]).macro(EARLY, LATE, now=NOW)
    assert got.frame.is_empty()
    assert got.quarantined["rule"].to_list() == ["conflict", "conflict"]


@pytest.fixture(scope="module")
def sample():
    return open_source("sample", root=ROOT, data_dir=None, instruments=INSTRUMENTS)


def test_exported_bars_read_back_unchanged(tmp_path, sample):
    now = datetime(2020, 3, 17, 14, 5, tzinfo=UTC)
    frames = {
        table.full_name: sample.bars(timeframe, sample.history.start, now, now=now).frame
        for timeframe, table in (("h4", OHLCV_H4), ("daily", OHLCV_DAILY))
    }
    frames[INSTRUMENT_TABLE.full_name] = listed_rows({}, "sample")
    export.write(lambda table, **_: frames[table.full_name], tmp_path, feed="sample", kind="parquet")
    source = FilesSource.from_yaml(
        tmp_path / export.MAPPING, data_dir=None, instruments=INSTRUMENTS, root=tmp_path
    )
    for timeframe, table in (("h4", OHLCV_H4), ("daily", OHLCV_DAILY)):
        got = source.bars(timeframe, EARLY, LATE, now=now)
        assert got.frame.equals(frames[table.full_name])
        assert list(got.frame.columns) == list(BAR_SCHEMA)
        assert (got.quarantined.height, list(got.findings)) == (0, [])
    assert source.simulated
    assert source.instruments() == sample.instruments()
    assert source.history.start == sample.history.start
    assert source.backtest == source.history


@pytest.mark.parametrize(
    ("path", "feed"),
    [
        ("/bars/My Broker/source.yaml", "my-broker"),
        ("/desk/sources/kraken.yaml", "kraken"),
        ("/***/source.yaml", "files"),
    ],
)
def test_a_mapping_without_a_feed_is_named_after_its_file_or_folder(path, feed):
    assert feed_of(Path(path)) == feed
