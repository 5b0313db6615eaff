"""Migrations are numbered, applied once, and bring every file to what is declared."""

import itertools
from dataclasses import replace

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import ConfigError, SchemaError
from warehouse import ddl, migrations
from warehouse.frames import schema
from warehouse.migrations import Migration
from warehouse.store import Warehouse
from warehouse.tables import OHLCV_H4, TABLES, TRIALS


@pytest.fixture
def fresh(tmp_path, clock):
    return Warehouse(tmp_path / "in a folder" / "warehouse.duckdb", now=clock.now)


def test_numbers_count_from_one_and_every_table_is_created_once():
    assert [m.number for m in migrations.MIGRATIONS] == list(range(1, len(migrations.MIGRATIONS) + 1))
    created = list(itertools.chain.from_iterable(m.creates for m in migrations.MIGRATIONS))
    assert sorted(created) == sorted(TABLES)


def test_migrating_makes_file_and_folder_and_records_what_it_did(fresh, clock):
    titles = fresh.migrate()
    assert titles == [m.title for m in migrations.MIGRATIONS]
    recorded = fresh.query("migrations")
    assert recorded["title"].to_list() == titles
    assert recorded["known_at"].to_list() == [clock.now()] * len(titles)


def test_migrating_again_does_nothing(fresh):
    fresh.migrate()
    assert fresh.migrate() == []


def test_the_first_write_migrates(fresh, bars):
    assert not fresh.path.exists()
    fresh.append(TABLES["market.ohlcv_h4"], bars())
    assert fresh.query("migrations").height == len(migrations.MIGRATIONS)


def test_a_later_migration_is_applied_to_an_older_file_alone(warehouse, clock, monkeypatch):
    later = Migration(99, "a later thing", statements=("CREATE TABLE IF NOT EXISTS meta.later (a INTEGER)",))
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, later))
    assert Warehouse(warehouse.path, now=clock.now).migrate() == ["a later thing"]
    with warehouse.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM meta.later").fetchall() == [(0,)]


def test_a_migration_that_does_not_reach_what_is_declared_leaves_the_file_as_it_was(
    warehouse, clock, monkeypatch
):
    wrong = Migration(99, "wrong", statements=("ALTER TABLE market.macro ADD COLUMN oops DOUBLE",))
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, wrong))
    with pytest.raises(SchemaError, match=r"market\.macro\.oops"):
        Warehouse(warehouse.path, now=clock.now).migrate()
    with warehouse.read() as cursor:
        assert migrations.applied(cursor) == {m.number for m in migrations.MIGRATIONS} - {99}
        assert "oops" not in [d[0] for d in cursor.execute("SELECT * FROM market.macro").description]


def test_bars_of_a_file_made_before_states_are_final_and_take_new_states(tmp_path, clock, bars):
    path = tmp_path / "first version.duckdb"
    made = bars()
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone='UTC'")
        _make_first_version(connection)
        old = made.drop("state").with_columns(  # noqa: F841 - named in the statement below
            recorded_at=pl.lit(clock.now()), write_id=pl.lit(None, pl.String)
        )
        connection.execute("INSERT INTO market.ohlcv_h4 BY NAME SELECT * FROM old")
    warehouse = Warehouse(path, now=clock.now)
    assert warehouse.migrate() == [m.title for m in migrations.MIGRATIONS[1:]]
    assert_frame_equal(warehouse.as_of(OHLCV_H4), made)
    assert warehouse.append(OHLCV_H4, made).unchanged == made.height
    revised = warehouse.append(OHLCV_H4, made.tail(1).with_columns(close=pl.lit(1.5))).revised
    assert revised == 1
    with warehouse.read() as cursor:
        stored = cursor.execute("SELECT state, count(*) FROM market.ohlcv_h4_now GROUP BY 1").fetchall()
        kept = cursor.execute("SELECT count(*) FROM meta.digests").fetchall()
        assert (stored, kept) == ([("final", 6)], [(0,)])
    with pytest.raises(duckdb.ConstraintException, match="NOT NULL"), warehouse.write() as cursor:
        cursor.execute("UPDATE market.ohlcv_h4 SET state = NULL")


def _make_first_version(connection):
    """Run migration 1 as the version before states did: same statements, bars without ``state``."""
    tables = [TABLES[name] for name in migrations.MIGRATIONS[0].creates]
    before = [
        replace(t, columns=tuple(c for c in t.columns if c.name != "state"), grades=None) for t in tables
    ]
    for statement_of in (lambda t: ddl.create_schema(t.schema), ddl.create_table, ddl.create_view):
        for table in before:
            connection.execute(statement_of(table))
    connection.execute("INSERT INTO meta.migrations VALUES (1, 'foundation', now(), now(), NULL)")
    stale = (
        "INSERT INTO meta.digests VALUES ('market.ohlcv_h4', '2024-01-01', '[]', 6, now(), now(), 6, 'old',"
    )
    connection.execute(f"{stale} now(), now(), NULL)")


def test_trials_from_before_cash_was_kept_say_that_it_is_unknown(warehouse, clock):
    row = dict.fromkeys(TRIALS.names) | {
        "trial_id": "old", "strategy": "S", "family": "F", "kind": "research", "config_hash": "c",
        "data_hash": "d", "daily_returns": [0.01],
    }  # fmt: skip
    old = pl.DataFrame([row], schema=schema(TRIALS, TRIALS.names))
    warehouse.append(TRIALS, old)
    with warehouse.write() as cursor:
        cursor.execute("DROP VIEW ledger.trials_now")
        cursor.execute("ALTER TABLE ledger.trials DROP COLUMN cash_returns")
        cursor.execute("ALTER TABLE ledger.attestations DROP COLUMN identity")
        cursor.execute("DELETE FROM meta.migrations WHERE number >= 11")
    again = Warehouse(warehouse.path, now=clock.now)
    assert again.migrate() == [m.title for m in migrations.MIGRATIONS[10:]]
    (stored,) = again.as_of(TRIALS).to_dicts()
    assert stored["cash_returns"] is None
    assert stored["daily_returns"] == pytest.approx([0.01])
    assert again.append(TRIALS, old).unchanged == 1


def test_a_file_of_a_newer_version_is_refused(warehouse, clock):
    with warehouse.write() as cursor:
        cursor.execute("INSERT INTO meta.migrations VALUES (77, 'tomorrow', now(), now(), NULL)")
    with pytest.raises(ConfigError, match=r"newer version.*77"):
        Warehouse(warehouse.path, now=clock.now).migrate()


def test_an_empty_duckdb_file_is_brought_to_the_schema(tmp_path, clock, bars):
    path = tmp_path / "empty.duckdb"
    duckdb.connect(str(path)).close()
    warehouse = Warehouse(path, now=clock.now)
    assert warehouse.append(TABLES["market.ohlcv_h4"], bars()).inserted == 6
