"""A table's declaration contradicts itself nowhere, or says so at once."""

from typing import Any

import pytest

from pipeline.errors import ConfigError
from warehouse.table import Column, Table, key_column

ID = key_column("id", "VARCHAR", "id", "Identity.")
TS = key_column("ts", "TIMESTAMPTZ", "UTC", "Instant.")
VALUE = Column("value", "DOUBLE", "USD", "Value.")
ORIGIN = Column("origin", "VARCHAR", "text", "Origin.", compared=False)


def declare(**changes: Any) -> Table:
    given: dict[str, Any] = {
        "schema": "test",
        "name": "things",
        "description": "One thing.",
        "columns": (ID, TS, VALUE, ORIGIN),
        "key": ("id", "ts"),
        "time": "ts",
        "block": ("id",),
    }
    return Table(**(given | changes))


def test_the_clocks_end_every_table():
    names = [c.name for c in declare().all_columns]
    assert names == ["id", "ts", "value", "origin", "known_at", "recorded_at", "write_id"]


def test_bookkeeping_makes_no_version_and_enters_no_digest():
    table = declare()
    assert table.values == ("value",)
    assert [c.name for c in table.digested] == ["id", "ts", "value", "known_at"]


def test_when_a_row_was_stored_is_no_content_of_tables_about_the_warehouse_itself():
    assert [c.name for c in declare(known_at="recorded").digested] == ["id", "ts", "value"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": ()}, "key names no declared column"),
        ({"key": ("nothing",), "block": ()}, "key names no declared column"),
        ({"block": ("value",)}, "digest block is no part of the key"),
        ({"time": "value"}, "holds no instants"),
        ({"columns": (ID, TS, VALUE, VALUE)}, "declared twice"),
        ({"columns": (ID, TS, key_column("known_at", "TIMESTAMPTZ", "UTC", "Ours."))}, "declared twice"),
        ({"name": "Things"}, "not lower case"),
        ({"key": ("id", "ts", "origin")}, "key column is not compared"),
    ],
)
def test_a_contradictory_declaration_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        declare(**changes)


def test_an_unknown_column_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"field: price.*one of id, ts, value"):
        declare().column("price")
