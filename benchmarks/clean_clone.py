"""From a clean clone to a backtest: clone what is committed, ``make run`` twice, then once on real files.

Prints one JSON object: seconds and exit codes of each run, and what another process, with nothing but DuckDB,
reads from the file afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT

READ = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    tables = ("market.ohlcv_h4", "market.ohlcv_daily", "market.macro", "features.h4", "backtest.runs",
              "backtest.equity", "ledger.trials", "meta.manifests")
    counts = {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}
print(json.dumps(counts))
"""


def run(command: list[str], folder: Path, **variables: str) -> tuple[int, float, str]:
    """Run a command without any of our own variables and return exit code, seconds and output."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("EIGHTBELLS", "DAGSTER"))
    }
    kept = {name: value for name, value in kept.items() if name not in {"NUMBA_CACHE_DIR", "VIRTUAL_ENV"}}
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, time.perf_counter() - start, done.stdout + done.stderr


def status(clone: Path, variables: dict[str, str]) -> dict[str, Any]:
    """Return what ``bells data status`` says of the real folder: its exit code and the missing BTC bars."""
    done = subprocess.run(
        [".venv/bin/bells", "data", "status", "--json"],
        cwd=clone,
        env={**os.environ, **variables, "EIGHTBELLS_HOME": str(clone / "var")},
        capture_output=True,
        text=True,
        check=False,
    )
    rows = json.loads(done.stdout)["series"] if done.returncode == 0 else []
    btc = [
        row for row in rows if (row["symbol"], row["timeframe"], row["feed"]) == ("BTC/USD", "h4", "files")
    ]
    return {"status_exit": done.returncode, "btc_h4_missing": btc[0]["missing"] if btc else None}


def main() -> int:
    """Clone, run, read, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    chosen = parser.parse_args()
    answer: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="clone-") as scratch:
        clone = Path(scratch, "eightbells")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        for name in ("first", "second"):
            code, seconds, output = run(["make", "run"], clone)
            answer |= {f"{name}_exit": code, f"{name}_s": seconds}
            if code:
                answer["output"] = output[-1500:]
        if chosen.data.is_dir():
            variables = {"EIGHTBELLS_SOURCE": "files", "EIGHTBELLS_DATA": str(chosen.data)}
            code, seconds, output = run(["make", "run"], clone, **variables)
            answer |= {"files_exit": code, "files_s": seconds}
            if code:
                answer["output"] = output[-1500:]
            answer |= status(clone, variables)
        code, _, output = run([".venv/bin/python", "-c", READ, "var/warehouse.duckdb"], clone)
        answer["rows"] = json.loads(output.strip().splitlines()[-1]) if code == 0 else {}
        answer["tables_empty"] = (
            sum(count == 0 for count in answer["rows"].values()) if answer["rows"] else None
        )
        answer["worst_exit"] = max(value for key, value in answer.items() if key.endswith("_exit"))
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
