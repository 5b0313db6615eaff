"""The declared tables as a whole: full descriptions, names that SQL takes, agreement with their makers."""

import duckdb
import pytest

from pipeline.errors import ComponentNotFoundError
from pipeline.market.actions import ACTION_SCHEMA
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA
from warehouse.frames import schema
from warehouse.tables import CORPORATE_ACTIONS, FEATURES_H4, MACRO, OHLCV_DAILY, OHLCV_H4, TABLES, table
from warehouse.tables_features import STANDARD_COLUMNS

EVERY_COLUMN = [(t, c) for t in TABLES.values() for c in t.all_columns]


def test_every_column_has_a_unit_and_a_sentence():
    for declared, column in EVERY_COLUMN:
        where = f"{declared.full_name}.{column.name}"
        assert column.unit, where
        assert column.description.endswith("."), where


def test_no_column_needs_quotes_in_sql():
    reserved = {
        word
        for (word,) in duckdb.sql(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
        ).fetchall()
    }
    assert "end" in reserved
    assert {c.name for _, c in EVERY_COLUMN} & reserved == set()


@pytest.mark.parametrize(
    ("declared", "made"),
    [
        (OHLCV_H4, BAR_SCHEMA),
        (OHLCV_DAILY, BAR_SCHEMA),
        (MACRO, MACRO_SCHEMA),
        (CORPORATE_ACTIONS, ACTION_SCHEMA),
    ],
)
def test_market_tables_hold_what_sources_deliver(declared, made):
    assert dict(schema(declared)) == {"feed": schema(declared)["feed"], **made}


def test_the_features_table_has_the_standard_set_with_its_units_and_descriptions():
    registry = pytest.importorskip("pipeline.features.registry")
    stored = {c.name: (c.unit, c.description) for c in STANDARD_COLUMNS}
    assert list(stored) == [spec.name for spec in registry.STANDARD]
    assert stored == {spec.name: (spec.unit, spec.description) for spec in registry.STANDARD}
    assert {c.name for c in STANDARD_COLUMNS} < set(FEATURES_H4.names)


def test_an_unknown_table_is_answered_with_the_known_ones():
    with pytest.raises(ComponentNotFoundError, match=r"market.ohlcv_h4"):
        table("market.ohlcv_h1")
