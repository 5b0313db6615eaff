"""Are two forecasts equally good?  Diebold and Mariano's test, a diagnostic beside the board's verdict.

On forecasts of trending prices it is too sure of itself: the board's p comes from random walks.
"""

import math
from dataclasses import dataclass

from pipeline.arrays import Float1D
from pipeline.errors import ConfigError, InsufficientDataError

BARTLETT_SHARE = 1.5
"""Lag of the Bartlett weights, in horizons."""


@dataclass(frozen=True)
class DieboldMariano:
    """A test of equal expected loss; a negative statistic says that the first forecast is better.

    Attributes
    ----------
    statistic
        With the small-sample factor; None where losses do not differ in any way that varies.
    p
        Two-sided, by Student's t with ``n - 1`` degrees of freedom.
    lag, n
        Of the Bartlett weights, and of the losses.
    """

    statistic: float | None
    p: float | None
    lag: int
    n: int


def long_run_variance(x: Float1D, lag: int) -> float:
    """Return Newey and West's (1987) long-run variance of a series about its mean, Bartlett weights.

    ``c_0 + 2 sum_(j <= lag) (1 - j / (lag + 1)) c_j`` with autocovariances over n.

    Raises
    ------
    ConfigError
        When the lag is below 0 or not below the number of values.
    """
    if not 0 <= lag < x.size:
        raise ConfigError("no such lag", field="lag", value=lag, constraint=f"0 <= lag < {x.size}")
    centred = x - x.mean()
    total = float(centred @ centred)
    for j in range(1, lag + 1):
        total += 2.0 * (1.0 - j / (lag + 1.0)) * float(centred[j:] @ centred[:-j])
    return total / x.size


def diebold_mariano(loss: Float1D, other: Float1D, horizon: int) -> DieboldMariano:
    """Test whether two forecasts have the same expected loss.

    Diebold and Mariano (1995) with Bartlett lag ``1.5 h`` and the factor of Harvey, Leybourne and Newbold
    (1997), ``sqrt((n + 1 - 2h + h (h - 1) / n) / n)``.

    Parameters
    ----------
    loss, other
        Losses of both forecasts by consecutive origins, shape ``(n,)``.
    horizon
        Days ahead.

    Raises
    ------
    ConfigError
        When the horizon is below 1 or the losses differ in number.
    InsufficientDataError
        When there are not more losses than the Bartlett lag.
    """
    if horizon < 1 or loss.shape != other.shape:
        raise ConfigError(
            "two forecasts cannot be compared so",
            field="loss, other, horizon",
            value=(loss.shape, other.shape, horizon),
            constraint="equal shapes and a horizon of at least 1",
        )
    n, lag = loss.size, int(BARTLETT_SHARE * horizon)
    if n <= lag + 1:
        raise InsufficientDataError("there are too few losses for this horizon", "loss", n, f"> {lag + 1}")
    from scipy.special import stdtr

    gap = loss - other
    spread = long_run_variance(gap, lag)
    if not spread > 0.0:
        return DieboldMariano(None, None, lag, n)
    factor = math.sqrt(max(n + 1 - 2 * horizon + horizon * (horizon - 1) / n, 0.0) / n)
    statistic = factor * float(gap.mean()) / math.sqrt(spread / n)
    return DieboldMariano(statistic, float(2.0 * stdtr(n - 1, -abs(statistic))), lag, n)
