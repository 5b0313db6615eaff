"""What is kept for how long.  Market data, features, ledger, manifests and headline numbers always stay."""

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from warehouse.snapshot import directory
from warehouse.tables_backtest import EQUITY, FILLS, MONTHLY, ROUND_TRIPS, RUNS
from warehouse.tables_book import ATTRIBUTION, MEMBER_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

SERIES = (EQUITY, MONTHLY, FILLS, ROUND_TRIPS, MEMBER_DAYS, ATTRIBUTION)
"""Tables that hold the series of a run, which its row in ``backtest.runs`` outlives."""


@dataclass(frozen=True)
class Retention:
    """How long things stay.

    Parameters
    ----------
    runs_days
        Days for which the series of a run stay; None for ever.
    snapshots
        How many of the newest snapshots stay; None for all.

    Raises
    ------
    ConfigError
        When a number is negative.
    """

    runs_days: int | None = None
    snapshots: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("runs_days", self.runs_days), ("snapshots", self.snapshots)):
            if value is not None and value < 0:
                raise ConfigError(
                    "retention counts backwards",
                    field=name,
                    value=value,
                    constraint=">= 0",
                    fix="use null to keep all",
                )


@dataclass(frozen=True)
class Pruned:
    """What was deleted: rows by table, and snapshot files."""

    rows: dict[str, int]
    snapshots: tuple[Path, ...]


def prune(
    session: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
    path: Path,
    rules: Retention,
    now: datetime,
) -> Pruned:
    """Delete what ``rules`` no longer keep; the file itself shrinks only by reuse of its pages."""
    rows = {table.full_name: 0 for table in SERIES}
    if rules.runs_days is not None:
        before = now - timedelta(days=rules.runs_days)
        with session() as cursor:
            for table in SERIES:
                deleted = cursor.execute(
                    f"DELETE FROM {table.full_name} WHERE run_id IN"
                    f" (SELECT run_id FROM {RUNS.full_name} WHERE recorded_at < ?)",
                    [before],
                ).fetchone()
                rows[table.full_name] = deleted[0] if deleted else 0
    gone: list[Path] = []
    if rules.snapshots is not None:
        files = sorted(directory(path).glob("warehouse-*.duckdb"), reverse=True)
        for old in files[rules.snapshots :]:
            with contextlib.suppress(FileNotFoundError):  # another process pruned it first
                old.unlink()
                gone.append(old)
    return Pruned(rows, tuple(gone))
