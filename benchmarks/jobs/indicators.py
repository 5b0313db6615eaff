"""Six indicators on 10,950 bars x 10 assets, beside TA-Lib's own calls on one thread.

Ours is `pipeline.features.indicators.indicators`, the call under every feature of the desk, into memory
that it is given; TA-Lib gets its columns contiguous and allocates what it returns, as it always does.
"""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.harness import Job
from pipeline.features.indicators import indicators
from pipeline.features.registry import parse

BARS, ASSETS = 10_950, 10
NAMES = (
    "sma_200",
    "ema_20",
    "rsi_14",
    "atr_14",
    "bb_upper_20_2",
    "bb_mid_20",
    "bb_lower_20_2",
    "momentum_10",
)
TOLERANCE = 1e-9

Arrays = Mapping[str, np.ndarray]


def workload(seed: int) -> dict[str, np.ndarray]:
    """Random walks, shape ``(bars, assets)``."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (BARS, ASSETS)), axis=0))
    high = close * (1.0 + np.abs(rng.normal(0.0, 0.005, close.shape)))
    low = close * (1.0 - np.abs(rng.normal(0.0, 0.005, close.shape)))
    return {"high": high, "low": low, "close": close}


def ours(data: Arrays) -> Callable[[], np.ndarray]:
    """Return the product's call into reused memory."""
    specs = tuple(parse(name) for name in NAMES)
    high, low, close = data["high"], data["low"], data["close"]
    out = np.empty((len(specs), *close.shape))
    return lambda: indicators(high, low, close, specs, out=out)


def check(answer: np.ndarray, theirs: Arrays) -> str:
    """Raise when a value or a gap differs from TA-Lib's."""
    worst = 0.0
    for name, values in zip(NAMES, answer, strict=True):
        peer = np.column_stack([theirs[f"{name} {i}"] for i in range(ASSETS)])
        np.testing.assert_array_equal(np.isnan(values), np.isnan(peer), err_msg=f"gaps of {name}")
        np.testing.assert_allclose(values, peer, rtol=TOLERANCE, atol=0.0, err_msg=name)
        difference = np.abs(values - peer) / np.abs(np.where(values == 0.0, 1.0, values))
        worst = max(worst, float(np.nanmax(difference)))
    return f"gaps equal, values equal to {worst:.0e}"


JOBS = (
    Job(
        name="indicators",
        unit="bars x assets",
        n=BARS * ASSETS,
        workload=workload,
        ours=ours,
        peers=("indicators",),
        check=check,
        rounds=101,
        warmups=10,
        notes="SMA 200, EMA 20, RSI 14, ATR 14, Bollinger 20/2, momentum 10; one thread",
    ),
)
