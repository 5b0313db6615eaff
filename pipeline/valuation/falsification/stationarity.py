"""Do residuals come back?  Dickey-Fuller statistics, and Engle and Granger's test for stochastic regressors.

Tables do not hold for residuals of a fitted trend: the board takes critical values from its random walks.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.errors import InsufficientDataError

_TWO_VARIABLES = (-3.33613, -6.1101, -6.823)
"""MacKinnon (2010), table 2: 5 % of Engle and Granger's statistic over ``1, 1/n, 1/n**2``; constant."""


@dataclass(frozen=True)
class DickeyFuller:
    """A unit root statistic and the number of past changes in its regression."""

    statistic: float
    lags: int


@dataclass(frozen=True)
class EngleGranger:
    """Engle and Granger's statistic and MacKinnon's 5 % value; below it the two move together."""

    statistic: float
    critical: float


def dickey_fuller(u: Float1D, lags: int, *, constant: bool = True) -> DickeyFuller:
    """Return the augmented Dickey-Fuller statistic with a fixed number of past changes.

    Parameters
    ----------
    u
        The series by consecutive days, finite, shape ``(n,)``.
    lags
        Past changes in the regression.
    constant
        Whether it has a constant.

    Raises
    ------
    InsufficientDataError
        When the series is too short for its regression.
    """
    x, y = _regression(u, lags, lags, constant=constant)
    beta, left, inverse = _least_squares(x, y)
    scale = float(left @ left) / (y.size - x.shape[1])
    return DickeyFuller(float(beta[0]) / math.sqrt(scale * inverse), lags)


def dickey_fuller_aic(u: Float1D, most: int, *, constant: bool = True) -> DickeyFuller:
    """Return the statistic with the number of past changes, up to ``most``, that Akaike's criterion takes.

    All candidates are compared on the days that the largest can use.

    Raises
    ------
    InsufficientDataError
        When the series is too short for the largest.
    """
    found = []
    for lags in range(most + 1):
        x, y = _regression(u, lags, most, constant=constant)
        _, left, _ = _least_squares(x, y)
        found.append(y.size * math.log(float(left @ left) / y.size) + 2.0 * x.shape[1])
    return dickey_fuller(u, int(np.argmin(found)), constant=constant)


def engle_granger(y: Float1D, x: Float1D, *, lags: int) -> EngleGranger:
    """Return Engle and Granger's (1987) statistic for a stochastic regressor.

    Not for a regressor that is a function of time, whose critical values are others.

    Parameters
    ----------
    y, x
        By consecutive days, finite, shape ``(n,)``.
    lags
        Past changes in the regression of the residuals.

    Raises
    ------
    InsufficientDataError
        When the series are too short.
    """
    design = np.column_stack([np.ones(x.size), x])
    _, left, _ = _least_squares(design, y)
    a, b, c = _TWO_VARIABLES
    effective = x.size - 1
    critical = a + b / effective + c / effective**2
    return EngleGranger(dickey_fuller(left, lags, constant=False).statistic, critical)


def _regression(u: Float1D, lags: int, skip: int, *, constant: bool) -> tuple[Float2D, Float1D]:
    change = np.diff(u)
    rows = change.size - skip
    if rows <= lags + 2:
        raise InsufficientDataError("the series is too short for a unit root test", "u", u.size, "more days")
    columns = [u[skip:-1]] + [change[skip - k : change.size - k] for k in range(1, lags + 1)]
    if constant:
        columns.append(np.ones(rows))
    return np.column_stack(columns), change[skip:]


def _least_squares(x: Float2D, y: Float1D) -> tuple[Float1D, Float1D, float]:
    """Return coefficients, residuals, and the first diagonal element of ``(x'x)^-1``."""
    orthogonal, upper = np.linalg.qr(x)
    beta = np.linalg.solve(upper, orthogonal.T @ y)
    row = np.linalg.solve(upper.T, np.eye(x.shape[1])[0])
    return beta, y - x @ beta, float(row @ row)
