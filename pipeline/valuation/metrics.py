"""Errors of forecasts against what came; fractions, None where undefined.

``mape`` is a fraction like every other share in this project: 0.25 is 25 %.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool1D, Float1D
from pipeline.optimization.luck.blocks import draw_blocks
from pipeline.valuation.line import ln

DRAWS = 999
BOUND = 0.95
"""Share of bootstrap draws between the bounds of a coverage."""
_LEAST_BLOCK = 30
_FEWEST = 2


@dataclass(frozen=True)
class ErrorMetrics:
    """How far forecasts were off.

    Parameters
    ----------
    n
        Days with a forecast and a price.
    mae, rmse
        USD.
    mape
        Mean of ``|forecast - actual| / actual``, a fraction.
    rmse_log, bias_log
        Of ``ln(actual / forecast)``; a positive bias says that forecasts were too low.
    direction_accuracy
        Share of steps at which forecast and price moved the same way, of those at which both moved.
    """

    n: int
    mae: float | None
    mape: float | None
    rmse: float | None
    rmse_log: float | None
    bias_log: float | None
    direction_accuracy: float | None


@dataclass(frozen=True)
class Coverage:
    """Share of prices inside an interval of a nominal level, with its bootstrap bounds; None without any."""

    level: float
    value: float | None
    low: float | None
    high: float | None
    n: int


def error_metrics(forecast: Float1D, actual: Float1D) -> ErrorMetrics:
    """Return the error metrics of the days that have both numbers; prices are above 0.

    Examples
    --------
    >>> import numpy as np
    >>> error_metrics(np.array([110.0, 90.0]), np.array([100.0, 100.0])).mape
    0.1
    """
    good = np.isfinite(forecast) & np.isfinite(actual) & (forecast > 0.0) & (actual > 0.0)
    p, a = forecast[good], actual[good]
    if not p.size:
        return ErrorMetrics(0, None, None, None, None, None, None)
    off = np.log(a / p)
    return ErrorMetrics(
        n=int(p.size),
        mae=float(np.mean(np.abs(p - a))),
        mape=float(np.mean(np.abs(p - a) / a)),
        rmse=float(np.sqrt(np.mean((p - a) ** 2))),
        rmse_log=float(np.sqrt(np.mean(off * off))),
        bias_log=float(np.mean(off)),
        direction_accuracy=_direction(p, a),
    )


def skill(forecast: Float1D, actual: Float1D, base: Float1D) -> float | None:
    """Return ``1 - MSE / MSE_base`` of ln errors on the days that have all three; None where undefined.

    Above 0 the forecast is better than the base, at 0 as good, at -1 its squared error is twice as large.

    Examples
    --------
    >>> import numpy as np
    >>> skill(np.array([1.0, 4.0]), np.array([2.0, 2.0]), np.array([2.0, 1.0]))
    -1.0
    """
    came = ln(actual)
    own, other = came - ln(forecast), came - ln(base)
    good = np.isfinite(own) & np.isfinite(other)
    worst = float(np.sum(other[good] ** 2))
    return 1.0 - float(np.sum(own[good] ** 2)) / worst if worst > 0.0 else None


def interval_coverage(
    lower: Float1D, upper: Float1D, actual: Float1D, *, level: float, horizon: int, seed: int
) -> Coverage:
    """Return how often an interval held the price, on the days that have all three numbers.

    Parameters
    ----------
    lower, upper, actual
        USD, by consecutive days; NaN is unknown.
    level, horizon, seed
        As `coverage`.
    """
    known = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(actual)
    inside: Bool1D = (lower <= actual) & (actual <= upper)
    return coverage(inside[known], level=level, horizon=horizon, seed=seed)


def coverage(
    inside: Bool1D, *, level: float, horizon: int, seed: int, purpose: str = "valuation/coverage"
) -> Coverage:
    """Return how often an interval held the price, with bounds from a stationary block bootstrap.

    Parameters
    ----------
    inside
        Whether it did, by consecutive days.
    level
        What the interval promised.
    horizon
        Days ahead; forecasts overlap that long, so blocks are no shorter.
    seed, purpose
        Name of the random stream.
    """
    n = int(inside.size)
    if not n:
        return Coverage(level, None, None, None, 0)
    value = float(inside.mean())
    block = float(max(horizon, _LEAST_BLOCK))
    if n < _FEWEST * block:
        return Coverage(level, value, None, None, n)
    drawn = draw_blocks(seed, purpose, n, mean_block=block, draws=DRAWS)
    ends = np.minimum(np.cumsum(drawn.lengths, axis=1), n)
    lengths = np.diff(ends, axis=1, prepend=0)
    total = np.concatenate([[0.0], np.cumsum(np.tile(inside.astype(np.float64), 2))])
    hits = total[drawn.starts + lengths] - total[drawn.starts]
    shares = hits.sum(axis=1) / n
    low, high = np.quantile(shares, [0.5 - BOUND / 2.0, 0.5 + BOUND / 2.0])
    return Coverage(level, value, float(low), float(high), n)


def _direction(forecast: Float1D, actual: Float1D) -> float | None:
    if forecast.size < _FEWEST:
        return None
    said, came = np.sign(np.diff(forecast)), np.sign(np.diff(actual))
    moved = (said != 0.0) & (came != 0.0)
    return float(np.mean(said[moved] == came[moved])) if moved.any() else None
