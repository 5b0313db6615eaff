"""Statements that create what is declared, and the check that a file holds what is declared.

Every table gets a view ``<name>_now`` of the newest visible version of each key, for people with SQL.
"""

from typing import TYPE_CHECKING

from pipeline.errors import SchemaError
from warehouse.asof import select_newest
from warehouse.table import Table

if TYPE_CHECKING:
    import duckdb


def create_schema(schema: str) -> str:
    """Return the statement that creates a schema."""
    return f"CREATE SCHEMA IF NOT EXISTS {schema}"


def create_table(table: Table) -> str:
    """Return the statement that creates a table; no index and no primary key: the store keeps keys apart.

    Examples
    --------
    >>> from warehouse.tables import MIGRATIONS
    >>> print(create_table(MIGRATIONS).splitlines()[1])
        number INTEGER NOT NULL,
    """
    lines = [f"    {c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.all_columns]
    return f"CREATE TABLE IF NOT EXISTS {table.full_name} (\n" + ",\n".join(lines) + "\n)"


def comments(table: Table) -> list[str]:
    """Return statements that put descriptions and units where SQL clients show them."""

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    return [
        f"COMMENT ON TABLE {table.full_name} IS {quoted(table.description)}",
        *(
            f"COMMENT ON COLUMN {table.full_name}.{c.name} IS {quoted(f'{c.description} [{c.unit}]')}"
            for c in table.all_columns
        ),
    ]


def create_view(table: Table) -> str:
    """Return the statement that creates ``<name>_now``."""
    return f"CREATE OR REPLACE VIEW {table.full_name}_now AS {select_newest(table, table.readable).sql}"


def verify(cursor: "duckdb.DuckDBPyConnection", tables: tuple[Table, ...]) -> None:
    """Compare the attached file with the declarations.

    Raises
    ------
    SchemaError
        Naming the first table or column that is missing, of another type or undeclared.
    """
    stored: dict[str, list[tuple[str, str]]] = {}
    for schema, name, column, kind in cursor.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = current_database() AND NOT internal"
        " ORDER BY schema_name, table_name, column_index"
    ).fetchall():
        stored.setdefault(f"{schema}.{name}", []).append((column, kind))
    for table in tables:
        declared = {
            c.name: "TIMESTAMP WITH TIME ZONE" if c.type == "TIMESTAMPTZ" else c.type
            for c in table.all_columns
        }
        found = dict(stored.get(table.full_name, []))
        for name in (*declared, *found):
            if declared.get(name) != found.get(name):
                raise SchemaError(
                    "the warehouse file does not hold what is declared",
                    field=f"{table.full_name}.{name}",
                    value=found.get(name, "missing"),
                    constraint=f"declared as {declared.get(name, 'nothing')}",
                    fix="add a migration in warehouse/migrations.py, or restore the file from a snapshot",
                )
