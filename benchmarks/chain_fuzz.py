"""Damaged transactions through the parser and its twin: one verdict at one byte, no crash, little memory.

Each case is also walked where one byte read too far kills the process (``Cliff``); the last line is a JSON
object.  Real transactions are damaged too where ``EIGHTBELLS_DATA`` has blocks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from benchmarks.harness import ROOT
from pipeline.chain.block import parse_block, parse_transactions
from pipeline.errors import DataError
from tests.support.fuzzed_transactions import Cliff, damaged, disagreement

MEMORY_PER_BYTE, MEMORY_BESIDE = 8, 1 << 13
"""Bytes that the parser may take for each byte given, and beside them."""
LONGEST_SEED = 2_000


def main() -> int:
    """Run the cases; 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chain_fuzz")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=8)
    chosen = parser.parse_args()
    answer = fuzz(chosen.cases, chosen.seed, real_transactions())
    print(json.dumps(answer))
    return 1 if answer["crashes"] or answer["disagreements"] or answer["over_memory"] else 0


def real_transactions() -> list[bytes]:
    """Return the shorter transactions of the real blocks; none where there is no folder."""
    folder = Path(os.environ.get("EIGHTBELLS_DATA") or ROOT.parent / "shared" / "data") / "blocks"
    found = []
    for path in sorted(folder.glob("*.raw")):
        raw = path.read_bytes()
        tx = parse_block(raw, txids=False).tx
        places = zip(tx.offset.tolist(), tx.size.tolist(), strict=True)
        found += [raw[begin : begin + size] for begin, size in places if size <= LONGEST_SEED]
    return found


def fuzz(cases: int, seed: int, seeds: list[bytes]) -> dict[str, object]:
    """Return what became of so many damaged transactions."""
    random, cliff = Random(seed), Cliff()
    faults: Counter[str] = Counter()
    broken: list[dict[str, str]] = []
    crashes = disagreements = accepted = over = 0
    worst = 0
    cliff.walk(damaged(Random(seed), seeds))
    tracemalloc.start()
    start = time.perf_counter()
    for _ in range(cases):
        raw = damaged(random, seeds)
        try:
            taken = _memory(raw)
            differs, verdict = disagreement(raw)
            walked = cliff.walk(raw)
        except Exception as error:  # noqa: BLE001 - what is counted here is any failure that no rule explains
            crashes += 1
            broken.append({"raw": raw.hex(), "why": repr(error)})
            continue
        if differs is None and (walked.fault == 0) != (verdict.fault is None):
            differs = "another verdict at the end of memory"
        if differs is not None:
            disagreements += 1
            broken.append({"raw": raw.hex(), "why": differs})
        accepted += verdict.fault is None
        faults[verdict.fault or "none"] += 1
        over += taken > MEMORY_PER_BYTE * len(raw) + MEMORY_BESIDE
        worst = max(worst, taken)
    tracemalloc.stop()
    return {
        "cases": cases,
        "crashes": crashes,
        "disagreements": disagreements,
        "accepted": accepted,
        "over_memory": over,
        "most_memory_bytes": worst,
        "real_seeds": len(seeds),
        "faults": dict(faults.most_common()),
        "broken": broken[:5],
        "seconds": time.perf_counter() - start,
    }


def _memory(raw: bytes) -> int:
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    with suppress(DataError):
        parse_transactions(raw)
    return tracemalloc.get_traced_memory()[1] - before


if __name__ == "__main__":
    sys.exit(main())
