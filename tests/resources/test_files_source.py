"""The files source on small folders: what stamps mean, what is damaged, and what an error tells a person."""

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from assets.instruments import listed_rows
from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from pipeline.errors import ConfigError, SourceError
from pipeline.market.actions import ACTION_SCHEMA
from pipeline.market.bars import BAR_SCHEMA
from resources.market.files import FilesSource, feed_of
from resources.market.mapping import FilesMapping
from resources.market.registry import open_source
from warehouse import export
from warehouse.tables_market import INSTRUMENTS as INSTRUMENT_TABLE
from warehouse.tables_market import OHLCV_DAILY, OHLCV_H4

ROOT = Path(__file__).parents[2]
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
EARLY, LATE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
H4_FILE = {"path": "btc.parquet", "symbol": "BTC/USD", "timeframe": "4h", "stamp": "open"}
START = datetime(2024, 6, 3, tzinfo=UTC)


def source_of(folder, *entries, series=()):
    mapping = FilesMapping.model_validate({"entries": list(entries), "series": list(series)})
    return FilesSource(mapping, folder, INSTRUMENTS)


def bars_of(folder, *entries, timeframe="h4"):
    return source_of(folder, *entries).bars(timeframe, EARLY, LATE, now=NOW)


def some_bars(count=12, step=timedelta(hours=4), start=START):
    price = [100.0 + number for number in range(count)]
    return pl.DataFrame(
        {
            "timestamp": [start + number * step for number in range(count)],
            "open": price,
            "high": [p + 2.0 for p in price],
            "low": [p - 2.0 - p**2 % 3 / 8 for p in price],  # no straight line
            "close": [p + 1.0 for p in price],
            "volume": [10.0] * count,
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )


def reasons(fetched, severity="error"):
    return [finding.reason for finding in fetched.findings if finding.severity == severity]


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


def test_bad_rows_are_set_aside_by_name_and_nothing_is_lost(tmp_path):
    bad = some_bars().with_columns(
        close=pl.when(pl.int_range(12) == 2).then(float("nan")).otherwise("close"),
        low=pl.when(pl.int_range(12) == 4).then(-1.0).otherwise("low"),
        high=pl.when(pl.int_range(12) == 6).then(1.0).otherwise("high"),
    )
    pl.concat([bad, bad[8:9]]).write_parquet(tmp_path / "btc.parquet")
    got = bars_of(tmp_path, H4_FILE)
    rules = sorted(got.quarantined["rule"])
    assert rules == ["duplicate", "non_positive", "not_finite", "ohlc_order"]
    assert got.frame.height + got.quarantined.height == 13
    assert got.gaps["count"].sum() == 3


def truncated(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


DAMAGE = {
    "truncated": (truncated, "cannot be read"),
    "empty file": (lambda p: p.write_bytes(b""), "cannot be read"),
    "no parquet": (lambda p: p.write_bytes(b"not a parquet file at all"), "cannot be read"),
    "zeroed middle": (lambda p: p.write_bytes(p.read_bytes()[:40] + b"\0" * 4000), "cannot be read"),
    "no rows": (lambda p: some_bars().clear().write_parquet(p), "holds no rows"),
    "column missing": (lambda p: some_bars().drop("high").write_parquet(p), "a column is missing"),
    "dates as prices": (
        lambda p: some_bars().with_columns(close=pl.col("timestamp")).write_parquet(p),
        "does not hold numbers",
    ),
    "words as prices": (
        lambda p: some_bars().with_columns(close=pl.lit("n/a")).write_parquet(p),
        "does not hold numbers",
    ),
    "naive stamps": (
        lambda p: some_bars().with_columns(pl.col("timestamp").dt.replace_time_zone(None)).write_parquet(p),
        "no time zone",
    ),
    "numbers as stamps": (
        lambda p: some_bars().with_columns(pl.col("timestamp").dt.epoch("s")).write_parquet(p),
        "unknown unit",
    ),
    "flags as stamps": (
        lambda p: some_bars().with_columns(timestamp=pl.lit(value=True)).write_parquet(p),
        "holds no times",
    ),
    "words as stamps": (
        lambda p: some_bars().with_columns(timestamp=pl.lit("soon")).write_parquet(p),
        "no time",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_one_damaged_file_is_an_error_finding_and_the_others_still_count(tmp_path, kind):
    damage, words = DAMAGE[kind]
    some_bars().write_parquet(tmp_path / "btc.parquet")
    some_bars().write_parquet(tmp_path / "eth.parquet")
    damage(tmp_path / "eth.parquet")
    got = bars_of(tmp_path, H4_FILE, H4_FILE | {"path": "eth.parquet", "symbol": "ETH/USD"})
    assert set(got.frame["symbol"]) == {"BTC/USD"}
    (reason,) = reasons(got)
    assert words in reason
    assert "eth.parquet" in reason
    assert "fix: " in reason


@pytest.mark.parametrize("kind", DAMAGE)
def test_when_no_file_can_be_read_the_source_fails_with_the_reason(tmp_path, kind):
    damage, words = DAMAGE[kind]
    some_bars().write_parquet(tmp_path / "btc.parquet")
    damage(tmp_path / "btc.parquet")
    with pytest.raises(SourceError, match=words) as caught:
        bars_of(tmp_path, H4_FILE)
    assert caught.value.exit_code == 2


HEADER = b"timestamp,open,high,low,close,volume\n"
CSV_DAMAGE = {
    "binary": (b"\x00\xff\xfe\x01" * 200, "cannot be read|column is missing"),
    "not UTF-8": (HEADER + b"2024-06-03T00:00:00Z,1,1,1,1,\xe9\n", "cannot be read"),
    "too many cells": (HEADER + b"2024-06-03T00:00:00Z,1,1,1,1,1,9,9\n", "cannot be read"),
    "empty": (b"", "cannot be read"),
    "only a header": (HEADER, "holds no rows"),
    "another table": (b"a,b\n1,2\n", "column is missing"),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), "cannot be read|column is missing"),
}


@pytest.mark.parametrize("kind", CSV_DAMAGE)
def test_damaged_csv_files_say_what_is_wrong(tmp_path, kind):
    content, words = CSV_DAMAGE[kind]
    (tmp_path / "btc.csv").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        bars_of(tmp_path, H4_FILE | {"path": "btc.csv"})


def test_single_cells_of_garbage_in_a_csv_file_cost_their_row_only(tmp_path):
    lines = (
        some_bars()
        .with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        .write_csv()
        .split("\n")
    )
    lines[3] = lines[3].replace("102.0", "oops", 1)
    lines[5] = "yesterday" + lines[5][lines[5].index(",") :]
    lines[7] = "9999-01-01T00:00:00Z" + lines[7][lines[7].index(",") :]
    (tmp_path / "btc.csv").write_text("\n".join(lines), encoding="utf-8")
    got = bars_of(tmp_path, H4_FILE | {"path": "btc.csv"})
    assert got.frame.height == 9
    assert sorted(got.quarantined["rule"]) == ["missing_value", "missing_value", "not_finite"]


def test_a_pattern_without_match_and_a_missing_folder_are_told_apart(tmp_path):
    with pytest.raises(SourceError, match="no file matches"):
        bars_of(tmp_path, H4_FILE)
    with pytest.raises(SourceError, match="folder of the data does not exist"):
        bars_of(tmp_path / "nowhere", H4_FILE)


def test_bars_from_the_future_are_set_aside(tmp_path):
    some_bars(2, start=NOW).write_parquet(tmp_path / "btc.parquet")
    got = bars_of(tmp_path, H4_FILE)
    assert got.frame.is_empty()
    assert got.quarantined["rule"].to_list() == ["future", "future"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"stamp": None}, "says? what a stamp marks|without stamp"),
        ({"stamp": "session_date"}, "open or close"),
        ({"timeframe": "7h"}, "timeframe"),
        ({"symbol": None}, "0 times"),
        ({"path": "{symbol}.parquet"}, "2 times"),
        ({"zone": "Mars/Base"}, "no such time zone"),
        ({"lag_minutes": -1.0}, "lag_minutes"),
        ({"timeframe": "1d", "to": ["h4"]}, "take h4 out|daily"),
        ({"stmp": "open"}, "stmp"),
        ({"adjustment": "dividend"}, "adjustment"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_line_and_fix(tmp_path, change, match):
    import yaml

    file = tmp_path / "source.yaml"
    file.write_text(yaml.safe_dump({"entries": [H4_FILE | change]}), encoding="utf-8")
    with pytest.raises(ConfigError, match=match) as caught:
        FilesSource.from_yaml(file, data_dir=None, instruments=INSTRUMENTS, root=tmp_path)
    assert "source.yaml" in str(caught.value)
    assert caught.value.fix


def test_a_mapping_needs_entries_a_known_symbol_and_its_folder(tmp_path):
    def refused(text, match):
        file = tmp_path / "source.yaml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=match):
            FilesSource.from_yaml(file, data_dir=None, instruments=INSTRUMENTS, root=tmp_path)

    refused("base: here\n", "empty mapping")
    refused("base: data_dir\nentries: [{path: a, symbol: SPY, timeframe: h4}]\n", "EIGHTBELLS_DATA")
    refused("entries: [{path: a, symbol: GLD, timeframe: h4}]\n", "no instrument")


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


ACTIONS = """ex,ticker,what,size,ccy,announced
2020-08-31,AAPL.US,SPLT,4,,2020-07-30
2020-08-07,AAPL.US,DIV,0.82,USD,
2020-08-07,OTHER,DIV,0.10,USD,
2020-11-06,AAPL.US,DIV,0,USD,
soon,AAPL.US,DIV,0.2,USD,
2020-11-06,AAPL.US,SPINOFF,2,,
"""
ACTION_FILE = {
    "path": "actions.csv",
    "columns": {
        "time": "ex", "symbol": "ticker", "kind": "what", "value": "size", "currency": "ccy",
        "declared": "announced",
    },
    "kinds": {"SPLT": "split", "DIV": "dividend"},
    "symbols": {"AAPL.US": "SPY"},
}  # fmt: skip


def actions_of(folder, *entries, now=NOW, **window):
    mapping = FilesMapping.model_validate({"actions": list(entries)})
    source = FilesSource(mapping, folder, INSTRUMENTS)
    return source.actions(window.get("start", EARLY), window.get("end", LATE), now=now)


def test_corporate_actions_of_a_file_are_translated_and_known_when_they_could_be(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    got = actions_of(tmp_path, ACTION_FILE)
    assert dict(got.frame.schema) == dict(ACTION_SCHEMA)
    assert got.frame.select("symbol", "ts", "kind", "value", "currency", "known_at").rows() == [
        ("SPY", at(2020, 8, 7), "dividend", 0.82, "USD", at(2020, 8, 7, 13, 30)),  # the open of its ex-date
        ("SPY", at(2020, 8, 31), "split", 4.0, None, at(2020, 7, 31, 4)),  # announced: New York's midnight
    ]
    assert sorted(got.quarantined["rule"]) == ["missing_value", "non_positive", "unknown_kind"]
    assert [(f.rule, f.count) for f in got.findings if f.severity == "info"] == [("other_symbols", 1)]


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_actions_keep_to_the_window_and_to_what_was_known(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    inside = actions_of(tmp_path, ACTION_FILE, start=at(2020, 8, 8), end=at(2020, 9, 1))
    assert inside.frame["kind"].to_list() == ["split"]
    assert actions_of(tmp_path, ACTION_FILE, now=at(2020, 7, 31, 3)).frame.is_empty()
    assert actions_of(tmp_path, ACTION_FILE, now=at(2020, 7, 31, 4)).frame["kind"].to_list() == ["split"]


def test_a_file_of_one_kind_needs_no_column_for_it(tmp_path):
    (tmp_path / "splits.csv").write_text("ex_date,symbol,value\n2020-08-31,SPY,4\n")
    got = actions_of(tmp_path, {"path": "splits.csv", "action": "split"})
    assert got.frame.select("kind", "value").rows() == [("split", 4.0)]


def test_a_currency_may_hold_for_a_whole_file(tmp_path):
    (tmp_path / "cash.csv").write_text("ex_date,symbol,value\n2020-08-07,MSFT,0.51\n")
    cash = {"path": "cash.csv", "action": "dividend", "like": "SPY"}
    assert actions_of(tmp_path, cash | {"currency": "USD"}).frame["currency"].to_list() == ["USD"]
    assert actions_of(tmp_path, cash).quarantined["rule"].to_list() == ["no_currency"]


def test_a_damaged_file_of_actions_is_a_finding_and_the_others_count(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    (tmp_path / "b.csv").write_text("ex_date\n2020-08-31\n")
    other = {"path": "b.csv", "action": "split"}
    got = actions_of(tmp_path, other, ACTION_FILE)
    assert next(f.rule for f in got.findings if f.severity == "error") == "unreadable"
    assert got.frame.height == 2
    with pytest.raises(SourceError, match="not one file"):
        actions_of(tmp_path, other)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "split"},
        {"currency": "USD"},
        {"columns": {"time": "ex"}},
        {"action": "spinoff", "columns": {}},
        {"kinds": {"S": "merger"}},
        {"currency": "dollars"},
    ],
)
def test_a_wrong_entry_of_actions_is_refused(change):
    with pytest.raises(ValidationError):
        FilesMapping.model_validate({"actions": [ACTION_FILE | change]})


def test_a_source_without_actions_has_no_rows(tmp_path):
    some_bars().write_parquet(tmp_path / "btc.parquet")
    got = source_of(tmp_path, H4_FILE).actions(EARLY, LATE, now=NOW)
    assert (got.frame.height, got.quarantined.height, list(got.findings)) == (0, 0, [])


@pytest.mark.parametrize("broken", [range(4), range(8, 12)])
def test_bad_rows_before_the_first_and_after_the_last_good_bar_are_set_aside_too(tmp_path, broken):
    bars = some_bars(48, timedelta(hours=1)).with_row_index("n")
    upside_down = pl.col("n").is_in([4 * cell + hour for cell in broken for hour in range(4)])
    bars.with_columns(high=pl.when(upside_down).then(pl.col("low") - 1).otherwise("high")).write_parquet(
        tmp_path / "btc.parquet"
    )
    source = source_of(tmp_path, H4_FILE | {"timeframe": "1h"})
    got = source.bars("h4", source.history.start, source.history.end, now=NOW)
    assert (got.frame.height, got.quarantined.height) == (8, 16)
    assert "ohlc_order" in [finding.rule for finding in got.findings]


def test_a_folder_without_a_bar_says_why(tmp_path):
    some_bars().rename({"close": "last"}).write_parquet(tmp_path / "btc.parquet")
    with pytest.raises(SourceError, match="a column is missing"):
        _ = source_of(tmp_path, H4_FILE).history
    some_bars().with_columns(high=pl.lit(1.0)).write_parquet(tmp_path / "btc.parquet")
    with pytest.raises(SourceError, match="high 1"):
        _ = source_of(tmp_path, H4_FILE | {"timeframe": "1h"}).history


@pytest.mark.parametrize("path", ["/bars/a.csv", ".", "a**.csv", "/"])
def test_a_path_that_is_no_pattern_below_the_base_folder_is_refused(path):
    with pytest.raises(ValidationError, match="no pattern of files"):
        FilesMapping.model_validate({"entries": [H4_FILE | {"path": path}]})


@pytest.mark.parametrize("zone", ["America", "a" * 3000])
def test_a_zone_that_is_a_folder_or_endless_is_refused(zone):
    with pytest.raises(ValidationError, match="time zone"):
        FilesMapping.model_validate({"entries": [H4_FILE | {"zone": zone}]})


@pytest.mark.parametrize("symbols", [[["BTC/USD"]] * 12, [b"\xff"] * 12])
def test_symbols_that_are_no_text_are_an_error_of_that_file(tmp_path, symbols):
    some_bars().with_columns(ticker=pl.Series(symbols)).write_parquet(tmp_path / "btc.parquet")
    entry = {key: value for key, value in H4_FILE.items() if key != "symbol"}
    with pytest.raises(SourceError, match="does not hold text"):
        bars_of(tmp_path, entry | {"columns": {"symbol": "ticker"}})


def test_a_name_that_is_no_text_is_an_error_of_that_file(tmp_path):
    some_bars().write_parquet(tmp_path / "btc.parquet")
    (tmp_path / "btc.parquet").rename(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.parquet"))
    with pytest.raises(SourceError, match="cannot be read"):
        bars_of(tmp_path, H4_FILE | {"path": "*.parquet"})
