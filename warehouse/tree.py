"""The digest tree of a stored table: which leaves are still good, and hashing only the others.

A kept leaf is good until a row is recorded after it; that is read from the rows themselves, so no writer
has to mark anything.  Rows that came or went otherwise show in the counts, and then every leaf is looked
at.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ConfigError
from warehouse.asof import Select, any_chunked, filters, instant, select_versions, visible
from warehouse.digest import LeafId, combine, label, leaves
from warehouse.table import KNOWN_AT, RECORDED_AT, Table
from warehouse.tables_meta import DIGESTS

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FEW = 64
"""Up to so many different values of a block column are looked up by list."""


class Head(NamedTuple):
    """What the rows of one leaf are: how many versions, and their newest clocks (microseconds since 1970)."""

    rows: int
    recorded: int
    known: int


class Leaf(NamedTuple):
    """One kept leaf: what it was computed from, how many newest versions it has, and its digest."""

    head: Head
    live_rows: int
    digest: bytes


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
        Leaves that this process remembers; those in the file are read when there are none.

    Raises
    ------
    ConfigError
        When ``where`` names another column.
    """
    foreign = sorted(set(where or {}) - set(table.block))
    if foreign:
        raise ConfigError(
            "a digest covers whole blocks",
            field=foreign[0],
            constraint=f"one of {', '.join(table.block) or 'none'}",
            fix="select by block columns, or digest the frame itself with digest_frame",
        )
    kept = _within(table, where, known or {}) or _within(table, where, stored_leaves(cursor, table))
    chunked = any_chunked(cursor, table)
    found = _present(cursor, table, where, kept, chunked=chunked)
    latest = None if at is None else _micros(instant("at", at))
    digests: dict[LeafId, bytes] = {}
    rows = 0
    stale: list[LeafId] = []
    for i, head in found.items():
        leaf = kept.get(i)
        whole = latest is None or (head.recorded if recorded else head.known) <= latest
        if leaf is not None and leaf.head == head and whole:
            digests[i] = leaf.digest
            rows += leaf.live_rows
        else:
            stale.append(i)
    fresh: dict[LeafId, Leaf] = {}
    if stale:
        rows_of = _versions(cursor, table, stale, at, recorded=recorded, where=where, chunked=chunked)
        computed = leaves(table, rows_of, versions=True)
        for i in stale:
            if i not in computed:  # no row of it was known then
                continue
            digests[i] = computed[i].digest
            rows += computed[i].rows
            head = found[i]
            if latest is None or (head.recorded if recorded else head.known) <= latest:
                fresh[i] = Leaf(head, computed[i].rows, computed[i].digest)
    result = TableDigest(table.full_name, at, rows, combine(table, digests), len(digests), len(stale))
    return Grown(result, fresh)


def _present(
    cursor: "duckdb.DuckDBPyConnection",
    table: Table,
    where: Mapping[str, object] | None,
    kept: Mapping[LeafId, Leaf],
    *,
    chunked: bool,
) -> dict[LeafId, Head]:
    """Return the head of every leaf, looking closely only at rows recorded after the kept leaves."""
    if kept:
        after = max(leaf.head.recorded for leaf in kept.values())
        before, added = _heads(cursor, table, where, after, chunked=chunked)
        if before == sum(leaf.head.rows for leaf in kept.values()):
            found = {i: leaf.head for i, leaf in kept.items()}
            for i, new in added.items():
                old = found.get(i, Head(0, 0, new.known))
                found[i] = Head(old.rows + new.rows, new.recorded, max(old.known, new.known))
            return found
    return _heads(cursor, table, where, None, chunked=chunked)[1]


def _heads(
    cursor: "duckdb.DuckDBPyConnection",
    table: Table,
    where: Mapping[str, object] | None,
    after: int | None,
    *,
    chunked: bool,
) -> tuple[int, dict[LeafId, Head]]:
    """Return how many rows were recorded up to ``after``, and the heads by leaf of those recorded later."""
    chosen, seen = filters(table, where), visible() if chunked else Select("true")
    month = "1970 * 12"
    if table.time is not None:  # plain timestamps: calendar functions on zoned ones are ten times slower
        plain = f"make_timestamp(epoch_us({table.time}))"
        month = f"year({plain}) * 12 + month({plain}) - 1"
    late = "true" if after is None else f"{RECORDED_AT} > make_timestamptz({after})"
    source = f"FROM {table.full_name} WHERE {chosen.sql} AND {seen.sql}"
    parameters = [*chosen.parameters, *seen.parameters]
    rows = cursor.execute(
        f"SELECT {', '.join((month, *table.block))}, count(*), max(epoch_us({RECORDED_AT})),"
        f" max(epoch_us({KNOWN_AT})) {source} AND {late} GROUP BY ALL",
        parameters,
    ).fetchall()
    total = cursor.execute(f"SELECT count(*) {source}", parameters).fetchone() if after is not None else None
    before = 0 if total is None else total[0] - sum(row[-3] for row in rows)
    labels = {row[1:-3]: label(row[1:-3]) for row in rows}
    return before, {LeafId(row[0], labels[row[1:-3]]): Head(*row[-3:]) for row in rows}


def stored_leaves(cursor: "duckdb.DuckDBPyConnection", table: Table) -> dict[LeafId, Leaf]:
    """Return the leaves kept in the file."""
    rows = cursor.execute(
        "SELECT year(month) * 12 + month(month) - 1, block, rows, epoch_us(newest_recorded),"
        f" epoch_us(newest_known), live_rows, digest FROM {DIGESTS.full_name} WHERE table_name = ?",
        [table.full_name],
    ).fetchall()
    return {LeafId(r[0], r[1]): Leaf(Head(*r[2:5]), r[5], bytes.fromhex(r[6])) for r in rows}


def keep(
    cursor: "duckdb.DuckDBPyConnection", table: Table, fresh: Mapping[LeafId, Leaf], now: datetime
) -> None:
    """Store leaves in the file, in place of older ones, inside a write session."""
    import polars as pl

    from warehouse.frames import schema

    names = [c.name for c in DIGESTS.all_columns]
    rows = [
        (
            table.full_name,
            _month(i.months).date(),
            i.block,
            leaf.head.rows,
            _EPOCH + timedelta(microseconds=leaf.head.recorded),
            _EPOCH + timedelta(microseconds=leaf.head.known),
            leaf.live_rows,
            leaf.digest.hex(),
            now,
            now,
            None,
        )
        for i, leaf in fresh.items()
    ]
    frame = pl.DataFrame(rows, schema=schema(DIGESTS, names), orient="row")
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


def _within(
    table: Table, where: Mapping[str, object] | None, kept: Mapping[LeafId, Leaf]
) -> dict[LeafId, Leaf]:
    """Return the kept leaves that ``where`` selects."""
    if not where:
        return dict(kept)
    wanted = {
        name: [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
        for name, value in where.items()
    }
    blocks = {i.block for i in kept}
    inside = {
        text
        for text in blocks
        if all(
            value in wanted[name]
            for name, value in zip(table.block, json.loads(text), strict=True)
            if name in wanted
        )
    }
    return {i: leaf for i, leaf in kept.items() if i.block in inside}


def _versions(
    cursor: "duckdb.DuckDBPyConnection",
    table: Table,
    stale: list[LeafId],
    at: datetime | None,
    *,
    recorded: bool,
    where: Mapping[str, object] | None,
    chunked: bool,
) -> "pl.DataFrame":
    """Return the versions in the stale leaves; when these lie scattered, some of other leaves too."""
    columns = list(dict.fromkeys((*(c.name for c in table.digested), *table.key, KNOWN_AT, RECORDED_AT)))
    bounds: dict[str, datetime] = {}
    if table.time is not None:
        first, last = min(i.months for i in stale), max(i.months for i in stale) + 1
        bounds = {"start": _month(first), "end": _month(last)}
    blocks = [json.loads(text) for text in {i.block for i in stale}]
    near: dict[str, object] = dict(where or {})
    for name, values in zip(table.block, zip(*blocks, strict=True), strict=True):
        if len(set(values)) <= _FEW and None not in values:
            near[name] = sorted(set(values))
    query = select_versions(table, columns, at, recorded=recorded, where=near, chunked=chunked, **bounds)
    return cursor.execute(query.sql, query.parameters).pl()


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _month(months: int) -> datetime:
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
