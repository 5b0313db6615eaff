"""Damaged warehouse files and state: each is named with the exit code of its kind and left as it was."""
# ruff: noqa: E501 - one damage per line reads best

import shutil

import duckdb

from tests.damage.case import STATUS, Case
from tests.damage.room import Room


def _sql(*statements: str):
    def damage(room: Room) -> None:
        with duckdb.connect(str(room.warehouse)) as connection:
            for statement in statements:
                connection.execute(statement)

    return damage


def _text(room: Room) -> None:
    room.warehouse.write_bytes(b"not a database " * 1000)


def _cut(room: Room) -> None:
    room.warehouse.write_bytes(room.warehouse.read_bytes()[: room.warehouse.stat().st_size // 3])


def _zeros(room: Room) -> None:
    whole = room.warehouse.read_bytes()
    room.warehouse.write_bytes(whole[:4096] + b"\0" * (len(whole) - 4096))


def _folder(room: Room) -> None:
    room.warehouse.unlink()
    room.warehouse.mkdir()


def _loop(room: Room) -> None:
    room.warehouse.unlink()
    room.warehouse.symlink_to(room.warehouse.name)


def _sqlite(room: Room) -> None:
    import sqlite3

    room.warehouse.unlink()
    with sqlite3.connect(room.warehouse) as connection:
        connection.execute("CREATE TABLE t (x INTEGER)")


def _spool(room: Room) -> None:
    aside = room.home / "spool" / "aside"
    aside.mkdir(parents=True, exist_ok=True)
    (aside / "half").write_bytes(b"?")


def _lock_folder(room: Room) -> None:
    side = room.warehouse.with_name(room.warehouse.name + ".lock")
    side.unlink(missing_ok=True)
    side.mkdir()


UPDATE = ("data", "update", "--json")
DOCTOR = ("doctor", "--json")
RUN = ("backtest", "run", "--json")
NEWER = _sql(
    "INSERT INTO meta.migrations (number, title, known_at, recorded_at) VALUES (99, 'x', now(), now())"
)
COLUMN = _sql("ALTER TABLE market.ohlcv_h4 RENAME COLUMN close TO shut")

# kind, name, damage, code, words, commands
DAMAGES = (
    ("warehouse is no database", "words", _text, 2, "warehouse", (STATUS, UPDATE, DOCTOR)),
    ("warehouse is no database", "of SQLite", _sqlite, 2, "warehouse", (STATUS, UPDATE)),
    ("warehouse cut", "a third is left", _cut, 2, "warehouse", (STATUS, DOCTOR)),
    ("warehouse zeroed", "behind the header", _zeros, 2, "warehouse", (STATUS,)),
    ("warehouse empty", "zero bytes", lambda r: r.warehouse.write_bytes(b""), 2, "warehouse", (STATUS,)),
    ("warehouse is a folder", "empty", _folder, 2, "warehouse", (STATUS, UPDATE)),
    ("warehouse links to itself", "loop", _loop, 2, "warehouse", (STATUS,)),
    ("warehouse missing", "nothing there", lambda r: r.warehouse.unlink(), 2, "no warehouse", (STATUS, ("backtest", "show", "--json"))),
    ("warehouse newer", "migration 99", NEWER, 1, "newer version", (UPDATE, DOCTOR)),
    ("warehouse altered", "column renamed", COLUMN, 2, "close|shut|column", (RUN,)),
    ("warehouse altered", "table dropped", _sql("DROP VIEW IF EXISTS market.ohlcv_h4_now", "DROP TABLE market.ohlcv_h4 CASCADE"), 2, "ohlcv_h4", (STATUS,)),
    ("lock file is a folder", "lock", _lock_folder, 1, "side file", (UPDATE,)),
    ("spool damaged", "set aside", _spool, 2, "spool", (DOCTOR,)),
    ("home gone", "whole folder", lambda r: shutil.rmtree(r.home), 2, "no warehouse", (STATUS,)),
)  # fmt: skip

CASES = [
    Case(kind, f"{name}, bells {' '.join(command[:2]).removesuffix(' --json')}", damage, code, words, command)
    for kind, name, damage, code, words, commands in DAMAGES
    for command in commands
]
CASES.append(
    Case("warehouse altered", "column renamed, bells data update", COLUMN, 2, "ohlcv_h4", UPDATE, keeps=None)
)
"""The other tables are whole, and take what is new."""
