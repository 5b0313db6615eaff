"""A warehouse of its own for each test, a clock that stands still, and small frames of bars."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resources.clock import SimulatedClock
from warehouse.store import Warehouse

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
H4 = timedelta(hours=4)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the schema and no rows, made once."""
    path = tmp_path_factory.mktemp("migrated") / "warehouse.duckdb"
    Warehouse(path, now=lambda: NOW - timedelta(days=1)).migrate()
    return path


@pytest.fixture
def warehouse(tmp_path: Path, migrated: Path, clock: SimulatedClock) -> Warehouse:
    """Return an empty warehouse on the simulated clock."""
    path = tmp_path / "warehouse.duckdb"
    shutil.copyfile(migrated, path)
    return Warehouse(path, now=clock.now)


@pytest.fixture
def bars() -> Callable[..., pl.DataFrame]:
    """Return a maker of H4 bars: ``bars("SPY", n=6, price=100.0, feed="sample", start=...)``."""

    def make(
        symbol: str = "SPY",
        n: int = 6,
        *,
        price: float = 100.0,
        feed: str = "sample",
        start: datetime = START,
    ) -> pl.DataFrame:
        ts = [start + i * H4 for i in range(n)]
        close = price + np.arange(n, dtype=np.float64)
        return pl.DataFrame(
            {
                "feed": [feed] * n,
                "symbol": [symbol] * n,
                "ts": ts,
                "open_at": ts,
                "close_at": [t + H4 for t in ts],
                "minutes": [240] * n,
                "covered_minutes": [240] * n,
                "open": close - 0.5,
                "high": close + 1.0,
                "low": close - 1.0,
                "close": close,
                "volume": [1000.0] * n,
                "adjustment": ["raw"] * n,
                "source": ["test"] * n,
                "venue": ["simulated"] * n,
                "vintage": ["as_published"] * n,
                "state": ["final"] * n,
                "simulated": [True] * n,
                "known_at": [t + H4 for t in ts],
            },
            schema_overrides={
                **dict.fromkeys(("ts", "open_at", "close_at", "known_at"), pl.Datetime("us", "UTC")),
                **dict.fromkeys(("minutes", "covered_minutes"), pl.Int32),
            },
        )

    return make


@pytest.fixture
def run_row() -> Callable[..., pl.DataFrame]:
    """Return a maker of one row of ``backtest.runs``: ``run_row("r1", sharpe=1.2)``."""
    from warehouse.frames import schema
    from warehouse.tables import RUNS

    def make(run_id: str = "r1", **values: object) -> pl.DataFrame:
        row = dict.fromkeys(RUNS.names) | {
            "run_id": run_id,
            "strategy": "EquityTrend",
            "kind": "research",
            "source": "sample",
            "simulated": True,
        }
        return pl.DataFrame([row | values], schema=schema(RUNS, RUNS.names))

    return make
