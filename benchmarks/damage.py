"""Every damaged case of ``tests/damage``, each in a process of its own as a person would run it.

``python -m benchmarks.damage --json`` prints how many cases of how many kinds there are, and how many ended
with the wrong code, showed a traceback, changed a warehouse that had to stay, or did not say field, rule
and fix.  What went wrong is told on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.damage.case import FAULTS, Case, as_process, faults
from tests.damage.every import CASES
from tests.damage.room import Room, build


def main() -> int:
    """Run, count, report; 1 when any case did not end as it must."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="run every so manieth case only")
    chosen = parser.parse_args()
    cases = CASES[:: chosen.every]
    since = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        template = build(Path(folder) / "sound", lambda room, command: as_process(room, command).code)
        with ThreadPoolExecutor(chosen.workers) as pool:
            ends = list(pool.map(lambda case: _end(case, template), cases))
    answer: dict[str, float] = {"cases": len(cases), "kinds": len({case.kind for case in cases})}
    answer |= {name: sum(name in end for end in ends) for name in FAULTS}
    answer["seconds"] = round(time.perf_counter() - since, 1)
    print(json.dumps(answer))
    if not chosen.json:
        print(
            f"{len(cases)} cases, {sum(bool(end) for end in ends)} did not end as they must", file=sys.stderr
        )
    return int(any(ends))


def _end(case: Case, template: Room) -> dict[str, str]:
    end = faults(case, template, as_process)
    if end:
        print(f"{case.id}: {end}", file=sys.stderr, flush=True)
    return end


if __name__ == "__main__":
    sys.exit(main())
