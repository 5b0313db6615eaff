"""Snapshots are whole, read-only, and appear in one step."""

import os
import stat

import duckdb
import pytest

from pipeline.errors import ConfigError, ResourceError
from warehouse import snapshot
from warehouse.tables import OHLCV_H4


def test_a_snapshot_holds_what_the_warehouse_holds(warehouse, bars):
    warehouse.append(OHLCV_H4, bars())
    copy = warehouse.snapshot()
    warehouse.append(OHLCV_H4, bars("QQQ"))
    with duckdb.connect(str(copy), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM market.ohlcv_h4_now").fetchall() == [(6,)]
    assert copy.parent == warehouse.path.parent / "snapshots"


def test_a_snapshot_cannot_be_written(warehouse, tmp_path):
    copy = warehouse.snapshot(tmp_path / "deep" / "copy.duckdb")
    assert stat.S_IMODE(copy.stat().st_mode) & 0o222 == 0


def test_a_new_snapshot_replaces_an_old_one_of_that_name(warehouse, tmp_path, bars):
    target = tmp_path / "copy.duckdb"
    warehouse.snapshot(target)
    warehouse.append(OHLCV_H4, bars())
    warehouse.snapshot(target)
    with duckdb.connect(str(target), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM market.ohlcv_h4").fetchall() == [(6,)]


def test_the_warehouse_itself_or_a_folder_is_no_target(warehouse, tmp_path):
    for target in (warehouse.path, tmp_path):
        with pytest.raises(ConfigError, match="cannot go there"):
            warehouse.snapshot(target)


def test_a_failed_copy_leaves_nothing_behind(warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(
        snapshot, "_COPY", "import sys; open(sys.argv[2], 'w').close(); sys.exit('disk gone')"
    )
    with pytest.raises(ResourceError, match="disk gone"):
        warehouse.snapshot(tmp_path / "copies" / "copy.duckdb")
    assert os.listdir(tmp_path / "copies") == []  # noqa: PTH208 - hidden files count


def test_a_full_disk_is_said_before_copying(warehouse, tmp_path, monkeypatch):
    usage = snapshot.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(snapshot.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match="no room for a snapshot"):
        warehouse.snapshot()


def test_the_warehouse_goes_on_after_a_snapshot(warehouse, bars):
    warehouse.snapshot()
    assert warehouse.append(OHLCV_H4, bars()).inserted == 6
