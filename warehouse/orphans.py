"""Rows of chunked writes that never got their manifest: invisible to every read, counted and removed here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.tables import TABLES

if TYPE_CHECKING:
    import duckdb

GRACE = timedelta(hours=1)
"""A write whose last chunk is younger may still be under way."""


@dataclass(frozen=True)
class Orphan:
    """Rows of one unfinished write in one table."""

    table: str
    write_id: str
    rows: int
    last: datetime


def find(cursor: "duckdb.DuckDBPyConnection") -> list[Orphan]:
    """Return every unfinished write, those under way included."""
    found: list[Orphan] = []
    for name in TABLES:
        rows = cursor.execute(
            f"SELECT write_id, count(*), max(recorded_at) FROM {name} WHERE write_id IS NOT NULL"
            " AND write_id NOT IN (SELECT write_id FROM meta.manifests WHERE write_id IS NOT NULL)"
            " GROUP BY write_id ORDER BY write_id"
        ).fetchall()
        found += [Orphan(name, *row) for row in rows]
    return found


def remove(cursor: "duckdb.DuckDBPyConnection", now: datetime, older_than: timedelta = GRACE) -> list[Orphan]:
    """Delete the rows of writes whose last chunk is at least ``older_than`` old, and return what went.

    A write that is still alive after that finds its rows missing and fails instead of publishing a part.
    """
    found = find(cursor)
    latest: dict[str, datetime] = {}
    for orphan in found:
        latest[orphan.write_id] = max(orphan.last, latest.get(orphan.write_id, orphan.last))
    dead = [o for o in found if now - latest[o.write_id] >= older_than]
    for orphan in dead:
        cursor.execute(f"DELETE FROM {orphan.table} WHERE write_id = ?", [orphan.write_id])
    return dead
