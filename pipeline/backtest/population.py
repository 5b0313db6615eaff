"""Many parameter sets of one strategy on one market: the headline numbers and daily returns of each.

The only door to the kernel for searches; nothing here knows where parameters come from or who counts trials.
Members run in blocks, each in one compiled call; every number is the one that `backtest` gives.
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import local
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Bool1D, Float1D, Float2D, Time1D
from pipeline.backtest import metrics as m
from pipeline.backtest.cash import cash_on_days
from pipeline.backtest.population_run import METRICS, Outcome, Stage
from pipeline.backtest.result import Simulation
from pipeline.backtest.rules import Rules, Tradable

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy

BLOCK_BYTES = 8 * 2**20
"""Target weights of a block: few enough that they are still in a cache when they are run."""
_FEWEST_CELLS = 2_000_000
"""Asset-bars below which one thread is faster: about 20 ms of work."""


@dataclass(frozen=True, eq=False)
class Population:
    """What a population leaves.

    Attributes
    ----------
    days
        Labels of the decisions that end the days, shape ``(days,)``; one axis for all members, which depends
        on the strategy's universe only: 00:00 UTC where it has a market that never closes, else after days
        with a session.
    daily_returns
        Simple returns of NAV over those days, shape ``(members, days)``.
    cash_returns
        What cash earned on those days, the same for all members, shape ``(days,)``; empty where it earns
        nothing.
    metrics
        Every field of `pipeline.backtest.metrics.Metrics` by name, shape ``(members,)``, NaN where unknown.
    bankrupt
        Whether NAV reached zero, shape ``(members,)``.  Of such a member only total return (-1) and maximal
        drawdown (1) are known; the return of its last day is -1, and NaN follows.
    digests
        SHA-256 over each member's days, daily returns and metrics; `digest_of` gives the same of a single
        run.  What `Simulation.digest` covers would take longer to hash than to run.
    """

    days: Time1D
    daily_returns: Float2D
    cash_returns: Float1D
    metrics: Mapping[str, Float1D]
    bankrupt: Bool1D
    digests: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of members."""
        return self.daily_returns.shape[0]


def evaluate(
    context: "Context",
    strategy: "Strategy",
    params: Sequence[BaseModel],
    *,
    rules: Rules,
    assets: Sequence[Tradable],
    initial_nav: float = 100_000.0,
    start: datetime | None = None,
    end: datetime | None = None,
    threads: int = 1,
) -> Population:
    """Run every parameter set through history.

    Parameters
    ----------
    context, strategy, rules, assets, initial_nav, start, end
        As for `pipeline.backtest.engine.backtest`.
    params
        One member each; none gives an empty population.
    threads
        How many members run at once, at most; the numbers do not depend on it.

    Raises
    ------
    ConfigError, ModelError, InsufficientDataError, DataError
        As `pipeline.backtest.engine.backtest`.  A bankrupt member is flagged and ends nothing.
    """
    stage = Stage(context, strategy, rules, tuple(assets), initial_nav, start, end)
    members, cells = len(params), context.panel.n_bars * context.panel.n_assets
    workers = max(1, min(threads, members)) if members * cells >= _FEWEST_CELLS else 1
    size = max(1, min(BLOCK_BYTES // (8 * cells), -(-members // workers)))
    blocks = [range(k, min(k + size, members)) for k in range(0, members, size)]
    outcome = Outcome.of(members, stage.days.size)
    memory = local()

    def run(block: range) -> None:
        if not hasattr(memory, "own"):
            memory.own = stage.memory(size)
        stage.run(params, block, outcome, *memory.own)

    if workers == 1:
        for block in blocks:
            run(block)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, blocks))
    days = stage.panel.ts[stage.first :][stage.days]
    common = _common(context.symbols, days)
    digests = (
        _digest(common, returns, numbers)
        for returns, numbers in zip(outcome.returns, outcome.metrics, strict=True)
    )
    return Population(
        days=days,
        daily_returns=outcome.returns,
        cash_returns=cash_on_days(stage.sheet.credit, stage.days),
        metrics={name: np.ascontiguousarray(outcome.metrics[:, k]) for k, name in enumerate(METRICS)},
        bankrupt=outcome.bankrupt,
        digests=tuple(digests),
    )


def digest_of(simulation: Simulation, days: Time1D) -> str:
    """Return the digest that a population with these ``days`` gives a member that ran like ``simulation``."""
    returns = m.simple_returns(simulation.nav[np.isin(simulation.ts, days)], simulation.initial_nav)
    numbers = np.array([getattr(simulation.metrics, name) for name in METRICS], np.float64)
    return _digest(_common(simulation.symbols, days), returns, numbers)


def _common(symbols: tuple[str, ...], days: Time1D) -> "hashlib._Hash":
    """Return the hash of what the digests of all members begin with."""
    digest = hashlib.sha256(f"{symbols}{days.size}{METRICS}".encode())
    digest.update(days.tobytes())
    return digest


def _digest(common: "hashlib._Hash", returns: Float1D, numbers: Float1D) -> str:
    digest = common.copy()
    digest.update(returns.data)
    digest.update(numbers.data)
    return digest.hexdigest()
