"""Damaged files and wrong mappings: what is set aside, what is refused, and what an error tells a person."""

import gzip
import os
from datetime import timedelta

import polars as pl
import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError, SourceError
from resources.market.files import FilesSource
from resources.market.mapping import FilesMapping
from tests.support.files_source import (
    H4_FILE,
    INSTRUMENTS,
    NOW,
    bars_of,
    reasons,
    some_bars,
    source_of,
)


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
