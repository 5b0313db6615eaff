"""Numbered changes of the schema, each applied once to a file and recorded in ``meta.migrations``.

To change the schema: change the declaration, then append a migration here that brings an older file to it.  A
migration that creates tables takes them from the declarations, so a later one that adds a column must say
``ADD COLUMN IF NOT EXISTS``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from warehouse import ddl
from warehouse.tables import TABLES
from warehouse.tables_meta import MIGRATIONS as RECORD

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Migration:
    """One change of the schema.

    Parameters
    ----------
    number
        Counted from 1 without gaps.
    title
        What it does.
    creates
        Full names of the tables it creates from their declarations.
    statements
        Further SQL, idempotent on a file made by this version.
    """

    number: int
    title: str
    creates: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


def _with_state(table: str) -> tuple[str, ...]:
    """Add ``state`` to a table of bars; those stored before it came are final."""
    return (
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS state VARCHAR DEFAULT 'final'",
        f"ALTER TABLE {table} ALTER COLUMN state SET NOT NULL",
        f"ALTER TABLE {table} ALTER COLUMN state DROP DEFAULT",
    )


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        "foundation: market, features, backtest, ledger and meta tables",
        creates=(
            "meta.migrations",
            "meta.manifests",
            "meta.spooled",
            "meta.digests",
            "meta.artifacts",
            "market.ohlcv_h4",
            "market.ohlcv_daily",
            "market.macro",
            "market.truth",
            "market.quarantine",
            "features.h4",
            "backtest.runs",
            "backtest.equity",
            "backtest.monthly",
            "backtest.fills",
            "backtest.round_trips",
            "ledger.trials",
        ),
    ),
    Migration(
        2,
        "bars say whether they are final, provisional or imputed",
        statements=(
            *_with_state("market.ohlcv_h4"),
            *_with_state("market.ohlcv_daily"),
            "DELETE FROM meta.digests WHERE table_name IN ('market.ohlcv_h4', 'market.ohlcv_daily')",
        ),
    ),
    Migration(3, "splits and dividends", creates=("market.corporate_actions",)),
    Migration(
        4,
        "what a feed takes its symbols for, and what its last ingests read",
        creates=("market.instruments", "meta.ingests"),
    ),
    Migration(
        5,
        "books: their strategies, what each earned by day, and who owned which target",
        creates=("backtest.members", "backtest.member_days", "backtest.attribution"),
    ),
    Migration(
        6,
        "searches over parameters: what was searched, every member, every fold",
        creates=("optimization.experiments", "optimization.results", "optimization.folds"),
    ),
    Migration(7, "what runs are asked beside their numbers", creates=("backtest.robustness",)),
    Migration(
        8,
        "regimes at every decision and their changes",
        creates=("regimes.h4", "regimes.transitions"),
    ),
    Migration(9, "what look-ahead proofs said", creates=("ledger.attestations",)),
    Migration(
        10,
        "steps in the lives of strategies, and hold-out windows",
        creates=("ledger.lifecycle", "ledger.holdouts"),
    ),
    Migration(
        11,
        "what cash earned beside the returns of trials, and what a proof was computed with",
        statements=(
            "ALTER TABLE ledger.trials ADD COLUMN IF NOT EXISTS cash_returns FLOAT[]",
            "ALTER TABLE ledger.attestations ADD COLUMN IF NOT EXISTS identity VARCHAR",
            "ALTER TABLE ledger.attestations ADD COLUMN IF NOT EXISTS params_json VARCHAR",
            "DELETE FROM meta.digests WHERE table_name IN ('ledger.trials', 'ledger.attestations')",
        ),
    ),
)


def applied(cursor: "duckdb.DuckDBPyConnection") -> set[int]:
    """Return the numbers of the migrations that the attached file has seen."""
    present = cursor.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database()"
        " AND schema_name = ? AND table_name = ?",
        [RECORD.schema, RECORD.name],
    ).fetchone()
    if present is None or present[0] == 0:
        return set()
    return {number for (number,) in cursor.execute(f"SELECT number FROM {RECORD.full_name}").fetchall()}


def pending(cursor: "duckdb.DuckDBPyConnection") -> list[Migration]:
    """Return what the attached file still lacks.

    Raises
    ------
    ConfigError
        When the file has seen a migration that this version does not know.
    """
    seen = applied(cursor)
    unknown = seen - {m.number for m in MIGRATIONS}
    if unknown:
        raise ConfigError(
            "the warehouse file was made by a newer version",
            field="meta.migrations",
            value=sorted(unknown),
            constraint=f"migrations up to {MIGRATIONS[-1].number}",
            fix="update Eight Bells, or point it at another file",
        )
    return [m for m in MIGRATIONS if m.number not in seen]


def run(cursor: "duckdb.DuckDBPyConnection", now: datetime) -> list[str]:
    """Apply what is pending inside the write session of ``cursor`` and return the titles.

    Views and comments are renewed, and the file is compared with the declarations.

    Raises
    ------
    ConfigError
        As `pending`.
    SchemaError
        When the file then does not hold what is declared.
    """
    todo = pending(cursor)
    for migration in todo:
        for name in migration.creates:
            cursor.execute(ddl.create_schema(TABLES[name].schema))
            cursor.execute(ddl.create_table(TABLES[name]))
        for statement in migration.statements:
            cursor.execute(statement)
        cursor.execute(
            f"INSERT INTO {RECORD.full_name} (number, title, known_at, recorded_at) VALUES (?, ?, ?, ?)",
            [migration.number, migration.title, now, now],
        )
    if todo:
        for table in TABLES.values():
            cursor.execute(ddl.create_view(table))
            for comment in ddl.comments(table):
                cursor.execute(comment)
        ddl.verify(cursor, tuple(TABLES.values()))
    return [m.title for m in todo]
