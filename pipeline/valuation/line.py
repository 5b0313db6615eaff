"""Ordinary least squares of one straight line: what the closed-form models share."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D
from pipeline.errors import FitError, InsufficientDataError

LEAST_POINTS = 365
"""Days with a price that a fit needs: one year."""
_NO_SPREAD = 1e-9
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Line:
    """``y = intercept + slope x``.

    Parameters
    ----------
    sigma
        Residual standard deviation ``sqrt(SSR / (n - 2))``.
    r_squared
        Share of variance explained, clamped to [0, 1]; 0 for a constant ``y``.
    """

    intercept: float
    slope: float
    sigma: float
    r_squared: float
    n: int


def fit_line(x: Float1D, y: Float1D) -> Line:
    """Fit a line to the points where both are finite.

    Sums are numpy's pairwise ones over centred values, so a fit depends on its points alone.

    Raises
    ------
    InsufficientDataError
        When fewer than `LEAST_POINTS` points are finite.
    FitError
        When the arrays differ in length or ``x`` does not vary.
    """
    if x.shape != y.shape:
        raise FitError("the arrays differ in length", "x, y", (x.shape, y.shape), "equal lengths")
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    require_points(x.size)
    mean_x, mean_y = float(x.mean()), float(y.mean())
    dx, dy = x - mean_x, y - mean_y
    spread = float(np.sum(dx * dx))
    if spread < _NO_SPREAD:
        raise FitError("the regressor does not vary", "x", mean_x, f"sum of squares >= {_NO_SPREAD}")
    slope = float(np.sum(dx * dy)) / spread
    residual = dy - slope * dx
    ssr, total = float(np.sum(residual * residual)), float(np.sum(dy * dy))
    return Line(
        mean_y - slope * mean_x,
        slope,
        float(np.sqrt(ssr / (x.size - 2))),
        explained(ssr, total, y),
        int(x.size),
    )


def explained(ssr: float, total: float, values: Float1D) -> float:
    """Return ``1 - ssr / total`` clamped to [0, 1]; 0 where the values do not vary beyond rounding."""
    rounding = values.size * (_ROUNDING * float(np.abs(values).max(initial=0.0))) ** 2
    return min(max(1.0 - ssr / total, 0.0), 1.0) if total > rounding else 0.0


def require_points(n: int) -> None:
    """Refuse a sample of less than a year.

    Raises
    ------
    InsufficientDataError
        When ``n`` is below `LEAST_POINTS`.
    """
    if n < LEAST_POINTS:
        raise InsufficientDataError(
            "there are not enough days with all that the model needs",
            field="history",
            value=int(n),
            constraint=f">= {LEAST_POINTS} days",
            fix="take a longer history",
        )


def ln(values: Float1D) -> Float1D:
    """Return the natural logarithm, NaN where a value is not above 0."""
    return np.log(np.where(values > 0.0, values, np.nan))
