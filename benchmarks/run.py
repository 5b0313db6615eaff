"""``make bench [JOB=name]``: run the jobs, write ``var/bench/results.json`` and print a table."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

import benchmarks.jobs
from benchmarks.harness import ONE_THREAD, ROOT, Job, Row, measure


def jobs() -> dict[str, Job]:
    """Return every job by name, found under ``benchmarks/jobs``."""
    modules = (
        importlib.import_module(f"benchmarks.jobs.{found.name}")
        for found in pkgutil.iter_modules(benchmarks.jobs.__path__)
    )
    return {job.name: job for module in modules for job in module.JOBS}


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| job | ours | peer | peer's | peer / ours | notes |", "|---|---|---|---|---|---|"]
    for row in rows:
        peer_time = "" if row.peer_s is None else f"{row.peer_s * 1e3:.3f} ms"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        ours = f"{row.ours_s * 1e3:.3f} ms"
        lines.append(f"| {row.job} | {ours} | {row.peer or ''} | {peer_time} | {ratio} | {row.notes} |")
    return "\n".join(lines)


def main() -> int:
    """Run, write and print."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--job", help="only this job")
    parser.add_argument("--rounds", type=int, help="counted rounds in place of the job's own")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    chosen = parser.parse_args()
    known = jobs()
    if chosen.job and chosen.job not in known:
        print(f"no job {chosen.job!r}; known: {', '.join(sorted(known))}", file=sys.stderr)
        return 1
    rows: list[Row] = []
    for name in [chosen.job] if chosen.job else sorted(known):
        rows += measure(known[name], rounds=chosen.rounds)
    folder = Path(os.environ.get("EIGHTBELLS_HOME", ROOT / "var"), "bench")
    folder.mkdir(parents=True, exist_ok=True)
    plain = [dataclasses.asdict(row) for row in rows]
    (folder / "results.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(plain) if chosen.json else table(rows))
    return 0


if __name__ == "__main__":
    os.environ.update(ONE_THREAD)
    sys.exit(main())
