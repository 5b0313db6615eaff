"""A thousand random books: what must hold of each, and how often rules and payments had something to do.

Every scenario runs through the product and through an account kept the slow way (`tests/support`); the last
line is a JSON object with the violations by kind and the worst error of each.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.portfolio.account import RULE_NAMES
from tests.support.book_scenarios import LIMITS, PAID, Examined, examine


def main() -> int:
    """Examine as many books as asked for; 1 when one of them broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.book_properties")
    parser.add_argument("--scenarios", type=int, default=1500)
    chosen = parser.parse_args()
    seen: dict[int, Examined] = {}
    start = time.perf_counter()

    @settings(
        max_examples=chosen.scenarios,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**63 - 1))
    def every_book(seed: int) -> None:
        if seed not in seen:
            seen[seed] = examine(seed)

    every_book()
    answer = summary(seen) | {"seconds": time.perf_counter() - start}
    print(json.dumps(answer))
    return 1 if answer["violations"] else 0


def summary(seen: dict[int, Examined]) -> dict[str, Any]:
    """Return the violations, the share of books in which each rule binds or payment falls, worst errors."""
    broken = Counter(kind for one in seen.values() for kind in one.violations)
    bound = {name: sum(one.bound[k] for one in seen.values()) for k, name in enumerate(RULE_NAMES)}
    worst = {kind: max(one.errors[kind] for one in seen.values()) for kind in LIMITS}
    shares = {name: count / len(seen) for name, count in bound.items()}
    paid = {name: sum(one.paid[k] for one in seen.values()) / len(seen) for k, name in enumerate(PAID)}
    return {
        "scenarios": len(seen),
        "decisions": sum(one.decisions for one in seen.values()),
        "fills": sum(one.fills for one in seen.values()),
        "entries": sum(one.entries for one in seen.values()),
        "violations": sum(broken.values()),
        "violations_by_kind": {kind: broken[kind] for kind in LIMITS},
        "worst_error": worst,
        "worst_attribution_error": max(worst[kind] for kind in ("share", "delta", "term")),
        "share_bound": shares,
        "least_bound": min(shares.values()),
        "share_paid": paid,
        "least_paid": min(paid.values()),
        "seeds_broken": [seed for seed, one in seen.items() if one.violations][:20],
    }


if __name__ == "__main__":
    sys.exit(main())
