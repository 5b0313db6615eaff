"""Latency of ``bells serve`` at a fixed rate, over real HTTP, while another process writes days of the chain.

``python -m benchmarks.api_load --rate 200 --seconds 15 --json``.  An open loop: every request has its time,
and its latency counts from then, also when the requests before it are late.  The writer revises the newest
day and appends the next one in turn, so the copy is read and the models are fitted again all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from resources.home import ROOT

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    import polars as pl

    from warehouse.store import Warehouse

FEED = "sample"
DAYS = 5500
START_S = 90.0
PAUSE_S = 0.05
BASE = "/api/v1/models"
PATHS = (
    f"{BASE}/power-law/predict?current_price=50000",
    f"{BASE}/ensemble/predict",
    f"{BASE}/thermocap/predict",
    f"{BASE}/stock-to-flow/predict",
    f"{BASE}/mvrv-bands/predict",
    f"{BASE}/board",
    f"{BASE}/power-law",
    f"{BASE}/power-law/history?days=365",
    BASE,
    "/health",
    "/metrics",
)


@dataclass(frozen=True)
class Row:
    """One request: seconds late or long, and its status (0: no answer)."""

    seconds: float
    status: int


def frame_of(days: int, first: int, factor: float) -> pl.DataFrame:
    """Return rows ``first`` and later of a simulated chain of so many days, the price times a factor."""
    import polars as pl

    from benchmarks.valuation_speed import simulated
    from warehouse.tables import table

    declared = table("chain.metrics_daily")
    history = simulated(days)
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    at = [last - timedelta(days=DAYS - 1 - row) for row in range(first, days)]
    columns: dict[str, Any] = {name: values[first:] for name, values in history.columns.items()}
    columns["price_usd"] = columns["price_usd"] * factor
    columns |= {
        "feed": [FEED] * len(at),
        "ts": at,
        "known_at": [each + timedelta(days=1) for each in at],
        "source": ["simulated"] * len(at),
        "vintage": ["as_published"] * len(at),
        "simulated": [True] * len(at),
    }
    rows = pl.DataFrame({name: values for name, values in columns.items() if name in declared.readable})
    absent = [name for name in declared.readable if name not in rows.columns]
    return rows.with_columns(pl.lit(None).alias(name) for name in absent).pipe(declared_types)


def declared_types(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the types of ``chain.metrics_daily``."""
    import polars as pl

    from warehouse.frames import schema
    from warehouse.tables import table

    wanted = schema(table("chain.metrics_daily"))
    return rows.select(pl.col(name).cast(kind) for name, kind in wanted.items())


def warehouse_of(home: Path) -> Warehouse:
    """Return the warehouse of a home."""
    from warehouse.store import Warehouse

    return Warehouse(home / "warehouse.duckdb", now=lambda: datetime.now(UTC))


def keep_writing(home: str, stop: Event, writes: Any) -> None:
    """Write to the warehouse until told to stop: the newest day at another price each time."""
    from warehouse.manifest import Manifest
    from warehouse.tables import table

    store, declared = warehouse_of(Path(home)), table("chain.metrics_daily")
    while not stop.is_set():
        revised = frame_of(DAYS, DAYS - 3, 1.0 + 1e-4 * (writes.value + 1))
        store.append(declared, revised, manifest=Manifest("chain/metrics_daily"))
        writes.value += 1
        stop.wait(PAUSE_S)


class Connections:
    """Kept-alive connections to one server, with as little work a request as can be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> int:
        """Return the status of one request, its body read; 0 when the connection breaks."""
        try:
            if not self._free:
                self._free.append(await asyncio.open_connection("127.0.0.1", self._port))
            reader, writer = self._free.pop()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        except (OSError, EOFError):
            return 0
        self._free.append((reader, writer))
        return int(head[9:12])

    def close(self) -> None:
        """Close what is open."""
        for _, writer in self._free:
            writer.close()


async def ask(port: int, rate: float, seconds: float) -> list[Row]:
    """Send requests at a fixed rate, whatever the answers do, and time each from when it was due."""
    connections = Connections(port)

    async def one(due: float, path: str) -> Row:
        status = await connections.get(path)
        return Row(time.perf_counter() - due, status)

    for path in PATHS:
        await connections.get(path)
    began = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due, PATHS[number % len(PATHS)])))
    rows = list(await asyncio.gather(*tasks))
    connections.close()
    return rows


def wait_until_ready(url: str) -> None:
    """Return when the copy is there.

    Raises
    ------
    TimeoutError
        When it is not for `START_S` seconds.
    """
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if httpx.get(f"{url}/health", timeout=30.0).json()["status"] == "ok":
            return
        time.sleep(0.2)
    raise TimeoutError("bells serve has no copy")


def measure(rate: float, seconds: float) -> dict[str, Any]:
    """Return latencies at a rate while the writer runs."""
    from benchmarks.api_fuzz import board_rows_of
    from benchmarks.valuation_speed import simulated
    from warehouse.manifest import Manifest
    from warehouse.tables import table

    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        home = Path(folder)
        warehouse_of(home).append(
            table("chain.metrics_daily"), frame_of(DAYS, 0, 1.0), manifest=Manifest("chain/metrics_daily")
        )
        warehouse_of(home).append(
            table("valuation.board"), board_rows_of(simulated(DAYS)), manifest=Manifest("valuation/board")
        )
        environ = {**os.environ, "EIGHTBELLS_HOME": folder}
        command = [sys.executable, "-m", "service.cli.main", "serve", "--port", str(port), "--json"]
        server = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
        stop, writes = context.Event(), context.Value("i", 0)
        writer = context.Process(target=keep_writing, args=(folder, stop, writes))
        try:
            url = json.loads(server.stdout.readline() if server.stdout else "")["url"]
            wait_until_ready(url)
            first = httpx.get(f"{url}/health").json()["snapshot"]
            writer.start()
            while not writes.value and writer.is_alive():
                time.sleep(0.05)
            before = writes.value
            rows = asyncio.run(ask(port, rate, seconds))
            written = writes.value - before
            health = httpx.get(f"{url}/health").json()
        finally:
            stop.set()
            if writer.pid:
                writer.join(timeout=30)
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)
    took = 1000.0 * np.array([each.seconds for each in rows])
    return {
        "rate": rate,
        "seconds": seconds,
        "p50_ms": float(np.quantile(took, 0.5)),
        "p99_ms": float(np.quantile(took, 0.99)),
        "max_ms": float(took.max()),
        "errors": sum(each.status != 200 for each in rows),
        "statuses": {str(s): sum(each.status == s for each in rows) for s in {each.status for each in rows}},
        "requests": len(rows),
        "writes": written,
        "copy_changed": health["snapshot"] != first,
        "copy_age_s": health["age_s"],
        "exit_code": server.returncode,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.rate, options.seconds)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
