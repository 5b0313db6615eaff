"""Weights of whole populations: seconds of one core, and whether they are those of each member alone.

Asked through the checked door, as searches do, on a made-up market of five years and four assets, with
parameters drawn at random, in blocks; CPU seconds of this thread, the best of some rounds, so that neighbours
on the machine count little.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from pipeline.lookahead.practice import small_market
from pipeline.strategies.asking import features_of, weights_many_of, weights_of
from pipeline.strategies.practice import practice_context
from pipeline.strategies.registry import STRATEGIES, parameters, strategy

CALENDARS = {"SPY": "XNYS", "QQQ": "XNYS", "BTC/USD": "24/7", "ETH/USD": "24/7"}
DAYS = 1825
BLOCK = 50
SPACES: dict[str, dict[str, tuple[Any, Any]]] = {
    "EquityTrend": {
        "sma_days": (50, 250),
        "momentum_short_days": (20, 150),
        "momentum_long_days": (150, 300),
        "momentum_long_above": (-0.2, 0.1),
    },
    "IndexMeanReversion": {
        "rsi_bars": (5, 30),
        "oversold": (20.0, 40.0),
        "band_bars": (10, 40),
        "band_deviations": (1.0, 3.0),
        "max_bars": (5, 60),
    },
    "CryptoMomentum": {
        "momentum_short_days": (5, 45),
        "momentum_long_days": (30, 120),
        "max_positions": (1, 4),
    },
}
"""Ranges of what is drawn; whole numbers where both ends are."""


def drawn(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Return one member's parameters."""
    return {
        key: int(rng.integers(low, high, endpoint=True))
        if isinstance(low, int)
        else float(rng.uniform(low, high))
        for key, (low, high) in SPACES[name].items()
    }


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    market = small_market(1, DAYS, calendars=CALENDARS, late=0.0)
    rows: dict[str, dict[str, Any]] = {}
    for name in STRATEGIES:
        asked = strategy(name, tuple(CALENDARS))
        rng = np.random.default_rng(2)
        members = [parameters(asked, drawn(name, rng)) for _ in range(chosen.members)]
        context = practice_context(asked, list(members), market.panel, market.daily, market)
        memory = np.empty((BLOCK, *context.shape))
        seconds = []
        for _ in range(chosen.rounds):
            since = time.thread_time()
            for first in range(0, len(members), BLOCK):
                block = members[first : first + BLOCK]
                weights_many_of(context, asked, block, memory[: len(block)])
            seconds.append(time.thread_time() - since)
        some = members[:: max(1, len(members) // 40)]
        alone = np.stack([weights_of(context, asked, each) for each in some])
        rows[name] = {
            "features": len(features_of(asked, members)),
            "cpu_s": min(seconds),
            "identical": alone.tobytes() == weights_many_of(context, asked, some).tobytes(),
            "exposure": float(alone.mean()),
        }
    print(
        json.dumps(
            {
                "members": chosen.members,
                "bars": market.panel.n_bars,
                "assets": market.panel.n_assets,
                "slowest_cpu_s": max(row["cpu_s"] for row in rows.values()),
                "differing": sum(not row["identical"] for row in rows.values()),
                "strategies": rows,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
