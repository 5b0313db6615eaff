"""Every damaged market input of ``tests/damage/inputs`` through ``bells data update``, and clean ones.

``python -m benchmarks.damaged_inputs --json`` prints how many cases of how many kinds there are, and how many
passed in silence, ended with the wrong code, were not named by their rule, or showed a traceback;
``false_alarms`` counts what was said against clean files: the sample world's, slices of the real folder and,
where it is there, the whole of it.  What went wrong is told on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.conftest import real_folder
from tests.damage.inputs.case import FAULTS, Desk, clean_findings, judge
from tests.damage.inputs.kinds import all_cases
from tests.damage.inputs.market import Files, real_files, sample_files


def main() -> int:
    """Run, count, report; 1 when any case did not end as it must."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="run every so manieth case only")
    parser.add_argument("--seed", type=int, default=0, help="draws the places that are hit")
    chosen = parser.parse_args()
    cases = all_cases(chosen.seed)[:: chosen.every]
    since = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="inputs-") as folder,
        ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool,
    ):
        home = Path(folder) / "home"
        Desk.build(home)
        ends = list(
            pool.map(
                _end,
                [home] * len(cases),
                [chosen.seed] * len(cases),
                range(0, len(cases) * chosen.every, chosen.every),
                chunksize=8,
            )
        )
        alarms = [alarm for part in pool.map(_alarms, [home] * 3, range(3)) for alarm in part]
    for case, end in zip(cases, ends, strict=True):
        if end:
            print(f"{case.id}: {end}", file=sys.stderr, flush=True)
    for alarm in alarms:
        print(f"false alarm: {alarm}", file=sys.stderr, flush=True)
    answer: dict[str, Any] = {"cases": len(cases), "kinds": len({case.kind for case in cases})}
    answer |= {name: sum(name in end for end in ends) for name in FAULTS}
    answer |= {"false_alarms": len(alarms), "real": _real() is not None}
    answer["seconds"] = round(time.perf_counter() - since, 1)
    print(json.dumps(answer))
    return int(any(ends) or bool(alarms))


@cache
def _real() -> Files | None:
    folder = real_folder()
    return real_files(folder) if (folder / "MANIFEST.csv").is_file() else None


@cache
def _desk(home: Path) -> Desk:
    return Desk(home)


def _end(home: Path, seed: int, number: int) -> dict[str, str]:
    """Judge one case; every other one on real files, where they have what it needs."""
    case, real = all_cases(seed)[number], _real()
    use_real = real is not None and number % 2 == 1 and all(name in real for name in case.files)
    return judge(case, real if real is not None and use_real else sample_files(), _desk(home))


def _alarms(home: Path, part: int) -> list[str]:
    """Return what is said against clean data: of the sample world, of real slices, of the real folder."""
    real = _real()
    if part == 0:
        return _said(sample_files(), _desk(home))
    if real is None:
        return []
    if part == 1:
        return [text for text in _said(real, _desk(home)) if not text.startswith("('gap'")]
    from tests.damage.inputs.real_folder import all_findings, false_alarms

    return [str(finding.to_dict()) for finding in false_alarms(all_findings(real_folder()))]


def _said(files: Files, desk: Desk) -> list[str]:
    return [str(told) for name in files for told in sorted(clean_findings((name,), files, desk), key=str)]


if __name__ == "__main__":
    sys.exit(main())
