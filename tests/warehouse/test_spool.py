"""The spool: durable before it answers, one entry per decision, drained once, damage kept in sight."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import DataError, RefusedError, ResourceError, WarehouseBusyError
from warehouse.session import Sessions
from warehouse.spool import Spool

ROOT = Path(__file__).parents[2]
AT = datetime(2024, 3, 1, 16, tzinfo=UTC)
ORDERS = [
    {"symbol": "SPY", "at": AT, "quantity": Decimal("1.50000000"), "price": 510.25, "note": None},
    {"symbol": "BTC/USD", "at": AT, "quantity": Decimal("0.10000000"), "price": float("nan"), "note": "é"},
]


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def test_rows_come_back_as_they_went_in(spool):
    spool.put("d1", "desk.orders", ORDERS)
    (entry,) = spool.pending()
    assert (entry.id, entry.rows) == ("d1/desk.orders", 2)
    assert (entry.decision_id, entry.table) == ("d1", "desk.orders")
    assert [{**row, "price": str(row["price"])} for row in entry.to_dicts()] == [
        {**row, "price": str(row["price"])} for row in ORDERS
    ]
    assert entry.arrow().schema.field("at").type == pa.timestamp("us", tz="UTC")


def test_an_arrow_table_goes_in_as_well(spool):
    table = pa.table({"symbol": ["SPY"], "quantity": pa.array([3], pa.int32())})
    spool.put("d1", "desk.orders", table)
    assert spool.pending()[0].arrow().equals(table)


def test_the_same_decision_twice_is_one_entry(spool):
    assert spool.put("d1", "desk.orders", ORDERS) == spool.put("d1", "desk.orders", ORDERS)
    assert len(spool.pending()) == 1


def test_other_rows_for_the_same_decision_are_refused(spool):
    spool.put("d1", "desk.orders", ORDERS)
    with pytest.raises(RefusedError, match="other rows") as refused:
        spool.put("d1", "desk.orders", ORDERS[:1])
    assert refused.value.exit_code == 5
    assert spool.pending()[0].rows == 2


def test_one_decision_may_write_several_tables(spool):
    spool.put("d1", "desk.orders", ORDERS)
    spool.put("d1", "desk.targets", ORDERS)
    assert {entry.id for entry in spool.pending()} == {"d1/desk.orders", "d1/desk.targets"}


def test_ids_need_not_be_file_names(spool):
    ids = ["2024-03-01T16:00Z/book ä", "../../etc/passwd", "x" * 400, "x" * 401]
    for decision_id in ids:
        spool.put(decision_id, "desk.orders", ORDERS)
    assert [entry.decision_id for entry in spool.pending()] == ids
    assert {path.parent for path in spool.directory.glob("*")} == {spool.directory}


def test_entries_are_drained_in_order_and_once(spool):
    for number in range(5):
        spool.put(f"d{number}", "desk.orders", ORDERS)
    applied: list[str] = []
    assert spool.drain(lambda entry: applied.append(entry.decision_id)) == 5
    assert applied == ["d0", "d1", "d2", "d3", "d4"]
    assert spool.drain(lambda entry: applied.append(entry.decision_id)) == 0
    assert len(applied) == 5


def test_an_empty_or_missing_spool_has_nothing_pending(spool):
    assert spool.pending() == []
    assert spool.aside() == []


class Crash(BaseException):
    """Power goes off."""


def test_a_crash_between_applying_and_removing_applies_once(spool, tmp_path, monkeypatch):
    """The store's part of the bargain: the entry's id is recorded in the transaction that writes its rows."""
    sessions = Sessions(tmp_path / "w.duckdb")
    with sessions.write() as cursor:
        cursor.execute("CREATE TABLE orders (symbol VARCHAR); CREATE TABLE spooled (id VARCHAR)")

    def apply(entry):
        with sessions.write() as cursor:
            if cursor.execute("SELECT 1 FROM spooled WHERE id = ?", [entry.id]).fetchone():
                return
            cursor.execute("INSERT INTO spooled VALUES (?)", [entry.id])
            cursor.executemany("INSERT INTO orders VALUES (?)", [[row["symbol"]] for row in entry.to_dicts()])

    spool.put("d1", "desk.orders", ORDERS)

    def crash(*_, **__):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(Crash):
            spool.drain(apply)
    assert len(spool.pending()) == 1
    assert spool.drain(apply) == 1
    with sessions.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    assert spool.pending() == []


def test_a_failing_entry_stays_and_the_others_go_on(spool):
    for number in range(3):
        spool.put(f"d{number}", "desk.orders", ORDERS)
    applied: list[str] = []

    def apply(entry):
        if entry.decision_id == "d1":
            raise DataError("no such column")
        applied.append(entry.decision_id)

    with pytest.raises(DataError, match="no such column") as failure:
        spool.drain(apply)
    assert "d1/desk.orders" in failure.value.__notes__[0]
    assert applied == ["d0", "d2"]
    assert [entry.decision_id for entry in spool.pending()] == ["d1"]


def test_a_busy_warehouse_stops_the_drain_at_once(spool):
    for number in range(3):
        spool.put(f"d{number}", "desk.orders", ORDERS)
    tried: list[str] = []

    def apply(entry):
        tried.append(entry.id)
        raise WarehouseBusyError("busy")

    with pytest.raises(WarehouseBusyError):
        spool.drain(apply)
    assert len(tried) == 1
    assert len(spool.pending()) == 3


@pytest.mark.parametrize("damage", ["cut short", "a flipped byte", "empty", "no header"])
def test_a_damaged_file_is_set_aside_under_its_name(spool, damage):
    path = spool.put("d1", "desk.orders", ORDERS)
    spool.put("d2", "desk.orders", ORDERS)
    whole = path.read_bytes()
    middle = len(whole) // 2
    content = {
        "cut short": whole[:-40],
        "a flipped byte": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "no header": whole[1:],
    }[damage]
    path.write_bytes(content)
    assert [entry.decision_id for entry in spool.pending()] == ["d2"]
    (kept,) = spool.aside()
    assert kept.name == path.name
    assert kept.read_bytes() == content


def test_files_set_aside_never_overwrite_each_other(spool):
    for content in (b"one", b"two"):
        spool.put("d1", "desk.orders", ORDERS).write_bytes(content)
        assert spool.pending() == []
    assert sorted(path.read_bytes() for path in spool.aside()) == [b"one", b"two"]


def test_a_decision_can_be_spooled_again_over_a_damaged_file(spool):
    path = spool.put("d1", "desk.orders", ORDERS)
    path.write_bytes(b"broken")
    spool.put("d1", "desk.orders", ORDERS)
    assert [entry.rows for entry in spool.pending()] == [2]
    assert [kept.read_bytes() for kept in spool.aside()] == [b"broken"]


DIE_BEFORE_THE_LINK = """
import os, sys
from pathlib import Path
from warehouse.spool import Spool
os.link = lambda *_: os.kill(os.getpid(), 9)
Spool(Path(sys.argv[1])).put("d1", "desk.orders", [{"symbol": "SPY"}])
"""


def test_a_half_written_file_of_a_killed_process_is_set_aside(spool):
    subprocess.run([sys.executable, "-c", DIE_BEFORE_THE_LINK, str(spool.directory)], cwd=ROOT, check=False)
    assert [path.suffix for path in spool.directory.iterdir()] == [".half"]
    assert spool.pending() == []
    assert [path.suffix for path in spool.aside()] == [".half"]


def test_a_half_written_file_of_a_living_process_is_left_alone(spool, monkeypatch):
    link = os.link
    seen: list[int] = []

    def look_first(*names):
        seen.append(len(spool.pending()) + len(spool.aside()))
        link(*names)

    monkeypatch.setattr(os, "link", look_first)
    spool.put("d1", "desk.orders", ORDERS)
    assert seen == [0]
    assert len(spool.pending()) == 1


def test_file_and_folder_are_synced_before_the_answer(spool, monkeypatch):
    synced: list[str] = []
    fsync = os.fsync

    def note(handle):
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    spool.put("d1", "desk.orders", ORDERS)
    assert synced[0].endswith(".half")
    assert synced[1] == str(spool.directory)


def test_many_writers_of_one_decision_leave_one_entry(spool):
    threads = [threading.Thread(target=spool.put, args=("d1", "desk.orders", ORDERS)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(spool.pending()) == 1
    assert [path.name for path in spool.directory.glob("*.half")] == []


@pytest.mark.parametrize(
    ("decision_id", "table", "rows"),
    [
        ("", "desk.orders", ORDERS),
        ("d1", "orders", ORDERS),
        ("d1", "desk.orders", []),
        ("d1", "desk.orders", [{"price": 1.0}, {"price": "two"}]),
    ],
    ids=["no id", "no schema", "no rows", "mixed types"],
)
def test_what_cannot_be_stored_is_refused_with_a_reason(spool, decision_id, table, rows):
    with pytest.raises(DataError) as refused:
        spool.put(decision_id, table, rows)
    assert refused.value.fix
    assert spool.pending() == []


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(ResourceError, match="spool cannot be written"):
        Spool(tmp_path / "spool").put("d1", "desk.orders", ORDERS)
