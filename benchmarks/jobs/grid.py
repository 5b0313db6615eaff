"""A grid of 1,000 moving-average crosses on 4 assets over 5 years of H4, beside vectorbt's chunked grid.

As in the job ``backtest``: one account per pair and asset, all in at the next open or all out, fees and
slippage.  Both sides hold the moving averages and make signals, accounts and metrics inside the call.  Ours
is `evaluate`, the product's only way to run a population, once per asset; it gives more than vectorbt is
asked for (standard errors, Newey-West, daily returns, digests).  An open is at most 10 bp below the close
before it, less than the costs, so a target of the whole NAV is always cut to the cash at hand: vectorbt's
all-in order.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.harness import Job, Row, machine, timed
from benchmarks.jobs import backtest as single
from pipeline.jit import kernel
from pipeline.seeds import stream
from pipeline.strategies.port import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.arrays import Float2D
    from pipeline.backtest.population import Population
    from pipeline.market.panel import Panel
    from pipeline.strategies.context import Context

FAST, SLOW = range(5, 55, 2), range(60, 260, 5)
PAIRS = [(fast, slow) for fast in FAST for slow in SLOW]
SPANS = sorted({*FAST, *SLOW})


class Pair(Parameters):
    """Spans of the two means, in bars."""

    fast: int
    slow: int


@dataclass(frozen=True)
class Cross:
    """The whole budget, shared equally, while the fast mean lies above the slow one."""

    name: ClassVar[str] = "Cross"
    version: ClassVar[str] = "1"
    params_model: ClassVar[type[Parameters]] = Pair
    regimes: ClassVar[tuple[str, ...]] = ()

    universe: tuple[str, ...]

    def features(self, params: Pair) -> tuple[str, ...]:
        """Return the names of the two means."""
        return f"mean_{params.fast}", f"mean_{params.slow}"

    def weights(self, context: Context, params: Pair) -> np.ndarray:
        """Return the weights of one pair, shape ``(bars, assets)``."""
        return self.weights_many(context, [params], np.empty((1, *context.shape)))[0]

    def weights_many(self, context: Context, params: Sequence[Pair], out: np.ndarray) -> np.ndarray:
        """Return the weights of many pairs in ``out``, shape ``(params, bars, assets)``."""
        for weights, pair in zip(out, params, strict=True):
            fast, slow = (context.feature(name) for name in self.features(pair))
            _share(fast, slow, 1.0 / len(self.universe), weights)
        return out


@kernel
def _share(fast: Float2D, slow: Float2D, share: float, out: Float2D) -> None:
    above, below, weights = fast.reshape(-1), slow.reshape(-1), out.reshape(-1)
    for k in range(weights.size):
        weights[k] = share if above[k] > below[k] else 0.0


def workload(seed: int) -> dict[str, np.ndarray]:
    """The market of the job ``backtest`` with small gaps, and the means of all spans."""
    data = single.workload(seed)
    close = data["close"]
    before = np.vstack([np.full((1, close.shape[1]), 100.0), close[:-1]])
    gaps = stream(seed, "bench/grid").normal(0.0, 0.0005, close.shape)
    opened = before * np.exp(np.clip(gaps, -0.001, 0.001))
    return data | {
        "open": opened,
        "high": np.maximum(data["high"], opened),
        "low": np.minimum(data["low"], opened),
        "spans": np.array(SPANS),
        "means": np.stack([single.mean(close, span) for span in SPANS]),
        "pairs": np.array(PAIRS),
    }


def _panel(data: Mapping[str, np.ndarray], columns: slice) -> Panel:
    from pipeline.market.panel import Panel

    open_, high, low, close, volume = (
        np.ascontiguousarray(data[name][:, columns]) for name in ("open", "high", "low", "close", "volume")
    )
    opened = np.repeat(data["ts"][:, None], close.shape[1], axis=1)
    closed = opened + np.timedelta64(4, "h").astype("timedelta64[us]")
    names = tuple(f"A{column}" for column in range(single.ASSETS)[columns])
    return Panel(names, data["ts"], opened, closed, closed.copy(), open_, high, low, close, volume)


def _context(data: Mapping[str, np.ndarray], columns: slice) -> Context:
    from pipeline.strategies.context import Context

    means = {
        f"mean_{span}": np.ascontiguousarray(mean[:, columns])
        for span, mean in zip(SPANS, data["means"], strict=True)
    }
    return Context(_panel(data, columns), means)


def grid(
    data: Mapping[str, np.ndarray], columns: Sequence[slice], threads: int, **changed: Any
) -> Callable[[], list[Population]]:
    """Return the call: the whole grid, one account per pair and group of columns."""
    from pipeline.backtest.population import evaluate
    from pipeline.backtest.rules import Costs, Rules, Tradable

    costs = {"crypto": Costs(slippage_bps=single.SLIPPAGE_BPS, fee_bps=single.FEE_BPS)}
    rules = Rules(costs=costs, **changed)
    contexts = [_context(data, group) for group in columns]
    params = [Pair(fast=fast, slow=slow) for fast, slow in PAIRS]

    def call() -> list[Population]:
        return [
            evaluate(
                context,
                Cross(context.symbols),
                params,
                rules=rules,
                assets=[Tradable(symbol, "crypto", always_open=True) for symbol in context.symbols],
                initial_nav=single.CASH,
                threads=threads,
            )
            for context in contexts
        ]

    return call


def _all_in(data: Mapping[str, np.ndarray], threads: int) -> Callable[[], list[Population]]:
    free = dict.fromkeys(
        ("per_asset_cap", "max_leverage", "drawdown_trigger", "drawdown_release", "drawdown_halt",
         "rebalance_band_nav", "volume_share"), math.inf,
    )  # fmt: skip
    nothing = dict.fromkeys(("rebalance_band_target", "min_trade_nav", "min_trade_usd", "max_borrowing"), 0.0)
    columns = [slice(column, column + 1) for column in range(single.ASSETS)]
    return grid(data, columns, threads, class_caps={}, **free, **nothing)


def ours(data: Mapping[str, np.ndarray]) -> Callable[[], list[Population]]:
    """Return the call with one thread."""
    return _all_in(data, 1)


def check(answer: list[Population], peer: Mapping[str, np.ndarray]) -> str:
    """Compare what both sides define alike, account by account, to 1e-9."""
    found = {name: np.concatenate([each.metrics[name] for each in answer]) for name in answer[0].metrics}
    np.testing.assert_allclose(single.CASH * (1.0 + found["total_return"]), peer["final_value"], rtol=1e-9)
    np.testing.assert_allclose(found["max_drawdown"], peer["max_drawdown"], atol=1e-9, rtol=0)
    np.testing.assert_array_equal(found["round_trips"] + found["open_round_trips"], peer["trades"])
    np.testing.assert_array_equal(found["round_trips"], peer["closed"])
    np.testing.assert_allclose(found["win_rate"], peer["win_rate"], rtol=1e-9)
    np.testing.assert_allclose(found["profit_factor"], peer["profit_factor"], rtol=1e-9)
    np.testing.assert_allclose(found["mean_exposure"], peer["exposure"], rtol=1e-9)
    return f"{int(peer['trades'].sum())} trades equal; the peer took {float(peer['cpu']):.1f} s of CPU"


def more(data: Mapping[str, np.ndarray]) -> list[Row]:
    """Time two threads, and the same pairs as books of four assets under the default rules."""
    kinds = {
        "grid-2-threads": (_all_in(data, 2), 2, "the same with threads=2"),
        "grid-books": (grid(data, [slice(None)], 1), 1, "1,000 books of 4 assets, default rules and limits"),
    }
    rows = []
    for name, (call, threads, notes) in kinds.items():
        call()
        taken = statistics.median(timed(call) for _ in range(5))
        size = single.BARS * single.ASSETS * len(PAIRS)
        rows.append(Row(name, taken, None, None, None, "asset-bars", size, machine(), threads, notes))
    return rows


JOBS = (
    Job(
        name="grid",
        unit="asset-bars",
        n=single.BARS * single.ASSETS * len(PAIRS),
        workload=workload,
        ours=ours,
        peers=("grid", "grid_narrow"),
        check=check,
        rounds=3,
        warmups=1,
        notes="4,000 accounts x 10,950 H4 bars, signals and full metrics in both, one thread",
        more=more,
    ),
)
