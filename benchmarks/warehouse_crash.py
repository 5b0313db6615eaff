"""Wherever SIGKILL can stop warehouse write sessions: what is there afterwards.

``python -m benchmarks.warehouse_crash --json``.  A process appends batches through the product's `Warehouse`
while every change that it makes to the warehouse's files is recorded.  Each point between two changes, and
inside each write each page boundary, where the kernel too looks for the signal, is then laid out as files and
opened by the product: it must attach, hold every acknowledged batch whole and the others whole or not at all,
and take another write.  The repair of such a folder is recorded and cut to pieces in the same way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import ROOT, machine
from benchmarks.syscalls import Change, Files, Recorder
from benchmarks.warehouse_load import FEED, series
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables_market import MACRO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "warehouse.duckdb"
ACKNOWLEDGED = "acknowledged"
REPAIR = "repair"


@dataclass(frozen=True)
class Scenario:
    """Rows of the batches written before and during the recording, and rows of a chunk."""

    name: str
    before: tuple[int, ...]
    batches: tuple[int, ...]
    chunk_rows: int


SCENARIOS = (
    Scenario("small", (400, 400, 2000, 400, 400, 2000), (400, 400, 1200, 400), 500),
    # Whole row groups go to the file before the commit; the log only says where they are.
    Scenario("large", (400, 130_000, 2000), (130_000, 400), 125_000),
)


@dataclass
class Outcome:
    """What was found.

    ``points`` were looked at, ``inside_writes`` of them within one write, ``in_repairs`` within a repair;
    ``changes`` were recorded.  ``unattachable``, ``lost`` and ``partial`` count points.
    """

    points: int = 0
    inside_writes: int = 0
    in_repairs: int = 0
    changes: int = 0
    unattachable: int = 0
    lost: int = 0
    partial: int = 0
    texts: list[str] = field(default_factory=list)


def open_warehouse(path: Path, chunk_rows: int) -> Warehouse:
    return Warehouse(path, now=lambda: datetime.now(UTC), chunk_rows=chunk_rows)


def append(warehouse: Warehouse, name: str, rows: int) -> None:
    warehouse.write_many([(MACRO, series(name, rows))], manifest=Manifest(asset=name))


def whole(warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    """Return visible rows and manifests of each batch, and read every other table to its end."""
    visible = warehouse.as_of(MACRO, where={"feed": FEED}, columns=["series"])
    seen = Counter(dict(visible["series"].value_counts().iter_rows()))
    with warehouse.read() as cursor:
        noted = Counter(row[0] for row in cursor.execute("SELECT asset FROM meta.manifests").fetchall())
        for schema, table in cursor.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall():
            cursor.execute(f"SELECT * FROM {schema}.{table}").to_arrow_table()
    return {name: (seen[name], noted[name]) for name in seen | noted}


def victim(folder: Path, work: dict[str, int], chunk_rows: int) -> None:
    """Get ready, say so, wait, append, and note each batch once its append has returned."""
    warehouse = open_warehouse(folder / NAME, chunk_rows)
    spare = open_warehouse(folder / "spare" / NAME, chunk_rows)
    append(spare, "imports", 10)  # whatever is loaded at a first write; other files than the recorded ones
    note = os.open(folder / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    sys.stdin.readline()
    for name, rows in work.items():
        if name == REPAIR:
            with warehouse.read() as cursor:
                cursor.execute("SELECT count(*) FROM market.macro").fetchall()
        append(warehouse, name, rows)
        os.write(note, f"{name}\n".encode())


def record(folder: Path, work: dict[str, int], chunk_rows: int) -> list[Change]:
    """Let a process append ``work`` in ``folder`` and return what it changed there."""
    command = [sys.executable, "-m", "benchmarks.warehouse_crash"]
    command += ["--victim", str(folder), json.dumps(work), str(chunk_rows)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with process:
        if process.stdout is None or process.stdin is None or not process.stdout.readline():
            raise SystemExit("the process to record did not start")
        entrance = process.stdin

        def go() -> None:
            entrance.write("go\n")
            entrance.flush()

        recorder = Recorder(folder)
        recorder.follow(process.pid, go)
        process.returncode = 0  # the recorder has waited for it
    return recorder.changes


def read_folder(folder: Path) -> Files:
    return {path.name: bytearray(path.read_bytes()) for path in folder.iterdir() if path.is_file()}


def lay_out(files: Files, folder: Path) -> None:
    """Make the folder hold exactly ``files``."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()
    for name, contents in files.items():
        (folder / name).write_bytes(contents)


def points(files: Files, changes: Sequence[Change], stride: int) -> Iterator[tuple[str, bool, Files]]:
    """Yield each state that a kill can leave: its name, whether inside a write, the files (not a copy)."""
    yield "before everything", False, files
    for number, change in enumerate(changes):
        for count, cut in enumerate(change.cuts(files)):
            if count % stride == 0:
                change.apply(files, upto=cut)
                yield f"{number} {change.kind} {change.name} @{change.offset} after {cut}", True, files
        change.apply(files)
        yield f"{number} {change.kind} {change.name} @{change.offset} done", False, files


def look(folder: Path, expected: dict[str, int], chunk_rows: int, where: str, outcome: Outcome) -> None:
    """Open what a kill left, compare, and write once more."""
    outcome.points += 1
    acknowledged = (folder / ACKNOWLEDGED).read_text().split()
    warehouse = open_warehouse(folder / NAME, chunk_rows)
    try:
        found = whole(warehouse)
        append(warehouse, "afterwards", 20)
        again = whole(warehouse)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        outcome.unattachable += 1
        outcome.texts.append(f"{where}: {type(error).__name__}: {str(error)[:300]}")
        return
    lost = [name for name in acknowledged if found.get(name) != (expected[name], 1)]
    partial = [name for name, seen in found.items() if seen != (expected[name], 1)]
    if again != {**found, "afterwards": (20, 1)}:
        lost.append("afterwards")
    outcome.lost += bool(lost)
    outcome.partial += bool(partial)
    outcome.texts += [f"{where}: {name}: {found.get(name)}" for name in {*lost, *partial}]


def run(scenario: Scenario, folder: Path, *, stride: int, repairs: int, outcome: Outcome) -> None:
    """Record the scenario, look at its points, then at those of ``repairs`` repairs spread over them."""
    made, seen = folder / "made", folder / "seen"
    made.mkdir()
    seen.mkdir()
    expected = {f"b{number}": rows for number, rows in enumerate(scenario.before)}
    for name, rows in expected.items():
        append(open_warehouse(made / NAME, scenario.chunk_rows), name, rows)
    (made / ACKNOWLEDGED).write_text("".join(f"{name}\n" for name in expected))
    before = read_folder(made)
    work = {f"v{number}": rows for number, rows in enumerate(scenario.batches)}
    changes = record(made, work, scenario.chunk_rows)
    expected |= work
    outcome.changes += len(changes)
    spots = []
    for where, inside, files in points({k: bytearray(v) for k, v in before.items()}, changes, stride):
        outcome.inside_writes += inside
        lay_out(files, seen)
        look(seen, expected, scenario.chunk_rows, f"{scenario.name} {where}", outcome)
        spots.append(where)
    wanted = set(spots[:: max(1, len(spots) // repairs)]) if repairs else set()
    expected[REPAIR] = 60
    for where, _, files in points({k: bytearray(v) for k, v in before.items()}, changes, stride):
        if where not in wanted:
            continue
        lay_out(files, made)
        start = read_folder(made)
        try:
            repair = record(made, {REPAIR: 60}, scenario.chunk_rows)
        except SystemExit as error:
            outcome.unattachable += 1
            outcome.texts.append(f"repair of {where}: {error}")
            continue
        for then, _, after in points(start, repair, stride * 8):
            outcome.in_repairs += 1
            lay_out(after, seen)
            look(seen, expected, scenario.chunk_rows, f"{scenario.name} {where}, repair {then}", outcome)


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warehouse_crash", description=__doc__)
    parser.add_argument("--scenario", choices=[s.name for s in SCENARIOS], action="append")
    parser.add_argument("--stride", type=int, default=1, help="look at every n-th page boundary of a write")
    parser.add_argument("--repairs", type=int, default=20, help="repairs to cut to pieces, per scenario")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--victim", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.victim:
        folder, work, chunk_rows = chosen.victim
        victim(Path(folder), json.loads(work), int(chunk_rows))
        return 0
    begun = time.perf_counter()
    outcome = Outcome()
    for scenario in SCENARIOS:
        if not chosen.scenario or scenario.name in chosen.scenario:
            with tempfile.TemporaryDirectory(prefix="bells-crash-") as folder:
                run(scenario, Path(folder), stride=chosen.stride, repairs=chosen.repairs, outcome=outcome)
    result = {**asdict(outcome), "seconds": round(time.perf_counter() - begun, 1), "machine": machine()}
    if chosen.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:16} {value}")
    return 1 if outcome.unattachable or outcome.lost or outcome.partial else 0


if __name__ == "__main__":
    raise SystemExit(main())
