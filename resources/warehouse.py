"""The warehouse as a Dagster resource: configuration in, a plain `warehouse.store.Warehouse` out.

It is a DuckDBResource, so assets written for one run unchanged; dagster's own connection is never opened.
"""

from pathlib import Path

from dagster import InitResourceContext
from dagster_duckdb import DuckDBResource
from pydantic import Field

from resources.clock import SystemClock
from warehouse.session import SessionSettings
from warehouse.store import URGENT_WAIT_S, Warehouse


class WarehouseResource(DuckDBResource):
    """The DuckDB warehouse of the desk; assets receive the `Warehouse` itself.

    Its ``get_connection()`` opens a write session with the file as default catalogue, so a function
    written for DuckDBResource runs as it is.

    Examples
    --------
    .. code-block:: python

        @dg.asset
        def quiet(warehouse: dg.ResourceParam[Warehouse]) -> None:
            with warehouse.get_connection() as connection:
                connection.execute("SELECT count(*) FROM market.ohlcv_h4")
    """

    timeout_s: float = Field(default=30.0, description="Longest wait for a session, seconds")
    memory_limit: str = Field(default="2GB", description="DuckDB's memory")
    threads: int = Field(default=2, description="DuckDB's threads")
    chunk_rows: int = Field(default=200_000, description="Rows written in one session at most")
    spool: str | None = Field(default=None, description="Folder for urgent writes; null: beside the file")
    urgent_wait_s: float = Field(
        default=URGENT_WAIT_S, description="Longest wait of an urgent write before the spool"
    )

    @staticmethod
    def around(warehouse: Warehouse) -> "WarehouseResource":
        """Return a resource that hands out this very object, clock and all."""

        class Given(WarehouseResource):
            """The warehouse that the code location was built with."""

            def create_resource(self, context: InitResourceContext) -> Warehouse:  # noqa: ARG002 - dagster's
                return warehouse

        return Given(database=str(warehouse.path))

    def create_resource(self, context: InitResourceContext) -> Warehouse:  # noqa: ARG002 - dagster's signature
        """Return the warehouse; the file is created by its first write."""
        return Warehouse(
            Path(self.database),
            now=SystemClock().now,
            settings=SessionSettings(
                timeout_s=self.timeout_s, memory_limit=self.memory_limit, threads=self.threads
            ),
            chunk_rows=self.chunk_rows,
            spool=None if self.spool is None else Path(self.spool),
            urgent_wait_s=self.urgent_wait_s,
        )
