"""Searches on the real folder, again and again: one digest, one answer, one N, whatever the threads.

``python -m benchmarks.search_repeat`` reads the bars of two funds into a passing home, runs the shipped sweep
ten times (five with one thread, five with two) and the shipped evolution twice, each in a process of its own
as a person runs it, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, machine

SWEEP = "configs/experiments/trend_sweep.yaml"
EVOLUTION = "configs/experiments/trend_evolution.yaml"
PASSING = {"experiment_id", "started_at", "seconds", "folder", "speed"}
"""What differs from run to run."""


def bells(home: Path, *arguments: str, threads: int = 1) -> dict[str, Any]:
    """Run one command with so many threads in every library, and return its JSON."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("EIGHTBELLS_")}
    environ |= {name: os.environ[name] for name in ("EIGHTBELLS_DATA",) if name in os.environ}
    environ |= {
        "EIGHTBELLS_HOME": str(home),
        "EIGHTBELLS_SOURCE": "files",
        "EIGHTBELLS_SYSTEM__WAREHOUSE__THREADS": str(threads),
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba")),
        "NUMBA_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "POLARS_MAX_THREADS": str(threads),
    }
    done = subprocess.run(
        [sys.executable, "-m", "service.cli.main", *arguments, "--json"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.returncode}\n{done.stdout[-600:]}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        bells(Path(home), "data", "update", "--symbols", "SPY,QQQ")
        sweeps = [
            bells(Path(home), "optimize", "run", SWEEP, "--threads", str(threads), threads=threads)
            for threads in (1 + run % 2 for run in range(runs))
        ]
        evolved = [bells(Path(home), "optimize", "run", EVOLUTION, threads=threads) for threads in (1, 2)]
    answers = {json.dumps({k: v for k, v in each.items() if k not in PASSING}) for each in sweeps}
    first, last = sweeps[0], evolved[-1]
    result = {
        "runs": runs,
        "digests": len({each["digest"] for each in sweeps}),
        "answers": len(answers),
        "trials": first["trials"],
        "members": first["members"],
        "trials_after": sweeps[-1]["trials"],
        "sweep_seconds": sweeps[-1]["seconds"],
        "evolution_digests": len({each["digest"] for each in evolved}),
        "evolution_members": last["members"],
        "evolution_seconds": last["seconds"],
        "complete": all(
            value is not None
            for value in (
                first["best"]["deflated_sharpe"],
                first["best"]["reality_check_p"],
                first["best"]["spa_p"],
                first["pbo"],
                first["walk_forward_sharpe"],
                first["cpcv_sharpe"],
            )
        ),
        "verdict": first["verdict"],
        "deflated_sharpe": first["best"]["deflated_sharpe"],
        "pbo": first["pbo"],
        "machine": machine(),
    }
    result["ok"] = (
        result["digests"] == result["answers"] == result["evolution_digests"] == 1
        and result["trials"] == result["trials_after"] == result["members"]
        and result["complete"]
    )
    sys.stdout.write(json.dumps(result) + "\n")
    raise SystemExit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
