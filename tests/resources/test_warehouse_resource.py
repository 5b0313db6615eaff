"""The warehouse as Dagster hands it out."""

import dagster as dg
import dagster_duckdb
import pytest
from dagster_duckdb import DuckDBResource

from resources.clock import SimulatedClock
from resources.warehouse import WarehouseResource
from warehouse.store import Warehouse


@pytest.fixture
def path(tmp_path):
    return tmp_path / "warehouse.duckdb"


def test_an_asset_receives_the_warehouse_itself(path):
    seen = []

    @dg.asset
    def reader(warehouse: dg.ResourceParam[Warehouse]) -> None:
        warehouse.migrate()
        seen.append(warehouse)

    resource = WarehouseResource(database=str(path), chunk_rows=17)
    assert dg.materialize([reader], resources={"warehouse": resource}).success
    assert type(seen[0]) is Warehouse
    assert seen[0].path == path
    assert path.exists()


def test_code_written_for_duckdb_resource_runs_and_never_opens_dagsters_connection(path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("dagster's own connection was opened")

    monkeypatch.setattr(dagster_duckdb.DuckDBResource, "get_connection", never)
    found = []

    @dg.asset
    def writer(warehouse: dg.ResourceParam[DuckDBResource]) -> None:
        with warehouse.get_connection() as connection:
            connection.execute("CREATE SCHEMA scratch")
            connection.execute("CREATE TABLE scratch.things AS SELECT 42 AS answer")

    @dg.asset(deps=[writer])
    def reader(warehouse: dg.ResourceParam[Warehouse]) -> None:
        with warehouse.read() as cursor:
            found.extend(cursor.execute("SELECT answer FROM scratch.things").fetchall())

    resources = {"warehouse": WarehouseResource(database=str(path))}
    assert dg.materialize([writer, reader], resources=resources).success
    assert found == [(42,)]


def test_a_given_warehouse_is_handed_out_as_it_is(path):
    from datetime import UTC, datetime

    clock = SimulatedClock(datetime(2024, 1, 1, tzinfo=UTC))
    given = Warehouse(path, now=clock.now)
    seen = []

    @dg.asset
    def reader(warehouse: dg.ResourceParam[Warehouse]) -> None:
        seen.append(warehouse)

    resource = WarehouseResource.around(given)
    assert isinstance(resource, DuckDBResource)
    assert dg.materialize([reader], resources={"warehouse": resource}).success
    assert seen == [given]


def test_every_setting_reaches_the_warehouse(path, tmp_path):
    resource = WarehouseResource(
        database=str(path),
        timeout_s=1.5,
        memory_limit="1GB",
        threads=1,
        chunk_rows=17,
        spool=str(tmp_path / "elsewhere"),
        urgent_wait_s=0.25,
    )
    warehouse = resource.process_config_and_initialize()
    settings = warehouse._sessions.settings
    assert (settings.timeout_s, settings.memory_limit, settings.threads) == (1.5, "1GB", 1)
    assert (warehouse._chunk_rows, warehouse._urgent_wait_s) == (17, 0.25)
    assert warehouse.spool_directory == tmp_path / "elsewhere"
