"""Many parameter sets of one strategy on one market: the headline numbers and daily returns of each.

The only door to the kernel for searches; nothing here knows where parameters come from or who counts trials.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Float1D, Float2D, Time1D
from pipeline.backtest.engine import backtest
from pipeline.backtest.result import Provenance
from pipeline.backtest.rules import Rules, Tradable

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy


@dataclass(frozen=True, eq=False)
class Population:
    """What a population leaves.

    Attributes
    ----------
    days
        Instants that end the days of the headline sample, shape ``(days,)``; one axis for all members.
    daily_returns
        Simple returns of NAV, shape ``(members, days)``.
    metrics
        Every field of `pipeline.backtest.metrics.Metrics` by name, shape ``(members,)``, NaN where unknown.
    digests
        SHA-256 of each member's series, as `pipeline.backtest.result.Simulation.digest`.
    """

    days: Time1D
    daily_returns: Float2D
    metrics: Mapping[str, Float1D]
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
        One member each.
    threads
        How many members run at once; the numbers do not depend on it.

    Raises
    ------
    ConfigError, ModelError, InsufficientDataError, DataError, BankruptcyError
        As `pipeline.backtest.engine.backtest`.
    """
    del threads
    runs = [
        backtest(
            context,
            strategy,
            each,
            rules=rules,
            assets=assets,
            provenance=Provenance(source="population", simulated=False),
            initial_nav=initial_nav,
            start=start,
            end=end,
        ).simulation
        for each in params
    ]
    rows = [dataclasses.asdict(run.metrics) for run in runs]
    values = {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in rows[0]
    }
    return Population(
        days=runs[0].ts[runs[0].daily],
        daily_returns=np.array([run.daily_returns for run in runs]),
        metrics=values,
        digests=tuple(run.digest for run in runs),
    )
