"""SIGKILL in the middle of transactions: nothing acknowledged is lost, nothing is there by half.

``python -m benchmarks.warehouse_kill --kills 60 --json``.  A victim appends batches through the product's
`Warehouse`, every third one in chunks, and prints a batch's name once its append has returned.  It is killed
at a random moment; only kills that met it inside a session count.  Then the parent looks: acknowledged
batches must be whole, the others whole or absent, rows of unfinished chunked writes invisible.  After a
finding the folder stays, with the files as that kill left them, and its path is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.harness import ROOT, machine
from benchmarks.warehouse_load import FEED, series
from pipeline.errors import BellsError
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables_market import MACRO

CHUNK_ROWS = 500
WHOLE_ROWS = 400
CHUNKED_ROWS = 4 * CHUNK_ROWS
LONGEST_LIFE_S = 0.4


@dataclass
class Outcome:
    """What the kills did.

    ``kills`` met the victim in a session; ``attempts`` counts all.  ``lost``: acknowledged batches that are
    not whole.  ``partial``: batches or manifests visible in part.  ``mid_chunk_kills`` left rows of
    an unfinished chunked write behind, ``left_logs`` a write-ahead log to replay.  ``unattachable``: the file
    could not be read after the kill; nothing more is tried then.
    """

    kills: int = 0
    attempts: int = 0
    lost: int = 0
    partial: int = 0
    unattachable: int = 0
    mid_chunk_kills: int = 0
    left_logs: int = 0
    acknowledged: int = 0
    rows: int = 0
    texts: list[str] = field(default_factory=list)

    @property
    def faultless(self) -> bool:
        """Whether no kill did any harm."""
        return not (self.lost or self.partial or self.unattachable)


def open_warehouse(path: Path) -> Warehouse:
    """Return the warehouse as both sides use it."""
    return Warehouse(path, now=lambda: datetime.now(UTC), chunk_rows=CHUNK_ROWS)


def batch_rows(number: int) -> int:
    """Return how many rows batch ``number`` has; every third goes in chunks."""
    return CHUNKED_ROWS if number % 3 == 2 else WHOLE_ROWS


def victim(path: Path, name: str) -> None:
    """Append batches until killed."""
    warehouse = open_warehouse(path)
    for number in range(1_000_000):
        batch = f"{name}-{number}"
        manifest = Manifest(asset=batch)
        warehouse.write_many([(MACRO, series(batch, batch_rows(number)))], manifest=manifest)
        print(batch, flush=True)


def nursery(path: Path) -> None:
    """Import once what every victim needs, then fork one for each name that is read, and say when it died."""
    import pandas  # noqa: F401, ICN001 - DuckDB imports it at the first parameter
    import polars  # noqa: F401, ICN001
    import pyarrow  # noqa: F401, ICN001

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            victim(path, line.strip())
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)


class Nursery:
    """The process that victims are forked from; it has no threads."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.warehouse_kill", "--nursery", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def kill_one(self, name: str, delay: float) -> list[str]:
        """Let a victim work until ``delay`` seconds after its first batch, kill it, return its batches."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        pid, acknowledged = None, []
        for line in self._process.stdout:
            word = line.strip()
            if word == "dead":
                return acknowledged
            if word.isdigit():
                pid = int(word)
            else:
                acknowledged.append(word)
            if pid is not None and len(acknowledged) == 1:
                time.sleep(delay)
                os.kill(pid, signal.SIGKILL)
                pid = None
        raise SystemExit("the nursery died")

    def close(self) -> None:
        """End the nursery."""
        self._process.communicate()


def inspect(warehouse: Warehouse, name: str, acknowledged: list[str], outcome: Outcome) -> None:
    """Compare what is visible with what was acknowledged, and clean the orphans away."""
    batches = {f"{name}-{number}": batch_rows(number) for number in range(len(acknowledged) + 1)}
    visible = warehouse.as_of(MACRO, where={"feed": FEED, "series": list(batches)})["series"].to_list()
    with warehouse.read() as cursor:
        manifests = [
            row[0]
            for row in cursor.execute(
                "SELECT asset FROM meta.manifests WHERE asset LIKE ?", [f"{name}-%"]
            ).fetchall()
        ]
    for batch, rows in batches.items():
        seen, noted = visible.count(batch), manifests.count(batch)
        if (seen, noted) == (rows, 1):
            continue
        if batch in acknowledged:
            outcome.lost += 1
        if (seen, noted) != (0, 0):
            outcome.partial += 1
        if batch in acknowledged or (seen, noted) != (0, 0):
            outcome.texts.append(f"{batch}: {seen} of {rows} rows, {noted} manifests")
    outcome.mid_chunk_kills += bool(warehouse.orphans())
    warehouse.remove_orphans(timedelta(0))
    outcome.acknowledged += len(acknowledged)


def run(kills: int, folder: Path, seed: int = 20240301) -> Outcome:
    """Kill until ``kills`` victims died inside a session."""
    path = folder / "warehouse.duckdb"
    warehouse = open_warehouse(path)
    warehouse.migrate()
    lock, log = path.with_name(path.name + ".lock"), path.with_name(path.name + ".wal")
    generator = random.Random(seed)
    outcome = Outcome()
    everything: list[str] = []
    victims = Nursery(path)
    try:
        while outcome.kills < kills and outcome.attempts < 3 * kills + 10:
            name = f"v{outcome.attempts}"
            acknowledged = victims.kill_one(name, generator.uniform(0.0, LONGEST_LIFE_S))
            outcome.attempts += 1
            outcome.kills += bool(lock.read_bytes().strip())  # its PID stayed: it died holding the file
            outcome.left_logs += log.exists()
            everything += acknowledged
            _keep(folder)
            try:
                inspect(warehouse, name, acknowledged, outcome)
            except (BellsError, duckdb.Error) as error:
                outcome.unattachable += 1
                outcome.texts.append(f"after {name}: {error}")
            if not outcome.faultless:
                return outcome
    finally:
        victims.close()
    _recount(warehouse, everything, outcome)
    return outcome


def _keep(folder: Path) -> None:
    """Put the files, as the kill left them, into the folder ``as_left``; looking at them changes them."""
    kept = folder / "as_left"
    kept.mkdir(exist_ok=True)
    for old in kept.iterdir():
        old.unlink()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copyfile(path, kept / path.name)


def _recount(warehouse: Warehouse, acknowledged: list[str], outcome: Outcome) -> None:
    """At the end every batch ever acknowledged is still whole, and no row is stored that cannot be seen."""
    with warehouse.read() as cursor:
        counts = dict(cursor.execute("SELECT series, count(*) FROM market.macro GROUP BY ALL").fetchall())
    outcome.rows = sum(counts.values())
    gone = [b for b in acknowledged if counts.get(b) != batch_rows(int(b.rsplit("-", 1)[1]))]
    outcome.lost += len(gone)
    outcome.texts += [f"{batch}: {counts.get(batch, 0)} rows at the end" for batch in gone]
    visible = warehouse.as_of(MACRO, columns=["series"]).height
    if visible != outcome.rows:
        outcome.partial += 1
        outcome.texts.append(f"{outcome.rows} rows are stored, {visible} visible")


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warehouse_kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20240301, help="of the moments at which victims die")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--nursery", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.nursery is not None:
        nursery(chosen.nursery)
        return 0
    begun = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="bells-kill-"))
    outcome = run(chosen.kills, folder, chosen.seed)
    if outcome.faultless:
        shutil.rmtree(folder)
    else:
        print(f"the files stay in {folder}, those of the last kill in as_left", file=sys.stderr)
    result = {**asdict(outcome), "seconds": round(time.perf_counter() - begun, 1), "machine": machine()}
    if chosen.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:16} {value}")
    return 0 if outcome.faultless and outcome.kills >= chosen.kills else 1


if __name__ == "__main__":
    raise SystemExit(main())
