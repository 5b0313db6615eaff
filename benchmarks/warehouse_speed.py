"""Speed of the warehouse through the product's own calls: writing, reading, digesting what is new.

``python -m benchmarks.warehouse_speed --json``.  Each figure is the best of a few rounds of the whole call:
checks, digest, waiting for the file, attaching and detaching.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import machine
from warehouse.store import Warehouse
from warehouse.tables import OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

START = datetime(2019, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
H4 = timedelta(hours=4)
BARS = 10_950
"""Five years of H4 bars."""
SYMBOLS = 10
ROUNDS = 5


def bars(symbol: str, n: int, seed: int, start: datetime = START) -> pl.DataFrame:
    """Return a random walk of H4 bars."""
    import polars as pl

    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n)))
    ts = pl.datetime_range(start, start + (n - 1) * H4, "4h", time_unit="us", time_zone="UTC", eager=True)
    return pl.DataFrame({"ts": ts, "close": close}).select(
        pl.lit("bench").alias("feed"),
        pl.lit(symbol).alias("symbol"),
        "ts",
        pl.col("ts").alias("open_at"),
        (pl.col("ts") + H4).alias("close_at"),
        pl.lit(240, pl.Int32).alias("minutes"),
        pl.lit(240, pl.Int32).alias("covered_minutes"),
        (pl.col("close") * 0.999).alias("open"),
        (pl.col("close") * 1.002).alias("high"),
        (pl.col("close") * 0.998).alias("low"),
        "close",
        pl.Series("volume", rng.lognormal(8.0, 1.0, n)),
        pl.lit("raw").alias("adjustment"),
        pl.lit("bench").alias("source"),
        pl.lit("simulated").alias("venue"),
        pl.lit("as_published").alias("vintage"),
        pl.lit("final").alias("state"),
        pl.lit(value=True).alias("simulated"),
        (pl.col("ts") + H4).alias("known_at"),
    )


def best(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the shortest time of a call, seconds."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def measure(folder: Path) -> dict[str, Any]:
    """Return the figures, seconds."""
    import polars as pl

    clock = [NOW]
    warehouse = Warehouse(folder / "warehouse.duckdb", now=lambda: clock[0])
    history = pl.concat(bars(f"S{n}", BARS, n) for n in range(SYMBOLS))
    warehouse.append(OHLCV_H4, history)

    where = {"feed": "bench", "symbol": "S3"}
    _require(warehouse.as_of(OHLCV_H4, where=where).height == BARS, "one symbol's five years read")
    read = best(lambda: warehouse.as_of(OHLCV_H4, where=where), 15)

    scope = {"symbol": [f"S{n}" for n in range(SYMBOLS)]}
    begun = time.perf_counter()
    warehouse.latest_digest(OHLCV_H4, where=scope, remember=True)
    cold = time.perf_counter() - begun
    fresh = []
    for turn in range(ROUNDS):
        clock[0] += H4
        start = START + (BARS + turn) * H4
        warehouse.append(OHLCV_H4, pl.concat(bars(f"S{n}", 1, n, start) for n in range(SYMBOLS)))
        begun = time.perf_counter()
        found = warehouse.latest_digest(OHLCV_H4, where=scope)
        fresh.append(time.perf_counter() - begun)
        _require(found.hashed == SYMBOLS, "one leaf a symbol hashed")
        _require(found.rows == SYMBOLS * (BARS + turn + 1), "every row covered")

    writes = []
    for turn in range(3):
        frame = pl.concat(bars(f"W{turn}{n}", 10_000, n) for n in range(10))
        clock[0] += H4
        begun = time.perf_counter()
        done = warehouse.append(OHLCV_H4, frame)
        writes.append(time.perf_counter() - begun)
        _require(done.inserted == 100_000, "100,000 bars inserted")
    frame = pl.concat(bars(f"W0{n}", 10_000, n) for n in range(10))
    again = best(lambda: warehouse.append(OHLCV_H4, frame), 2)
    return {
        "write_100k_s": min(writes),
        "write_100k_unchanged_s": again,
        "read_5y_h4_s": read,
        "digest_new_s": min(fresh),
        "digest_all_s": cold,
    }


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"the warehouse did not do what is measured: {what}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    if arguments.json:
        print(json.dumps(figures | {"machine": machine()}))
        return
    for name, seconds in figures.items():
        print(f"{name:<24} {seconds * 1000:9.1f} ms")


if __name__ == "__main__":
    main()
