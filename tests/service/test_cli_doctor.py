"""``bells doctor``: a healthy desk is ok, and each planted illness is named with its exit code."""

import shutil
import subprocess
import sys
from collections import namedtuple
from datetime import timedelta

import duckdb
import polars as pl
import pytest

from pipeline.errors import WarehouseBusyError
from resources.home import ROOT
from service.cli.doctor_environment import locked_versions
from service.cli.opening import open_for
from tests.support.bars_folder import bars_of
from warehouse.tables import OHLCV_H4
from warehouse.tables_backtest import EQUITY


def whats(record, kind="problems"):
    return [(entry["where"], entry["what"]) for entry in record[kind]]


def test_a_fresh_machine_is_well_and_is_told_what_to_run(bells, home):
    answer = bells("doctor", "--json")
    assert answer.code == 0
    assert answer.json["ok"]
    assert answer.json["warehouse"] == {"path": str(home / "warehouse.duckdb"), "exists": False}
    assert ("warehouse", "there is no warehouse yet") in whats(answer.json, "warnings")
    assert not home.exists()


def test_prepare_makes_the_home_and_nothing_else(bells, home):
    assert bells("doctor", "--prepare", "--json").json["ok"]
    assert (home / "dagster" / "dagster.yaml").is_file()
    assert not (home / "warehouse.duckdb").exists()


def test_a_desk_with_bars_is_well_and_says_versions_tables_and_ages(bells, stored):
    answer = bells("doctor", "--json")
    record = answer.json
    assert (answer.code, record["problems"], record["orphans"], record["duplicates"]) == (0, [], [], {})
    assert record["versions"]["duckdb"] == duckdb.__version__
    assert record["warehouse"]["tables"]["market.ohlcv_h4"] > 3000
    assert {row["stale"] for row in record["freshness"]} == {False}
    assert set(record["locks"]) == {"gate", "urgent", "lock", "file"}
    shown = bells("doctor")
    assert shown.code == 0
    assert str(stored) in shown.out
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["orphans", "none"] in lines
    assert ["duplicates", "none"] in lines
    assert {row["feed"] for row in record["freshness"]} == {"files"}


def test_a_series_that_stopped_early_is_late(bells, home):
    assert bells("data", "update", "--end", "2023-06-01", "--json").code == 0
    record = bells("doctor", "--json").json
    assert record["ok"]
    assert {row["symbol"] for row in record["freshness"] if row["stale"]} == {"SPY", "QQQ", "BTC/USD"}
    assert whats(record, "warnings")[-1][0] == "freshness"


HOLD = """
import sys, time
from pathlib import Path
from datetime import UTC, datetime
from warehouse.store import Warehouse
warehouse = Warehouse(Path(sys.argv[1]), now=lambda: datetime.now(UTC))
with warehouse.write():
    print("held", flush=True)
    time.sleep(60)
"""
OPEN = """
import sys, time, duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("script", [HOLD, OPEN], ids=["our own writer", "a foreign program"])
def test_a_process_that_holds_the_file_is_named_and_the_wait_is_bounded(bells, stored, script):
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(stored / "warehouse.duckdb")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        answer = bells("doctor", "--set", "warehouse.timeout_s=0.3", "--json")
        assert answer.code == WarehouseBusyError.exit_code == 4
        assert f"PID {holder.pid}" in whats(answer.json)[0][1]
        status = bells("data", "status", "--set", "warehouse.timeout_s=0.3", "--json")
        assert status.code == 4
        assert str(holder.pid) in status.json["fix"]
    finally:
        holder.kill()
        holder.communicate()


def test_orphans_are_counted_and_removed_once_they_are_old(bells, stored):
    desk = open_for(None)
    rows = pl.DataFrame({"ts": [desk.clock.now()], "nav": [1.0]}).with_columns(run_id=pl.lit("lost"))
    for age, write_id in ((timedelta(hours=2), "dead"), (timedelta(0), "alive")):
        then = desk.clock.now() - age
        with desk.warehouse.write() as cursor:
            cursor.register("lost", rows.to_arrow())
            cursor.execute(
                f"INSERT INTO {EQUITY.full_name} (run_id, ts, nav, known_at, recorded_at, write_id)"
                " SELECT run_id, ts, nav, $then, $then, $write_id FROM lost",
                {"then": then, "write_id": write_id},
            )
            cursor.unregister("lost")
    sick = bells("doctor", "--json").json
    assert {o["write_id"]: o["rows"] for o in sick["orphans"]} == {"dead": 1, "alive": 1}
    assert sick["ok"]
    mended = bells("doctor", "--fix", "--json").json
    assert mended["fixed"] == ["removed 1 row of the unfinished write dead in backtest.equity"]
    assert [o["write_id"] for o in mended["orphans"]] == ["alive"]


def test_spooled_writes_wait_until_they_are_drained(bells, stored):
    desk = open_for(None)
    bars = bars_of("SPY", "h4", 9)[:3].with_columns(pl.lit("spooled").alias("feed"))
    held = desk.warehouse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "_urgent_wait_s", 0.0)
        patch.setattr(held, "write", _busy)
        assert held.write_urgent("decision 1", OHLCV_H4, bars) == "spooled"
    waiting = bells("doctor", "--json").json
    assert waiting["spool"]["pending"] == 1
    mended = bells("doctor", "--fix", "--json").json
    assert mended["fixed"] == ["drained 1 urgent write from the spool"]
    assert mended["spool"]["pending"] == 0
    assert desk.warehouse.as_of(OHLCV_H4, where={"feed": "spooled"}).height == 3


def _busy(*_: object, **__: object) -> None:
    raise WarehouseBusyError("busy")


def test_a_damaged_spooled_write_needs_a_person(bells, stored):
    aside = stored / "spool" / "aside"
    aside.mkdir(parents=True)
    (aside / "half").write_bytes(b"?")
    answer = bells("doctor", "--json")
    assert answer.code == 2
    assert answer.json["spool"]["aside"] == [str(aside / "half")]


def test_a_file_that_is_no_database_is_a_problem_of_data(bells, stored):
    (stored / "warehouse.duckdb").write_bytes(b"not a database" * 1000)
    answer = bells("doctor", "--json")
    assert answer.code == 2
    assert not answer.json["ok"]
    assert whats(answer.json)[0][0] == "warehouse"


def test_a_version_stored_twice_is_a_problem_of_data(bells, stored):
    with open_for(None).warehouse.write() as cursor:
        cursor.execute("INSERT INTO market.ohlcv_h4 SELECT * FROM market.ohlcv_h4 LIMIT 2")
    answer = bells("doctor", "--json")
    assert answer.code == 2
    assert answer.json["duplicates"] == {"market.ohlcv_h4": 2}


def test_a_full_disk_is_a_problem_of_resources(bells, stored, monkeypatch):
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - what shutil returns
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    answer = bells("doctor", "--json")
    assert answer.code == 4
    assert whats(answer.json)[0][0] == "disk"


def test_wrong_settings_are_the_diagnosis_not_the_end_of_it(bells, home):
    answer = bells("doctor", "--set", "risk.per_asset_cap=-1", "--json")
    assert answer.code == 1
    assert not answer.json["ok"]
    assert "per_asset_cap" in whats(answer.json)[0][1]
    assert answer.json["versions"]["polars"] == pl.__version__


def test_a_lock_is_read_for_this_python_only(tmp_path):
    lock = tmp_path / "x.lock"
    lock.write_text(
        "# a comment\nnumpy==1.0 ; python_full_version < '3.0' \\\n    --hash=sha256:00\n"
        "numpy==2.0 ; python_full_version >= '3.0' \\\n    --hash=sha256:00\n    # via x==9\n"
        "Polars==3.1\n"
    )
    assert locked_versions(lock) == {"numpy": "2.0", "polars": "3.1"}
    assert locked_versions(tmp_path / "absent") == {}


def test_a_dagster_home_elsewhere_is_pointed_out(bells, stored, monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    record = bells("doctor", "--json").json
    assert any(str(tmp_path) in what for _, what in whats(record, "warnings"))
