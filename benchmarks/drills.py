"""Poisoned-data drills: every fault must be stopped before features are computed, and no clean day may be.

``python -m benchmarks.drills --json`` prints how many faults there are and were stopped by the check or the
error that is theirs, and how many verdicts of how many clean days would have blocked or warned.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

DRAWN = ("price_lines", "series_lines", "feature_lines", "regime_strips")
"""Pictures that a run of the assets draws; they judge nothing."""


def main() -> int:
    """Drill, count, report; 1 when a fault got through or a clean day was blocked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--days", type=int, default=500, help="clean days")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    from pipeline.market import pictures
    from tests.damage.drills.clean_days import Replayed, blocks
    from tests.damage.drills.faults import FAULTS, drill
    from tests.support.desk import START, desk_at

    since = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="drills-") as folder:
        place = Path(folder)
        world = desk_at(place / "world").market
        ends = {}
        for number, fault in enumerate(FAULTS):
            home = place / f"fault{number}"
            with patch.dict(vars(pictures), dict.fromkeys(DRAWN, lambda *_a, **_k: b"")):
                ends[fault.name] = drill(fault, replace(desk_at(home), market=world), home)
        desk = desk_at(place / "clean", at=START)
        until = START + timedelta(days=chosen.days + 1)
        replayed = Replayed(world, desk.loaded.settings.instruments, until)
        found = blocks(desk, replayed, START, chosen.days)
    for name, end in ends.items():
        if end:
            print(f"{name}: {end}", file=sys.stderr)
    for text in found:
        print(f"clean day: {text}", file=sys.stderr)
    stopped = sum(not end for end in ends.values())
    answer = {"faults": len(ends), "stopped": stopped, "clean_days": chosen.days, "blocks": len(found)}
    print(json.dumps(answer | {"seconds": round(time.perf_counter() - since, 1)}))
    return int(stopped < len(ends) or bool(found))


if __name__ == "__main__":
    sys.exit(main())
