"""One account per asset, MA 20/100 crosses over 5 years of H4, full metrics, beside vectorbt.

Both sides get the same signals and act on the next bar's open.  "Everything" is a target of twice the NAV cut
to the cash at hand, and an infinite band trades on changed targets only: vectorbt's all-in order in the rules
of the product's own kernel.  Signals are computed beforehand on both sides; the ledger write is not part of
the call.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Job
from pipeline.seeds import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BARS, ASSETS = 10_950, 4
FAST, SLOW = 20, 100
FEE_BPS, SLIPPAGE_BPS = 10.0, 5.0
CASH = 100_000.0
_CELL = np.timedelta64(4, "h").astype("timedelta64[us]")


def workload(seed: int) -> dict[str, np.ndarray]:
    """Random walks that trend a little, gapless, with the crosses of their means."""
    rng = stream(seed, "bench/backtest")
    drift = np.repeat(rng.normal(0.0, 0.002, (BARS // 150 + 1, ASSETS)), 150, axis=0)[:BARS]
    close = 100.0 * np.exp(np.cumsum(drift + rng.normal(0.0, 0.008, (BARS, ASSETS)), axis=0))
    before = np.vstack([np.full((1, ASSETS), 100.0), close[:-1]])
    open_ = before * np.exp(rng.normal(0.0, 0.001, close.shape))
    reach = np.exp(np.abs(rng.normal(0.0, 0.003, close.shape)))
    return {
        "ts": np.datetime64("2020-01-01T00:00:00.000000") + np.arange(BARS) * _CELL,
        "open": open_,
        "high": np.maximum(open_, close) * reach,
        "low": np.minimum(open_, close) / reach,
        "close": close,
        "volume": rng.uniform(1e5, 1e6, close.shape),
        "long": mean(close, FAST) > mean(close, SLOW),
        "costs": np.array([FEE_BPS, SLIPPAGE_BPS, CASH]),
    }


def mean(close: np.ndarray, span: int) -> np.ndarray:
    """Return the moving average over ``span`` bars, NaN before there are so many."""
    sums = np.cumsum(np.vstack([np.zeros((1, close.shape[1])), close]), axis=0)
    means = np.full(close.shape, math.nan)
    means[span - 1 :] = np.subtract(sums[span:], sums[:-span]) / span
    return means


def ours(data: Mapping[str, np.ndarray]) -> Callable[[], list[Any]]:
    """Return the call: the product's `simulate` once per account."""
    from pipeline.backtest.engine import simulate
    from pipeline.backtest.rules import Costs, Rules, Tradable
    from pipeline.market.panel import Panel

    rules = Rules(
        per_asset_cap=math.inf,
        class_caps={},
        max_leverage=math.inf,
        drawdown_trigger=math.inf,
        drawdown_release=math.inf,
        drawdown_halt=math.inf,
        rebalance_band_nav=math.inf,
        rebalance_band_target=0.0,
        min_trade_nav=0.0,
        min_trade_usd=0.0,
        volume_share=math.inf,
        max_borrowing=0.0,
        costs={"crypto": Costs(slippage_bps=SLIPPAGE_BPS, fee_bps=FEE_BPS)},
    )
    accounts = []
    for column in range(ASSETS):
        open_, high, low, close, volume = (
            np.ascontiguousarray(data[name][:, column : column + 1])
            for name in ("open", "high", "low", "close", "volume")
        )
        opened = np.ascontiguousarray(data["ts"][:, None])
        closed = opened + _CELL
        panel = Panel(
            (f"A{column}",), data["ts"], opened, closed, closed.copy(), open_, high, low, close, volume
        )
        weights = np.ascontiguousarray(data["long"][:, column : column + 1] * 2.0)
        accounts.append((panel, weights, [Tradable(f"A{column}", "crypto", always_open=True)]))

    def call() -> list[Any]:
        return [
            simulate(panel, weights, rules=rules, assets=assets, initial_nav=CASH)
            for panel, weights, assets in accounts
        ]

    return call


def check(answer: list[Any], peer: Mapping[str, np.ndarray]) -> str:
    """Compare final value, maximal drawdown (1e-9 relative and absolute) and the number of trades."""
    final = np.array([run.final_nav for run in answer])
    deepest = np.array([run.metrics.max_drawdown for run in answer])
    trades = np.array([run.trips.size for run in answer])
    np.testing.assert_allclose(final, peer["final_value"], rtol=1e-9)
    np.testing.assert_allclose(deepest, peer["max_drawdown"], atol=1e-9, rtol=0)
    np.testing.assert_array_equal(trades, peer["trades"])
    off = float(np.abs(final / peer["final_value"] - 1.0).max())
    return f"{int(trades.sum())} trades equal, final value within {off:.1e}"


JOBS = (
    Job(
        name="backtest",
        unit="asset-bars",
        n=BARS * ASSETS,
        workload=workload,
        ours=ours,
        peers=("backtest",),
        check=check,
        notes="4 accounts x 10,950 H4 bars, full metrics in both, ledger write not included",
    ),
)
