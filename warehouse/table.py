"""How a table is declared: columns with type, unit and description, a key, and how its rows may change.

Declarations only.  DDL, frames, digests, views and documentation derive from them in their own modules; the
tables themselves stand in ``tables_*.py``.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.errors import ConfigError

Type: TypeAlias = Literal[
    "VARCHAR",
    "BOOLEAN",
    "INTEGER",
    "BIGINT",
    "DOUBLE",
    "DATE",
    "TIMESTAMPTZ",
    "DECIMAL(18,8)",
    "DECIMAL(28,8)",
    "FLOAT[]",
]
"""The DuckDB types in use; a new one needs its bytes in ``digest.py`` and its dtype in ``frames.py``."""

Policy: TypeAlias = Literal["versions", "once", "latest"]
"""``versions``: append-only, a changed row is a new version.  ``once``: a key is written once, for good.
``latest``: the store's own bookkeeping, replaced in place."""

KNOWN_AT = "known_at"
RECORDED_AT = "recorded_at"
WRITE_ID = "write_id"

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name
        Lower case, no reserved word of SQL.
    type
        DuckDB type.
    unit
        What one unit of the value is (``USD``, ``fraction``, ``UTC``, ``text``).
    description
        One sentence for people.
    nullable
        Whether the value may be unknown.
    compared
        Whether a difference makes a new version.  False only for bookkeeping about the origin of a row (which
        file, how long it took); such columns are also left out of digests.
    """

    name: str
    type: Type
    unit: str
    description: str
    nullable: bool = True
    compared: bool = True


CLOCKS: tuple[Column, ...] = (
    Column(KNOWN_AT, "TIMESTAMPTZ", "UTC", "When the world could know this row.", nullable=False),
    Column(RECORDED_AT, "TIMESTAMPTZ", "UTC", "When this warehouse stored this row.", nullable=False),
    Column(WRITE_ID, "VARCHAR", "id", "The chunked write this row belongs to; NULL when written whole."),
)
"""Every table ends with these columns; the store fills the last two."""


@dataclass(frozen=True)
class Table:
    """One table of the warehouse, declared once.

    Parameters
    ----------
    schema, name
        ``schema.name`` in SQL, ``[schema, name]`` as Dagster asset key.
    description
        What one row is.
    columns
        The declared columns without the clocks.
    key
        Columns that identify a row; a version is (key, ``recorded_at``).
    policy
        How rows may change, see `Policy`.
    time
        The column whose UTC month places a row in the digest tree; None for tables without a time axis.
    block
        Key columns that divide a month of the digest tree.
    known_at
        ``given``: the frame must say when each row could be known.  ``recorded``: a row is about this
        warehouse itself (a run, a manifest) and is known when it is stored, unless the frame says otherwise.
    grades
        Column of words and the words from the least complete to the most: a correction of a lower grade than
        the newest version changes nothing.

    Raises
    ------
    ConfigError
        When the declaration contradicts itself.
    """

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    policy: Policy = "versions"
    time: str | None = None
    block: tuple[str, ...] = ()
    known_at: Literal["given", "recorded"] = "given"
    grades: tuple[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        names = self.names
        wrong = [n for n in (self.schema, self.name, *names) if not _NAME.fullmatch(n)]
        if wrong:
            raise self._fault("a name is not lower case", wrong, _NAME.pattern)
        if len(set(names)) != len(names) or {c.name for c in CLOCKS} & set(names):
            raise self._fault("a column is declared twice", names, "distinct, and none of the clocks")
        if not self.key or not set(self.key) <= set(names):
            raise self._fault("the key names no declared column", self.key, "a non-empty part of the columns")
        if not set(self.block) <= set(self.key):
            raise self._fault("the digest block is no part of the key", self.block, "columns of the key")
        if self.time is not None and self.column(self.time).type != "TIMESTAMPTZ":
            raise self._fault("the time column holds no instants", self.time, "TIMESTAMPTZ")
        if self.grades and (
            self.grades[0] not in self.values or not all(map(_NAME.fullmatch, self.grades[1]))
        ):
            raise self._fault("the grades are no words of a compared column", self.grades, "column and words")
        if not all(self.column(k).compared for k in self.key):
            raise self._fault("a key column is not compared", self.key, "compared=True")

    def _fault(self, what: str, value: object, constraint: str) -> ConfigError:
        return ConfigError(
            f"{self.schema}.{self.name}: {what}", field="table", value=value, constraint=constraint
        )

    @property
    def full_name(self) -> str:
        """``schema.name``, as SQL and people write it."""
        return f"{self.schema}.{self.name}"

    @property
    def asset_key(self) -> list[str]:
        """The Dagster asset key."""
        return [self.schema, self.name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared columns, without the clocks."""
        return tuple(c.name for c in self.columns)

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The declared columns and the clocks, in the order of the stored table."""
        return (*self.columns, *CLOCKS)

    @property
    def readable(self) -> tuple[str, ...]:
        """What a read returns unless told otherwise: the declared columns and ``known_at``."""
        return (*self.names, KNOWN_AT)

    @property
    def values(self) -> tuple[str, ...]:
        """Columns outside the key whose difference makes a new version."""
        return tuple(c.name for c in self.columns if c.compared and c.name not in self.key)

    @property
    def digested(self) -> tuple[Column, ...]:
        """Columns that enter a digest: key and compared values, then ``known_at`` where it is given."""
        clock = (CLOCKS[0],) if self.known_at == "given" else ()
        return (*(c for c in self.columns if c.compared), *clock)

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises
        ------
        ConfigError
            When the table has no such column.
        """
        for column in self.all_columns:
            if column.name == name:
                return column
        known = ", ".join(c.name for c in self.all_columns)
        raise ConfigError(
            f"{self.full_name} has no such column",
            field=name,
            constraint=f"one of {known}",
            fix="correct the name",
        )


def key_column(name: str, type_: Type, unit: str, description: str) -> Column:
    """Return a column that is never NULL."""
    return Column(name, type_, unit, description, nullable=False)
