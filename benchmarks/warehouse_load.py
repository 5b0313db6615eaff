"""The warehouse under load: writers, readers, a bulk writer and an urgent one, each a process of its own.

``python -m benchmarks.warehouse_load --seconds 20 --json``.  Everything goes through the product's
`Warehouse`; a latency is the whole call, waiting included.  Rows are counted afterwards against what the
processes say.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import machine
from warehouse.store import Warehouse
from warehouse.tables_market import MACRO, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from multiprocessing.synchronize import Barrier

    import duckdb
    import polars as pl

START = datetime(2018, 1, 1, tzinfo=UTC)
H4 = timedelta(hours=4)
FEED = "load"


@dataclass(frozen=True)
class Load:
    """The size of the load; the defaults are those of the claim."""

    seconds: float = 20.0
    writers: int = 4
    write_rows: int = 500
    write_pause_s: float = 0.02
    readers: int = 4
    read_rows: int = 10_950
    read_pause_s: float = 0.005
    bulk_rows: int = 600_000
    chunk_rows: int = 200_000
    urgent_every_s: float = 0.5


@dataclass
class Tally:
    """What one process saw: latencies of calls, holds of write sessions (s), rows stored, what went wrong."""

    role: str
    latencies: list[float] = field(default_factory=list)
    holds: list[float] = field(default_factory=list)
    sessions: int = 0
    rows: int = 0
    spooled: int = 0
    errors: list[str] = field(default_factory=list)


class TimedWarehouse(Warehouse):
    """A warehouse that notes how long each write session held the file."""

    def __init__(self, path: Path, tally: Tally, chunk_rows: int) -> None:
        super().__init__(path, now=lambda: datetime.now(UTC), chunk_rows=chunk_rows)
        self.tally = tally

    @contextmanager
    def write(
        self, *, urgent: bool = False, timeout: float | None = None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Open a write session and note its hold, commit and detach included."""
        begun: float | None = None
        try:
            with super().write(urgent=urgent, timeout=timeout) as cursor:
                begun = time.perf_counter()
                yield cursor
        finally:
            if begun is not None:
                self.tally.holds.append(time.perf_counter() - begun)
                self.tally.sessions += 1


def bars(symbol: str, first: int, rows: int) -> pl.DataFrame:
    """Return plausible bars ``first .. first + rows`` of one symbol."""
    import numpy as np
    import polars as pl

    number = np.arange(first, first + rows)
    close = 100.0 + 10.0 * np.sin(number / 97.0)
    ts = pl.select(pl.lit(START) + pl.lit(H4) * pl.Series(number)).to_series().dt.cast_time_unit("us")
    frame = pl.DataFrame({"ts": ts, "close": close})
    return frame.select(
        pl.lit(FEED).alias("feed"),
        pl.lit(symbol).alias("symbol"),
        "ts",
        pl.col("ts").alias("open_at"),
        (pl.col("ts") + H4).alias("close_at"),
        pl.lit(240, pl.Int32).alias("minutes"),
        pl.lit(240, pl.Int32).alias("covered_minutes"),
        (pl.col("close") - 0.5).alias("open"),
        (pl.col("close") + 1.0).alias("high"),
        (pl.col("close") - 1.0).alias("low"),
        "close",
        (pl.col("close") * 10).alias("volume"),
        pl.lit("raw").alias("adjustment"),
        pl.lit("load").alias("source"),
        pl.lit("none").alias("venue"),
        pl.lit("as_published").alias("vintage"),
        pl.lit("final").alias("state"),
        pl.lit(value=True).alias("simulated"),
        (pl.col("ts") + H4).alias("known_at"),
    )


def series(name: str, rows: int) -> pl.DataFrame:
    """Return ``rows`` values of one series, an hour apart."""
    import numpy as np
    import polars as pl

    number = np.arange(rows)
    ts = pl.select(pl.lit(START) + pl.lit(timedelta(minutes=1)) * pl.Series(number)).to_series()
    frame = pl.DataFrame({"ts": ts.dt.cast_time_unit("us"), "value": np.cos(number / 31.0)})
    return frame.select(
        pl.lit(FEED).alias("feed"),
        pl.lit(name).alias("series"),
        "ts",
        "value",
        pl.lit("none").alias("unit"),
        pl.lit("load").alias("source"),
        pl.lit("as_published").alias("vintage"),
        pl.lit(value=True).alias("simulated"),
        (pl.col("ts") + H4).alias("known_at"),
    )


def write_role(warehouse: TimedWarehouse, tally: Tally, load: Load, step: int) -> float:
    """Append the next bars of the writer's own symbol."""
    frame = bars(tally.role, step * load.write_rows, load.write_rows)
    begun = time.perf_counter()
    tally.rows += warehouse.append(OHLCV_H4, frame).inserted
    tally.latencies.append(time.perf_counter() - begun)
    return load.write_pause_s


def read_role(warehouse: TimedWarehouse, tally: Tally, load: Load, step: int) -> float:
    """Read one symbol's five years."""
    begun = time.perf_counter()
    found = warehouse.as_of(OHLCV_H4, where={"feed": FEED, "symbol": "BASE"}).height
    tally.latencies.append(time.perf_counter() - begun)
    tally.sessions += 1
    if found != load.read_rows:
        tally.errors.append(f"read {step} returned {found} rows instead of {load.read_rows}")
    return load.read_pause_s


def bulk_role(warehouse: TimedWarehouse, tally: Tally, load: Load, step: int) -> float:
    """Write one large series in chunks."""
    frame = series(f"BULK{step}", load.bulk_rows)
    begun = time.perf_counter()
    tally.rows += warehouse.append(MACRO, frame).inserted
    tally.latencies.append(time.perf_counter() - begun)
    return 0.0


def urgent_role(warehouse: TimedWarehouse, tally: Tally, load: Load, step: int) -> float:
    """Write the few rows of a decision."""
    frame = bars("URGENT", step * 10, 10)
    begun = time.perf_counter()
    tally.spooled += warehouse.write_urgent(f"decision-{step}", OHLCV_H4, frame) == "spooled"
    tally.latencies.append(time.perf_counter() - begun)
    tally.rows += frame.height
    return load.urgent_every_s


ROLES: dict[str, Callable[[TimedWarehouse, Tally, Load, int], float]] = {
    "writer": write_role,
    "reader": read_role,
    "bulk": bulk_role,
    "urgent": urgent_role,
}


def work(name: str, path: Path, load: Load, ready: Barrier, results: Any) -> None:
    """Repeat one role until the time is over; the body of every process."""
    tally = Tally(name)
    role = ROLES[name.rstrip("0123456789")]
    try:
        warehouse = TimedWarehouse(path, tally, load.chunk_rows)
        warehouse.append(OHLCV_H4, bars(f"WARM {name}", 0, 2))  # the figures are not of the first call
        warehouse.as_of(OHLCV_H4, where={"symbol": "NONE"})
        tally = warehouse.tally = Tally(name)
        ready.wait(timeout=120)
        over = time.perf_counter() + load.seconds
        step = 0
        while time.perf_counter() < over:
            pause = role(warehouse, tally, load, step)
            step += 1
            time.sleep(pause)
    except Exception:  # noqa: BLE001 - whatever it is, it is counted and shown
        tally.errors.append(traceback.format_exc(limit=4))
    results.put(tally)


def quantile(values: list[float], share: float) -> float | None:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -int(-share * len(ranked) // 1) - 1))]


def run(load: Load, folder: Path) -> dict[str, Any]:
    """Run the load in ``folder`` and return the figures."""
    path = folder / "warehouse.duckdb"
    warehouse = Warehouse(path, now=lambda: datetime.now(UTC))
    warehouse.append(OHLCV_H4, bars("BASE", 0, load.read_rows))
    names = [
        *(f"writer{i}" for i in range(load.writers)),
        *(f"reader{i}" for i in range(load.readers)),
        *(["bulk"] if load.bulk_rows else []),
        "urgent",
    ]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pandas", "polars", "pyarrow", "warehouse.store"])
    ready, results = context.Barrier(len(names)), context.Queue()
    processes = [
        context.Process(target=work, args=(name, path, load, ready, results), name=name) for name in names
    ]
    for process in processes:
        process.start()
    tallies: dict[str, Tally] = {}
    errors: list[str] = []
    limit = time.perf_counter() + load.seconds + 240
    while len(tallies) < len(names) and time.perf_counter() < limit:
        try:
            tally = results.get(timeout=1)
        except queue.Empty:
            if not any(process.is_alive() for process in processes) and results.empty():
                break
            continue
        tallies[tally.role] = tally
    errors += [f"{name} gave no answer" for name in names if name not in tallies]
    for process in processes:
        process.join(timeout=10)
        if process.is_alive():
            process.kill()
    for tally in tallies.values():
        errors += [f"{tally.role}: {text}" for text in tally.errors]
    warehouse.drain()
    said = sum(tally.rows for tally in tallies.values())
    with warehouse.read() as cursor:
        counted = cursor.execute(
            "SELECT (SELECT count(*) FROM market.ohlcv_h4 WHERE symbol <> 'BASE'"
            " AND symbol NOT LIKE 'WARM%')"
            " + (SELECT count(*) FROM market.macro)"
        ).fetchone()
    stored = int(counted[0]) if counted else 0
    if stored != said and not errors:
        errors.append(f"{stored} rows are stored, the processes wrote {said}")
    return figures(load, list(tallies.values()), errors, stored)


def figures(load: Load, tallies: list[Tally], errors: list[str], stored: int) -> dict[str, Any]:
    """Condense the tallies."""

    def of(role: str, what: str = "latencies") -> list[float]:
        return [value for tally in tallies if tally.role.startswith(role) for value in getattr(tally, what)]

    ordinary, urgent, readers = of("writer"), of("urgent"), of("reader")
    return {
        "seconds": load.seconds,
        "errors": len(errors),
        "error_texts": errors[:5],
        "ordinary_p50_s": quantile(ordinary, 0.5),
        "ordinary_p99_s": quantile(ordinary, 0.99),
        "ordinary_max_s": max(ordinary, default=None),
        "urgent_p50_s": quantile(urgent, 0.5),
        "urgent_p99_s": quantile(urgent, 0.99),
        "urgent_max_s": max(urgent, default=None),
        "urgent_spooled": sum(tally.spooled for tally in tallies),
        "readers_p50_s": quantile(readers, 0.5),
        "readers_p99_s": quantile(readers, 0.99),
        "readers_max_s": max(readers, default=None),
        "hold_ordinary_p99_s": quantile(of("writer", "holds"), 0.99),
        "hold_bulk_p50_s": quantile(of("bulk", "holds"), 0.5),
        "hold_bulk_max_s": max(of("bulk", "holds"), default=None),
        "min_operations": min((tally.sessions for tally in tallies), default=0),
        "operations": {tally.role: tally.sessions for tally in sorted(tallies, key=lambda t: t.role)},
        "rows_written": stored,
        "machine": machine(),
    }


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warehouse_load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Load.seconds)
    parser.add_argument("--bulk-rows", type=int, default=Load.bulk_rows)
    parser.add_argument("--chunk-rows", type=int, default=Load.chunk_rows)
    parser.add_argument("--read-rows", type=int, default=Load.read_rows)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    chosen = parser.parse_args()
    load = Load(
        seconds=chosen.seconds,
        bulk_rows=chosen.bulk_rows,
        chunk_rows=chosen.chunk_rows,
        read_rows=chosen.read_rows,
    )
    with tempfile.TemporaryDirectory(prefix="bells-load-") as folder:
        result = run(load, Path(folder))
    if chosen.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:22} {value}")
    return 1 if result["errors"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
