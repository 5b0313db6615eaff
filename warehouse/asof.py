"""Which versions a read sees: the SQL of both clocks, and the newest version of each key.

A row with a ``write_id`` counts only once a manifest names that write; every read here obeys it.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, TimestampError
from warehouse.table import KNOWN_AT, RECORDED_AT, WRITE_ID, Table

if TYPE_CHECKING:
    import duckdb
    import polars as pl


_SHORT = 16
"""Up to so many values of a text column of the block are looked for in a list: such columns hold few
different values, and DuckDB then looks once for each of them, where IN would join every row."""


@dataclass(frozen=True)
class Select:
    """A query with the values of its parameters, in order."""

    sql: str
    parameters: list[object] = field(default_factory=list)


def instant(name: str, value: datetime) -> datetime:
    """Return ``value`` in UTC.

    Raises
    ------
    TimestampError
        When it carries no time zone.
    """
    if value.tzinfo is None:
        raise TimestampError(
            "an instant without time zone",
            field=name,
            value=value.isoformat(),
            constraint="time-zone aware",
            fix="give UTC",
        )
    return value.astimezone(UTC)


def visible(at: datetime | None = None, *, own: str | None = None) -> Select:
    """Return the condition that hides unfinished chunked writes.

    Parameters
    ----------
    at
        Only writes completed at or before this instant count (for reads by ``recorded_at``).
    own
        A chunked write under way that sees its own rows.
    """
    done = "SELECT write_id FROM meta.manifests WHERE write_id IS NOT NULL"
    parameters: list[object] = []
    if at is not None:
        done += " AND recorded_at <= ?"
        parameters.append(at)
    condition = f"{WRITE_ID} IS NULL OR {WRITE_ID} IN ({done})"
    if own is not None:
        condition += f" OR {WRITE_ID} = ?"
        parameters.append(own)
    return Select(f"({condition})", parameters)


def any_chunked(cursor: "duckdb.DuckDBPyConnection", table: Table) -> bool:
    """Say whether some row of the table came in a chunked write; if none did, `visible` hides nothing."""
    found = cursor.execute(f"SELECT 1 FROM {table.full_name} WHERE {WRITE_ID} IS NOT NULL LIMIT 1")
    return found.fetchone() is not None


def filters(
    table: Table,
    where: Mapping[str, object] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Select:
    """Return the condition for equal columns (a list means any of it) and ``start <= time < end``.

    Raises
    ------
    ConfigError
        When a column is not declared, or the table has no time column.
    """
    parts: list[str] = []
    parameters: list[object] = []
    for name, value in (where or {}).items():
        repeats = table.column(name).type == "VARCHAR" and name in table.block
        if value is None:
            parts.append(f"{name} IS NULL")
        elif isinstance(value, Sequence | AbstractSet) and not isinstance(value, str):
            values = list(value)
            if repeats and 1 < len(values) <= _SHORT:
                parts.append(f"list_contains(?, {name})")
                parameters.append(values)
                continue
            parts.append(f"{name} IN ({', '.join('?' for _ in values)})" if values else "false")
            parameters += values
        else:
            parts.append(f"{name} = ?")
            parameters.append(value)
    for name, bound, sign in (("start", start, ">="), ("end", end, "<")):
        if bound is None:
            continue
        if table.time is None:
            raise ConfigError(
                f"{table.full_name} has no time column",
                field=name,
                value=bound,
                constraint="none for this table",
                fix="select with where=",
            )
        parts.append(f"{table.time} {sign} ?")
        parameters.append(instant(name, bound))
    return Select(" AND ".join(parts) or "true", parameters)


def select_versions(
    table: Table,
    columns: Sequence[str],
    at: datetime | None = None,
    *,
    recorded: bool = False,
    where: Mapping[str, object] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    chunked: bool = True,
) -> Select:
    """Return the query for every version that a read as of ``at`` may choose from.

    ``chunked`` is False where no row of the table came in a chunked write, see `any_chunked`.
    """
    for name in columns:
        table.column(name)
    chosen = filters(table, where, start, end)
    seen = visible(instant("at", at) if recorded and at is not None else None) if chunked else Select("true")
    parts, parameters = [chosen.sql, seen.sql], [*chosen.parameters, *seen.parameters]
    if at is not None:
        parts.append(f"{RECORDED_AT if recorded else KNOWN_AT} <= ?")
        parameters.append(instant("at", at))
    return Select(
        f"SELECT {', '.join(columns)} FROM {table.full_name} WHERE {' AND '.join(parts)}", parameters
    )


def select_newest(table: Table, columns: Sequence[str], at: datetime | None = None, **how: object) -> Select:
    """Return the query for the newest version of each key; arguments as `select_versions`.

    Of two versions the one with the later ``known_at`` is newer; of two known at the same instant, the one
    recorded later.  The same order serves both clocks, so that ``as_of(t, recorded=True)`` gives what a plain
    read gave at t.
    """
    versions = select_versions(table, columns, at, **how)  # ty: ignore[invalid-argument-type]
    order = f"PARTITION BY {', '.join(table.key)} ORDER BY {KNOWN_AT} DESC, {RECORDED_AT} DESC"
    return Select(f"{versions.sql} QUALIFY row_number() OVER ({order}) = 1", versions.parameters)


def newest(table: Table, versions: "pl.DataFrame") -> "pl.DataFrame":
    """Keep the newest version of each key, sorted by key: `select_newest` on a frame, several times faster.

    ``versions`` holds the key and both clocks.
    """
    if _ascending(table, versions):  # one version of each key, stored in order: the common case
        return versions
    return versions.sort(*table.key, KNOWN_AT, RECORDED_AT, nulls_last=False).unique(
        table.key, keep="last", maintain_order=True
    )


def _ascending(table: Table, frame: "pl.DataFrame") -> bool:
    """Say whether the key rises strictly from row to row, NULL first; a NULL key counts as not."""
    import polars as pl

    rises = pl.lit(value=False)
    for name in reversed(table.key):
        column = pl.col(name)
        rises = (column > column.shift(1)) | ((column == column.shift(1)) & rises)
    return bool(frame.select(rises.slice(1).fill_null(value=False).all()).item())
