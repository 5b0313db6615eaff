"""The digest tree of a stored table: which leaves are still good, and hashing only the others.

A kept leaf is good while the rows it stands for count the same and bear the same newest clocks; that is
read from the rows themselves, so no writer has to mark anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.asof import filters, instant, newest, select_versions, visible
from warehouse.digest import LeafId, combine, label, leaves
from warehouse.table import KNOWN_AT, RECORDED_AT, Table
from warehouse.tables_meta import DIGESTS

if TYPE_CHECKING:
    import duckdb
    import polars as pl


@dataclass(frozen=True)
class Leaf:
    """One kept leaf, with what it was computed from."""

    rows: int
    newest_recorded: datetime
    newest_known: datetime
    live_rows: int
    digest: bytes

    def stands_for(self, head: "Head") -> bool:
        """Say whether no row has come since."""
        return (self.rows, self.newest_recorded, self.newest_known) == (head.rows, head.recorded, head.known)


@dataclass(frozen=True)
class Head:
    """What the rows of one leaf are at present: how many versions, and their newest clocks."""

    rows: int
    recorded: datetime
    known: datetime


@dataclass(frozen=True)
class TableDigest:
    """The digest of a table as of an instant.

    Parameters
    ----------
    table
        ``schema.name``.
    at
        The instant, None for everything known now.
    rows
        Rows that it covers.
    digest
        Root of the tree, hex.
    leaves
        Number of leaves.
    hashed
        How many of them had to be hashed; the others were kept.
    """

    table: str
    at: datetime | None
    rows: int
    digest: str
    leaves: int
    hashed: int


@dataclass(frozen=True)
class Grown:
    """A digest with the leaves that were hashed for it and may be kept."""

    result: TableDigest
    fresh: Mapping[LeafId, Leaf]


def grow(
    cursor: "duckdb.DuckDBPyConnection",
    table: Table,
    at: datetime | None = None,
    *,
    recorded: bool = False,
    where: Mapping[str, object] | None = None,
    known: Mapping[LeafId, Leaf] | None = None,
) -> Grown:
    """Return the digest of what `as_of` would read, hashing only leaves that are not kept.

    Parameters
    ----------
    cursor
        Of a read session.
    table, at, recorded, where
        As `Warehouse.as_of`; ``where`` may name only block columns, so that leaves are whole.
    known
        Leaves that this process remembers; the file's own are read when these do not suffice.
    """
    found = heads(cursor, table, where)
    good = {i: leaf for i, leaf in (known or {}).items() if i in found and leaf.stands_for(found[i])}
    if len(good) < len(found):
        kept = stored_leaves(cursor, table)
        good |= {i: kept[i] for i in found if i not in good and i in kept and kept[i].stands_for(found[i])}
    moment = None if at is None else instant("at", at)

    def whole(head: Head) -> bool:
        return moment is None or (head.recorded if recorded else head.known) <= moment

    digests = {i: good[i].digest for i, head in found.items() if whole(head) and i in good}
    rows = sum(good[i].live_rows for i in digests)
    stale = [i for i in found if i not in digests]
    fresh: dict[LeafId, Leaf] = {}
    if stale:
        frame = _rows(cursor, table, stale, moment, recorded=recorded, where=where)
        rows += frame.height
        computed = leaves(table, frame)
        digests |= computed
        counts = _counts(table, frame) if computed else {}
        for i, digest in computed.items():
            head = found[i]
            if whole(head):
                fresh[i] = Leaf(head.rows, head.recorded, head.known, counts[i], digest)
    result = TableDigest(table.full_name, at, rows, combine(table, digests), len(digests), len(stale))
    return Grown(result, fresh)


def heads(
    cursor: "duckdb.DuckDBPyConnection", table: Table, where: Mapping[str, object] | None = None
) -> dict[LeafId, Head]:
    """Return what each leaf's rows are at present."""
    month = "1970 * 12"
    if table.time is not None:
        month = f"year({table.time} AT TIME ZONE 'UTC') * 12 + month({table.time} AT TIME ZONE 'UTC') - 1"
    chosen, seen = filters(table, where), visible()
    groups = ", ".join(("1", *table.block))
    columns = "".join(f", {name}" for name in table.block)
    rows = cursor.execute(
        f"SELECT {month}{columns}, count(*), max({RECORDED_AT}), max({KNOWN_AT}) FROM {table.full_name}"
        f" WHERE {chosen.sql} AND {seen.sql} GROUP BY {groups}",
        [*chosen.parameters, *seen.parameters],
    ).fetchall()
    return {LeafId(row[0], label(row[1:-3])): Head(row[-3], row[-2], row[-1]) for row in rows}


def stored_leaves(cursor: "duckdb.DuckDBPyConnection", table: Table) -> dict[LeafId, Leaf]:
    """Return the leaves kept in the file."""
    rows = cursor.execute(
        "SELECT year(month) * 12 + month(month) - 1, block, rows, newest_recorded, newest_known, live_rows,"
        " digest"
        f" FROM {DIGESTS.full_name} WHERE table_name = ?",
        [table.full_name],
    ).fetchall()
    return {LeafId(r[0], r[1]): Leaf(r[2], r[3], r[4], r[5], bytes.fromhex(r[6])) for r in rows}


def keep(
    cursor: "duckdb.DuckDBPyConnection", table: Table, fresh: Mapping[LeafId, Leaf], now: datetime
) -> None:
    """Store leaves in the file, in place of older ones, inside a write session."""
    import polars as pl

    from warehouse.frames import schema

    names = [c.name for c in DIGESTS.all_columns]
    kinds = schema(DIGESTS, names)
    rows = [
        (
            table.full_name,
            datetime(i.months // 12, i.months % 12 + 1, 1, tzinfo=now.tzinfo).date(),
            i.block,
            leaf.rows,
            leaf.newest_recorded,
            leaf.newest_known,
            leaf.live_rows,
            leaf.digest.hex(),
            now,
            now,
            None,
        )
        for i, leaf in fresh.items()
    ]
    frame = pl.DataFrame(rows, schema=kinds, orient="row")
    cursor.register("leaves_", frame.to_arrow())
    try:
        cursor.execute(
            f"MERGE INTO {DIGESTS.full_name} AS kept USING leaves_ AS fresh"
            f" ON {' AND '.join(f'kept.{k} = fresh.{k}' for k in DIGESTS.key)}"
            f" WHEN MATCHED THEN UPDATE SET {', '.join(f'{n} = fresh.{n}' for n in names)}"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})"
            f" VALUES ({', '.join(f'fresh.{n}' for n in names)})"
        )
    finally:
        cursor.unregister("leaves_")


def _rows(
    cursor: "duckdb.DuckDBPyConnection",
    table: Table,
    stale: list[LeafId],
    at: datetime | None,
    *,
    recorded: bool,
    where: Mapping[str, object] | None,
) -> "pl.DataFrame":
    """Return the newest versions of the stale leaves, and of no other."""
    import polars as pl

    columns = list(dict.fromkeys((*(c.name for c in table.digested), *table.key, KNOWN_AT, RECORDED_AT)))
    bounds: dict[str, datetime] = {}
    if table.time is not None:
        first, last = min(i.months for i in stale), max(i.months for i in stale) + 1
        bounds = {"start": _month(first), "end": _month(last)}
    query = select_versions(table, columns, at, recorded=recorded, where=where, **bounds)
    frame = newest(table, cursor.execute(query.sql, query.parameters).pl())
    wanted = pl.DataFrame(
        [(i.months, i.block) for i in stale], schema={"months_": pl.Int32, "label_": pl.String}, orient="row"
    )
    return (
        _labelled(table, frame)
        .join(wanted, on=["months_", "label_"], how="semi", maintain_order="left")
        .drop("months_", "label_")
    )


def _labelled(table: Table, frame: "pl.DataFrame") -> "pl.DataFrame":
    """Add the leaf of each row as ``months_`` and ``label_``."""
    import polars as pl

    from warehouse.digest import month_number

    frame = frame.with_columns(month_number(table, frame).alias("months_"))
    if not table.block:
        return frame.with_columns(pl.lit(label(())).alias("label_"))
    blocks = frame.select(table.block).unique(maintain_order=True)
    labels = blocks.with_columns(pl.Series("label_", [label(r) for r in blocks.rows()], dtype=pl.String))
    return frame.join(labels, on=list(table.block), how="left", nulls_equal=True, maintain_order="left")


def _counts(table: Table, frame: "pl.DataFrame") -> dict[LeafId, int]:
    counted = _labelled(table, frame).group_by("months_", "label_").len()
    return {LeafId(months, text): n for months, text, n in counted.iter_rows()}


def _month(months: int) -> datetime:
    from datetime import UTC

    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
