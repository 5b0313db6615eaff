"""Urgent writes: into the file when it can be had, else into the spool and from there into the file once.

``meta.spooled`` remembers every decision that reached the file, in the transaction that brought it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pipeline.errors import RefusedError
from warehouse.append import Prepared, prepare
from warehouse.append import apply as apply_rows
from warehouse.spool import Entry, Spool
from warehouse.tables import table
from warehouse.tables_meta import SPOOLED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    import duckdb


def entry_id(decision_id: str, piece: Prepared) -> str:
    """Return what identifies the rows of a decision for one table, as the spool does."""
    return f"{decision_id}/{piece.table.full_name}"


def apply(
    cursor: "duckdb.DuckDBPyConnection",
    identity: str,
    piece: Prepared,
    *,
    now: datetime,
    via: Literal["write", "spool"],
) -> bool:
    """Store the rows of a decision unless they are there, inside a write session.

    Returns
    -------
    bool
        Whether they were new.

    Raises
    ------
    RefusedError
        When that decision has stored other rows in that table.
    """
    seen = cursor.execute(f"SELECT digest FROM {SPOOLED.full_name} WHERE entry_id = ?", [identity]).fetchone()
    if seen is not None:
        if seen[0] != piece.digest:
            raise RefusedError(
                "this decision has stored other rows in this table",
                field="decision_id",
                value=identity,
                constraint="a decision is taken once",
                fix="resume the stored one",
            )
        return False
    apply_rows(cursor, piece, now=now)
    cursor.execute(
        f"INSERT INTO {SPOOLED.full_name} (entry_id, table_name, rows, digest, via, known_at, recorded_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [identity, piece.table.full_name, piece.rows_in, piece.digest, via, now, now],
    )
    return True


def put(directory: "Path", decision_id: str, piece: Prepared) -> "Path":
    """Put the rows of a decision into the spool, safe on disk when this returns."""
    return Spool(directory).put(decision_id, piece.table.full_name, piece.frame.to_arrow())


def drain(
    directory: "Path",
    session: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
    now: "Callable[[], datetime]",
) -> int:
    """Bring every spooled entry into the file and return how many were new to it."""
    import polars as pl

    if not directory.is_dir():
        return 0
    new = 0

    def store(entry: Entry) -> None:
        nonlocal new
        rows = pl.DataFrame(pl.from_arrow(entry.arrow()))
        piece = prepare(table(entry.table), rows)
        with session() as cursor:
            new += apply(cursor, entry.id, piece, now=now(), via="spool")

    Spool(directory).drain(store)
    return new
