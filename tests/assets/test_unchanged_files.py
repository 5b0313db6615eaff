"""The same files are not read twice, and nothing that could change the answer is ever taken for the same."""

import json
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import polars as pl
import pytest

from assets import manifests
from assets.market import unchanged
from assets.market.ingest import update_bars, update_macro
from pipeline.config.instruments import Instrument
from resources.clock import SimulatedClock
from resources.market.files import FilesSource
from resources.market.mapping import FilesMapping
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables import INGESTS, INSTRUMENTS, MACRO, OHLCV_H4, QUARANTINE

BTC = Instrument(
    symbol="BTC/USD",
    asset_class="crypto",
    venue="kraken",
    calendar="24/7",
    currency="USD",
    tick=0.1,
    lot=1e-8,
    min_notional=5.0,
)
START = datetime(2024, 6, 3, tzinfo=UTC)
NOW = datetime(2024, 7, 1, tzinfo=UTC)
WINDOW = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
ENTRY = {"path": "*.parquet", "like": "BTC/USD", "timeframe": "4h", "stamp": "open"}
ENTRY |= {"columns": {"symbol": "symbol"}, "selection": "survivors"}


def rows(symbol="AAA", count=12, missing=5, start=START):
    first = {"AAA": 100.0}.get(symbol, 50.0)
    price = [first + number**2 % 7 for number in range(count)]
    frame = pl.DataFrame(
        {
            "symbol": [symbol] * count,
            "timestamp": [start + number * timedelta(hours=4) for number in range(count)],
            "open": price,
            "high": [p + 2.0 for p in price],
            "low": [p - 2.0 for p in price],
            "close": [p + 1.0 for p in price],
            "volume": [10.0] * count,
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )
    return frame.filter(pl.int_range(pl.len()) != missing)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "bars"
    path.mkdir()
    rows().write_parquet(path / "a.parquet")
    odd = rows("BBB").with_columns(high=pl.when(pl.int_range(pl.len()) == 2).then(1.0).otherwise("high"))
    odd.write_parquet(path / "b.parquet")
    return path


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(tmp_path / "home" / "warehouse.duckdb", now=SimulatedClock(NOW).now)


class Watched(FilesSource):
    """A files source that counts how often it is asked for bars."""

    asked = 0

    def bars(self, *arguments, **options):
        self.asked += 1
        return super().bars(*arguments, **options)


def source(folder, **changes):
    mapping = FilesMapping.model_validate({"entries": [ENTRY | changes]})
    return Watched(mapping, folder, {"BTC/USD": BTC}, feed="small")


def update(folder, warehouse, *, now=NOW, window=WINDOW, **changes):
    market = source(folder, **changes)
    done = update_bars(
        "h4", window, market=market, warehouse=warehouse, now=now, manifest=Manifest("market/ohlcv_h4")
    )
    return done, market.asked


def test_the_same_files_are_not_read_again_and_say_what_they_said(folder, warehouse):
    first, _ = update(folder, warehouse)
    before = warehouse.path.read_bytes()
    again, asked = update(folder, warehouse)
    assert (first.inserted, first.quarantined, first.same_files) == (21, 1, False)
    assert (again.inserted, again.revised, again.unchanged, again.quarantined) == (0, 0, 21, 1)
    assert (again.same_files, asked) == (True, 0)
    assert again.findings == first.findings
    assert {finding.rule for finding in again.findings} == {"gap", "ohlc_order"}
    assert warehouse.path.read_bytes() == before


def test_comparing_says_the_same_as_not_reading(folder, warehouse, monkeypatch):
    first, _ = update(folder, warehouse)
    monkeypatch.setattr(unchanged, "code_text", lambda: "other code")
    compared, asked = update(folder, warehouse)
    assert asked == 1
    assert (compared.inserted, compared.revised, compared.unchanged) == (0, 0, 21)
    assert compared.findings == first.findings
    assert warehouse.as_of(QUARANTINE).height == 1


def test_a_changed_row_is_seen_although_size_and_date_of_the_file_stay(folder, warehouse):
    path, plain = folder / "a.parquet", {"compression": "uncompressed", "statistics": False}
    rows().write_parquet(path, **plain)
    update(folder, warehouse)
    was = path.stat()
    close = pl.when(pl.int_range(pl.len()) == 7).then(101.5).otherwise("close")
    rows().with_columns(close=close).write_parquet(path, **plain)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    done, asked = update(folder, warehouse)
    assert (asked, done.revised) == (1, 1)
    again, asked = update(folder, warehouse)
    assert (asked, again.revised) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"window": (WINDOW[0], datetime(2024, 12, 1, tzinfo=UTC))},
        {"venue": "elsewhere"},
        {"lag_minutes": 5.0},
    ],
    ids=["window", "label", "rule of known_at"],
)
def test_another_window_or_mapping_is_compared(folder, warehouse, change):
    update(folder, warehouse)
    _, asked = update(folder, warehouse, **change)
    assert asked == 1


def test_another_instrument_table_is_another_version(folder):
    mapping = FilesMapping.model_validate({"entries": [ENTRY]})
    coarser = BTC.model_copy(update={"tick": 1.0})
    assert (
        FilesSource(mapping, folder, {"BTC/USD": BTC}).version
        != FilesSource(mapping, folder, {"BTC/USD": coarser}).version
    )


def test_a_file_more_or_less_is_compared(folder, warehouse):
    update(folder, warehouse)
    rows("CCC").write_parquet(folder / "c.parquet")
    done, asked = update(folder, warehouse)
    assert (asked, done.inserted) == (1, 11)
    (folder / "c.parquet").unlink()
    assert update(folder, warehouse)[1] == 1


def test_bars_that_close_after_now_come_when_they_have_closed(folder, warehouse):
    early = START + timedelta(hours=21)
    first, _ = update(folder, warehouse, now=early)
    assert warehouse.as_of(INGESTS).is_empty()
    later, asked = update(folder, warehouse)
    assert asked == 1
    assert first.inserted + later.inserted == 21


def test_what_another_writer_left_in_the_warehouse_is_compared(folder, warehouse):
    update(folder, warehouse)
    stored = warehouse.as_of(OHLCV_H4).head(1)
    warehouse.append(OHLCV_H4, stored.with_columns(close=pl.lit(7.0), low=pl.lit(6.0)))
    done, asked = update(folder, warehouse)
    assert (asked, done.revised) == (1, 1)
    assert warehouse.as_of(OHLCV_H4)["close"].min() > 7.0


def test_rows_missing_from_the_quarantine_are_put_there_again(folder, warehouse):
    update(folder, warehouse)
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.quarantine")
    assert update(folder, warehouse)[1] == 1
    assert warehouse.as_of(QUARANTINE).height == 1


def test_a_file_that_cannot_be_read_is_tried_again(folder, warehouse):
    (folder / "b.parquet").write_bytes(b"no parquet")
    first, _ = update(folder, warehouse)
    assert [finding.rule for finding in first.findings].count("unreadable") == 1
    assert update(folder, warehouse)[1] == 1


def test_changed_code_changes_its_hash(tmp_path, monkeypatch):
    for name in ("pipeline", "warehouse", "resources", "assets"):
        (tmp_path / name).mkdir()
    module = tmp_path / "pipeline" / "rules.py"
    module.write_text("LEAST = 1\n", encoding="utf-8")
    monkeypatch.setattr(manifests, "ROOT", tmp_path)
    before = manifests.code_text.__wrapped__()
    assert manifests.code_text.__wrapped__() == before
    module.write_text("LEAST = 2\n", encoding="utf-8")
    assert manifests.code_text.__wrapped__() != before


def test_the_manifest_names_every_file_by_content_and_columns(folder, warehouse):
    update(folder, warehouse)
    manifest = warehouse.query("manifests", table_name=OHLCV_H4.full_name).row(0, named=True)
    inputs = {item["table"]: item for item in json.loads(manifest["inputs_json"])}
    assert set(inputs) == {"file:a.parquet", "file:b.parquet"}
    for name in ("a.parquet", "b.parquet"):
        assert inputs[f"file:{name}"]["digest"] == sha256((folder / name).read_bytes()).hexdigest()
    assert inputs["file:a.parquet"]["schema"] == inputs["file:b.parquet"]["schema"]
    rows().with_columns(pl.col("volume").cast(pl.Int64)).write_parquet(folder / "a.parquet")
    update(folder, warehouse)
    both = warehouse.query("manifests", table_name=OHLCV_H4.full_name)["inputs_json"]
    schemas = {item["table"]: set() for item in json.loads(both[0])}
    for item in (item for text in both for item in json.loads(text)):
        schemas[item["table"]].add(item["schema"])
    assert {name: len(found) for name, found in schemas.items()} == {"file:a.parquet": 2, "file:b.parquet": 1}


def test_series_are_not_read_again_either(tmp_path, warehouse):
    pl.DataFrame({"date": [START.date()], "value": [1.0], "series": ["X"]}).write_parquet(
        tmp_path / "x.parquet"
    )
    series = {"path": "x.parquet", "columns": {"time": "date", "series": "series", "value": "value"}}
    series |= {"series": {"X": {"unit": "points", "release": "fred_daily"}}}
    market = FilesSource(FilesMapping.model_validate({"series": [series]}), tmp_path, {}, feed="small")

    def run(at):
        manifest = Manifest("market/macro")
        return update_macro(WINDOW, market=market, warehouse=warehouse, now=at, manifest=manifest)

    assert run(START).fetched == 0
    assert (run(NOW).inserted, run(NOW).same_files) == (1, True)
    assert warehouse.as_of(MACRO).height == 1


def test_symbols_without_an_entry_are_stored_with_what_they_were_taken_for(folder, warehouse):
    update(folder, warehouse)
    stored = warehouse.as_of(INSTRUMENTS)
    assert stored.select("symbol", "taken_for", "calendar", "survivors").rows() == [
        ("AAA", "BTC/USD", "24/7", True),
        ("BBB", "BTC/USD", "24/7", True),
    ]
