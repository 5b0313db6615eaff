"""What is declared is what the file holds, and a file that holds something else is refused."""

import duckdb
import pytest

from pipeline.errors import SchemaError
from warehouse import ddl
from warehouse.tables import MIGRATIONS, OHLCV_H4, TABLES


def test_a_table_statement_reads_as_declared():
    assert ddl.create_table(MIGRATIONS) == (
        "CREATE TABLE IF NOT EXISTS meta.migrations (\n"
        "    number INTEGER NOT NULL,\n"
        "    title VARCHAR NOT NULL,\n"
        "    known_at TIMESTAMPTZ NOT NULL,\n"
        "    recorded_at TIMESTAMPTZ NOT NULL,\n"
        "    write_id VARCHAR\n"
        ")"
    )


def test_no_table_has_an_index_or_a_primary_key(warehouse):
    with warehouse.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM duckdb_indexes()").fetchall() == [(0,)]
        kinds = cursor.execute("SELECT DISTINCT constraint_type FROM duckdb_constraints()").fetchall()
    assert set(kinds) <= {("NOT NULL",)}


def test_sql_clients_see_descriptions_with_units(warehouse):
    with warehouse.read() as cursor:
        shown = cursor.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'ohlcv_h4' AND column_name = 'minutes'"
        ).fetchall()
    assert shown == [("Trading minutes of the cell by the calendar. [minutes]",)]


def test_the_file_opens_in_plain_duckdb_with_views_of_the_newest_rows(warehouse, bars):
    warehouse.append(OHLCV_H4, bars())
    warehouse.append(OHLCV_H4, bars(price=50.0))
    with duckdb.connect(str(warehouse.path), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM market.ohlcv_h4").fetchall() == [(12,)]
        assert plain.execute("SELECT count(*), max(close) FROM market.ohlcv_h4_now").fetchall() == [(6, 55.0)]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("ALTER TABLE market.ohlcv_h4 DROP COLUMN volume", "market.ohlcv_h4.volume"),
        ("ALTER TABLE market.ohlcv_h4 ADD COLUMN vwap DOUBLE", "market.ohlcv_h4.vwap"),
        ("ALTER TABLE market.ohlcv_h4 ALTER COLUMN minutes TYPE BIGINT", "market.ohlcv_h4.minutes"),
        ("DROP TABLE market.macro", "market.macro.feed"),
    ],
)
def test_a_file_with_another_schema_is_refused_by_column(warehouse, damage, named):
    with warehouse.write() as cursor:
        cursor.execute("DROP VIEW market.ohlcv_h4_now")
        cursor.execute("DROP VIEW market.macro_now")
        cursor.execute(damage)
    with warehouse.read() as cursor, pytest.raises(SchemaError, match=f"field: {named};"):
        ddl.verify(cursor, tuple(TABLES.values()))
