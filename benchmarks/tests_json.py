"""Run tests and print what came of them as one JSON object, so that a claim can point at it.

``python -m benchmarks.tests_json [--coverage] PYTEST_ARGUMENTS`` prints passed, failed, skipped, seconds, the
names of what failed and, with ``--coverage``, the percentage of lines covered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT


def main() -> int:
    """Run pytest as ``make test`` does and report."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--coverage"]
    coverage = "--coverage" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="tests-") as scratch:
        report, covered = Path(scratch, "report.xml"), Path(scratch, "coverage.json")
        extra = ["--cov", f"--cov-report=json:{covered}", "--cov-fail-under=0"] if coverage else []
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *extra, *arguments],
            cwd=ROOT,
            env={**os.environ, "COVERAGE_FILE": str(Path(scratch, "coverage"))},
            stdout=sys.stderr,
            check=False,
        )
        answer: dict[str, Any] = {"seconds": time.perf_counter() - start}
        suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest's own report
        counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        failed = counts["failures"] + counts["errors"]
        answer |= {"failed": failed, "skipped": counts["skipped"]}
        answer["passed"] = counts["tests"] - failed - counts["skipped"]
        answer["failures"] = [
            f"{case.get('classname')}::{case.get('name')}"
            for case in suite.iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None
        ]
        if coverage:
            totals = json.loads(covered.read_text(encoding="utf-8"))["totals"]
            answer["coverage"] = totals["percent_covered"]
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
