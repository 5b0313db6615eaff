"""What may enter a statistic: undefined days and trials are left out and counted, never filled."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.errors import ConfigError, DataError

FEWEST_DAYS = 30
"""Fewer daily returns say nothing about skewness, kurtosis or dependence."""
STILL = 1e-14
"""Returns that range over less do not move: what is left of a benchmark held against itself is rounding."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials whose every return is defined and that moved at all.

    Attributes
    ----------
    returns
        Shape ``(trials, days)``, C order.
    rows
        Where each stood in what was given.
    left_out
        How many were left out.
    """

    returns: Float2D
    rows: Int1D
    left_out: int


def defined_days(returns: Float1D) -> Float1D:
    """Return the finite values of one series of returns, shape ``(days,)``."""
    series = np.ascontiguousarray(returns, dtype=np.float64)
    if series.ndim != 1:
        raise DataError(
            "returns of one strategy are a series", field="returns", value=series.shape, constraint="(days,)"
        )
    return series[np.isfinite(series)]


def defined_trials(returns: Float2D) -> Trials:
    """Return the trials without an undefined day and with some variance.

    Raises
    ------
    DataError
        If the array is not two-dimensional.
    """
    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2:  # noqa: PLR2004 - the number of dimensions
        raise DataError(
            "returns of trials are a table",
            field="returns",
            value=table.shape,
            constraint="(trials, days)",
            fix="give one row for each trial",
        )
    finite = np.flatnonzero(np.isfinite(table).all(axis=1) & (table.shape[1] > 0))
    rows = finite[[moves(table[row]) for row in finite]] if finite.size else finite
    return Trials(np.ascontiguousarray(table[rows]), rows, table.shape[0] - rows.size)


def moves(days: Float1D) -> bool:
    """Return whether defined returns, at least one, differ by more than rounding."""
    return float(days.max() - days.min()) > STILL


def too_short(days: int, fewest: int = FEWEST_DAYS) -> str | None:
    """Return the reason why so few days give no answer, or None where there are enough."""
    return None if days >= fewest else f"{days} days of defined returns, {fewest} needed"


def positive(name: str, value: float, least: float) -> None:
    """Refuse a number below ``least`` or not a number.

    Raises
    ------
    ConfigError
        Naming the argument.
    """
    if not value >= least:
        raise ConfigError("a number is too small", field=name, value=value, constraint=f">= {least}")
