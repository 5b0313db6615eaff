"""One H4 decision of a book of three strategies on ten assets, with the fills of the decision before.

The call is `simulate_book` over the last two decisions of a panel: netting, fills, marks, every risk rule,
orders, attribution, checks and numbers.  Beside it stands what one of many decisions in a run takes.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Job, Row, machine, timed
from pipeline.seeds import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BARS, ASSETS, MEMBERS = 10_950, 10, 3
SEEN = 126
"""Bars in the context of one decision: what the volume cap looks back on."""
BUDGETS = (0.60, 0.25, 0.15)
_CELL = np.timedelta64(4, "h").astype("timedelta64[us]")


def workload(seed: int) -> dict[str, np.ndarray]:
    """Random walks and weights that change every week."""
    rng = stream(seed, "bench/step")
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.008, (BARS, ASSETS)), axis=0))
    open_ = np.vstack([np.full((1, ASSETS), 100.0), close[:-1]])
    drawn = rng.uniform(0.0, 0.3, (BARS // 42 + 1, MEMBERS, ASSETS))
    drawn[rng.random(drawn.shape) < 0.4] = 0.0
    return {
        "ts": np.datetime64("2020-01-01T00:00:00.000000") + np.arange(BARS) * _CELL,
        "open": open_,
        "high": np.maximum(open_, close) * 1.002,
        "low": np.minimum(open_, close) * 0.998,
        "close": close,
        "volume": rng.uniform(1e5, 1e6, close.shape),
        "contributions": np.repeat(drawn * np.array(BUDGETS)[:, None], 42, axis=0)[:BARS],
    }


def ours(data: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    """Return the call for the last decision, at which the weights have just changed."""
    changed = BARS - BARS % 42
    return _book(data, changed + 1 - SEEN, changed + 1, SEEN - 2)


def in_a_run(data: Mapping[str, np.ndarray]) -> list[Row]:
    """Return the row of one decision among those of five years."""
    call = _book(data, 0, BARS, 0)
    call()
    seconds = statistics.median(timed(call) for _ in range(7)) / BARS
    notes = f"mean of {BARS:,} decisions, {MEMBERS} strategies, attribution and numbers"
    return [Row("step-in-a-run", seconds, None, None, None, "assets", ASSETS, machine(), 1, notes)]


def _book(data: Mapping[str, np.ndarray], begin: int, end: int, decides: int) -> Callable[[], Any]:
    from pipeline.backtest.book import simulate_book
    from pipeline.backtest.rules import Rules, Tradable
    from pipeline.market.panel import Panel

    open_, high, low, close, volume = (
        data[name][begin:end].copy() for name in ("open", "high", "low", "close", "volume")
    )
    ts = data["ts"][begin:end].copy()
    opened = np.repeat(ts[:, None], ASSETS, axis=1)
    symbols = tuple(f"A{i}" for i in range(ASSETS))
    panel = Panel(symbols, ts, opened, opened + _CELL, opened + _CELL, open_, high, low, close, volume)
    contributions = data["contributions"][begin:end].copy()
    assets = [
        Tradable(symbol, "crypto" if i % 3 == 0 else "equity", always_open=True)
        for i, symbol in enumerate(symbols)
    ]
    rules = Rules()
    return lambda: simulate_book(panel, contributions, rules=rules, assets=assets, start=decides)


JOBS = (
    Job(
        name="step",
        unit="assets",
        n=ASSETS,
        workload=workload,
        ours=ours,
        rounds=201,
        warmups=20,
        notes="one decision and the fills of the one before, 3 strategies, risk, attribution, numbers",
        more=in_a_run,
    ),
)
