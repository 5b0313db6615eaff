"""Writing rows: prepare a frame outside the lock, inside it store only what differs from the newest versions.

A row equal to the newest version of its key writes nothing.  Equal means: no value column differs; the
clocks, the ``write_id`` and columns declared ``compared=False`` (bookkeeping about the origin) do not
count.  Neither does a row of a lower grade than the newest version (`Table.grades`), whoever stored that one
in the meantime.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from pipeline.errors import DataError
from warehouse.asof import visible
from warehouse.digest import digest_frame
from warehouse.frames import conform
from warehouse.table import KNOWN_AT, RECORDED_AT, WRITE_ID, Table

if TYPE_CHECKING:
    import duckdb
    import polars as pl

Corrections: TypeAlias = Literal["now", "given"]
"""``now``: a correction is known no earlier than it is stored.  ``given``: a vintaged history says itself
when each value was known, so versions may come in any order.  A row is then compared with the version of its
own ``known_at`` alone: one that repeats an older value is kept, for a vintage between the two may still
come."""

_FEW = 64
"""Up to so many different values of a key column are looked up by list; more of them by a join, where no time
in the key narrows the search."""


@dataclass(frozen=True)
class Prepared:
    """A frame ready to be written: declared columns and types, no repeated keys, sorted by key."""

    table: Table
    frame: "pl.DataFrame"
    rows_in: int
    digest: str
    corrections: Corrections = "now"


@dataclass(frozen=True)
class Changes:
    """How many rows of one piece were new keys and how many new versions of stored keys.

    Each vintage of a vintaged history (``known_at`` given) counts as a key.
    """

    inserted: int
    revised: int


@dataclass(frozen=True)
class Appended:
    """What a write did to one table.

    ``rows_in`` = ``inserted`` (new keys) + ``revised`` (new versions) + ``unchanged`` (written already, or
    repeated in the frame).  ``digest`` covers the rows handed in.
    """

    table: str
    rows_in: int
    inserted: int
    revised: int
    unchanged: int
    write_id: str | None
    manifest_id: str | None
    digest: str


def prepare(table: Table, frame: "pl.DataFrame", corrections: Corrections = "now") -> Prepared:
    """Bring a frame into the form in which it is stored.

    Raises
    ------
    SchemaError, TimestampError, DataError
        As `frames.conform`; and DataError when one key comes with different contents.
    """
    rows_in = frame.height
    frame = conform(table, frame)
    key = [*table.key, KNOWN_AT] if corrections == "given" else list(table.key)
    if frame.select(key).is_duplicated().any():
        frame = frame.unique([*key, *table.values], keep="first", maintain_order=True)
        repeated = frame.filter(frame.select(key).is_duplicated())
        if not repeated.is_empty():
            first = repeated.sort(key).row(0, named=True)
            raise DataError(
                f"{table.full_name}: one key comes with different contents in one frame",
                field=", ".join(key),
                value={name: first[name] for name in key},
                constraint="one row for each key",
                fix="keep one of the rows, or write vintages with corrections='given'",
            )
    frame = frame.sort(key)
    return Prepared(table, frame, rows_in, digest_frame(table, frame), corrections)


def apply(
    cursor: "duckdb.DuckDBPyConnection",
    piece: Prepared,
    *,
    now: datetime,
    write_id: str | None = None,
) -> Changes:
    """Store what is new in ``piece`` inside the write session of ``cursor``.

    ``recorded_at`` is ``now``, or a microsecond after the version it follows when the clock has not moved
    since, so that (key, ``recorded_at``) stays the identity of a version.

    Raises
    ------
    DataError
        When a key of a table that is written once comes with other contents.
    """
    import polars as pl

    table, frame = piece.table, piece.frame
    if frame.is_empty():
        return Changes(0, 0)
    frame = frame.with_columns(pl.col(KNOWN_AT).fill_null(now)).with_row_index("row_")
    cursor.register("incoming_", frame.to_arrow())
    try:
        differing = _differing(cursor, piece, frame, write_id)
    finally:
        cursor.unregister("incoming_")
    stored = differing["stored_recorded"].is_not_null()
    revised = int(stored.sum())
    if revised and table.policy == "once":
        _refuse(table, frame, int(differing.filter(stored)["row_"][0]))
    if differing.is_empty():
        return Changes(0, 0)
    after = pl.col("stored_recorded") + timedelta(microseconds=1)
    moment = pl.lit(now, pl.Datetime("us", "UTC"))
    corrected = pl.max_horizontal(pl.col(KNOWN_AT), moment, pl.col("stored_known"))
    keep_given = pl.col("stored_recorded").is_null() | (piece.corrections == "given")
    delta = (
        frame[differing["row_"]]
        .with_columns(differing["stored_known"], differing["stored_recorded"])
        .with_columns(
            pl.when(keep_given).then(pl.col(KNOWN_AT)).otherwise(corrected).alias(KNOWN_AT),
            pl.max_horizontal(moment, after).alias(RECORDED_AT),
            pl.lit(write_id, pl.String).alias(WRITE_ID),
        )
        .select(c.name for c in table.all_columns)
    )
    insert(cursor, table, delta)
    return Changes(inserted=delta.height - revised, revised=revised)


def insert(cursor: "duckdb.DuckDBPyConnection", table: Table, rows: "pl.DataFrame") -> None:
    """Insert complete rows, clocks included, as they are."""
    cursor.register("delta_", rows.to_arrow())
    try:
        columns = ", ".join(c.name for c in table.all_columns)
        cursor.execute(f"INSERT INTO {table.full_name} ({columns}) SELECT {columns} FROM delta_")
    finally:
        cursor.unregister("delta_")


def _differing(
    cursor: "duckdb.DuckDBPyConnection", piece: Prepared, frame: "pl.DataFrame", write_id: str | None
) -> "pl.DataFrame":
    """Return ``row_`` of each incoming row to be written, with the clocks of the version it follows."""
    table = piece.table
    seen = visible(own=write_id)
    near, parameters = _near(table, frame)
    same = " AND ".join(f"i.{k} IS NOT DISTINCT FROM s.{k}" for k in table.key)
    changed = " OR ".join(f"i.{v} IS DISTINCT FROM s.{v}" for v in table.values) or "false"
    if table.grades is not None and piece.corrections == "now":
        changed = f"({changed}) AND {_no_lower_grade(*table.grades)}"
    # Qualified, or a column that the file lacks would be taken from the incoming row and equal itself.
    columns = ", ".join(f"kept.{name}" for name in (*table.key, *table.values, KNOWN_AT, RECORDED_AT))
    stored = f"SELECT {columns} FROM {table.full_name} kept WHERE {seen.sql} AND {near}"
    newest = f"{KNOWN_AT} DESC, {RECORDED_AT} DESC"
    if piece.corrections == "given":
        joined = (
            f"SELECT * FROM (SELECT i.row_, s.{KNOWN_AT} AS stored_known, s.{RECORDED_AT} AS stored_recorded,"
            f" ({changed}) AS changed FROM incoming_ i LEFT JOIN ({stored}) s"
            f" ON {same} AND s.{KNOWN_AT} = i.{KNOWN_AT}"
            f" QUALIFY row_number() OVER (PARTITION BY i.row_ ORDER BY s.{RECORDED_AT} DESC NULLS LAST) = 1)"
        )
    else:
        keys = ", ".join(table.key)
        latest = f"{stored} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {newest}) = 1"
        joined = (
            f"SELECT i.row_, s.{KNOWN_AT} AS stored_known, s.{RECORDED_AT} AS stored_recorded,"
            f" ({changed}) AS changed FROM incoming_ i LEFT JOIN ({latest}) s ON {same}"
        )
    return cursor.execute(
        f"SELECT row_, stored_known, stored_recorded FROM ({joined})"
        " WHERE stored_recorded IS NULL OR changed ORDER BY row_",
        [*seen.parameters, *parameters],
    ).pl()


def _no_lower_grade(column: str, words: tuple[str, ...]) -> str:
    order = ", ".join(f"'{word}'" for word in words)
    return f"list_position([{order}], i.{column}) >= list_position([{order}], s.{column})"


def _near(table: Table, frame: "pl.DataFrame") -> tuple[str, list[object]]:
    """Return a condition that holds for every stored row with an incoming key, so that little is scanned."""
    parts: list[str] = []
    parameters: list[object] = []
    for name in table.key:
        series = frame[name]
        if series.null_count():
            continue
        if name == table.time:
            parts.append(f"{name} BETWEEN ? AND ?")
            parameters += [series.min(), series.max()]
        elif series.n_unique() <= _FEW:
            values = series.unique().sort().to_list()
            parts.append(f"{name} IN ({', '.join('?' * len(values))})")
            parameters += values
        elif table.time not in table.key:  # else the stretch of time narrows enough
            parts.append(f"{name} IN (SELECT {name} FROM incoming_)")
    return " AND ".join(parts) or "true", parameters


def _refuse(table: Table, frame: "pl.DataFrame", row: int) -> None:
    found = frame.row(row, named=True)
    raise DataError(
        f"{table.full_name}: this key is already written with other contents",
        field=", ".join(table.key),
        value={name: found[name] for name in table.key},
        constraint="rows of this table are written once",
        fix="write under a new key",
    )
