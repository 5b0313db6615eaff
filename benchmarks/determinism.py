"""The same backtest many times, with one and with two threads: how many digests come out.

Every run is a process of its own, as a person would start it, in a scratch home, so that no ledger of the
user's counts them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

from benchmarks.harness import ROOT


def main() -> int:
    """Run, compare, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="determinism-") as home:
        for number in range(chosen.runs):
            threads = str(1 + number % 2)
            environment = {
                **os.environ,
                "EIGHTBELLS_HOME": home,
                "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba")),
                "NUMBA_NUM_THREADS": threads,
                "OMP_NUM_THREADS": threads,
                "POLARS_MAX_THREADS": threads,
                "EIGHTBELLS_SYSTEM__WAREHOUSE__THREADS": threads,
            }
            command = [sys.executable, "-m", "service.cli.main", "backtest", "run", "--json"]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
            )
            rows.append(json.loads(done.stdout))
    print(
        json.dumps(
            {
                "runs": len(rows),
                "digests": len({row["digest"] for row in rows}),
                "data_hashes": len({row["data_hash"] for row in rows}),
                "config_hashes": len({row["config_hash"] for row in rows}),
                "final_nav": rows[0]["final_nav"],
                "trades": rows[0]["trades"],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
