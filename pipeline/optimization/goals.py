"""What a member is worth: the metrics of experiment files, as numbers of which more is better."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.config.search import Objective

FIELDS = {
    "bps": "bps",
    "sharpe_ratio": "sharpe",
    "sortino_ratio": "sortino",
    "cagr": "cagr",
    "total_return": "total_return",
    "max_drawdown": "max_drawdown",
    "calmar_ratio": "calmar",
    "win_rate": "win_rate",
    "profit_factor": "profit_factor",
    "num_trades": "round_trips",
    "turnover": "turnover",
    "volatility": "volatility",
}
"""Name in experiment files to the field of `pipeline.backtest.metrics.Metrics`."""


def goals_of(metrics: Sequence[Mapping[str, float | None]], objectives: Sequence[Objective]) -> Float2D:
    """Return the goals of members, shape ``(members, objectives)``: more is better, NaN is unknown."""
    answer = np.full((len(metrics), len(objectives)), np.nan)
    for column, objective in enumerate(objectives):
        for row, values in enumerate(metrics):
            value = values[FIELDS[objective.metric]]
            if value is not None:
                answer[row, column] = value if objective.maximize else -value
    return answer


def best_first(goal: Float1D) -> Int1D:
    """Return the order of members by one goal: the best first, equals as they came, unknown ones last."""
    return np.argsort(np.where(np.isnan(goal), np.inf, -goal), kind="stable")
