"""What idle cash earned by day, and returns in excess of it: the one excess that every Sharpe ratio is of."""

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D


def cash_on_days(credit: Float1D, daily: Int1D) -> Float1D:
    """Return what a unit of cash earned from one end of day to the next, interest on interest included.

    Parameters
    ----------
    credit
        What it earned in each cell, shape ``(bars,)``; empty where cash earns nothing.
    daily
        Cells that end a day, ascending, shape ``(days,)``.

    Returns
    -------
    numpy.ndarray
        Fractions, shape ``(days,)``; empty where cash earns nothing.

    Examples
    --------
    >>> cash_on_days(np.array([0.0, 0.1, 0.1]), np.array([0, 2])).round(4).tolist()
    [0.0, 0.21]
    """
    if not credit.size:
        return np.empty(0)
    grown = np.concatenate([[1.0], np.cumprod(1.0 + credit)[daily]])
    return grown[1:] / grown[:-1] - 1.0


def beyond_cash(returns: Float2D, cash: "Float1D | Float2D | None") -> Float2D:
    """Return daily returns less what cash earned on the same days; the same array where it earned nothing.

    Parameters
    ----------
    returns
        Shape ``(days,)`` or ``(trials, days)``.
    cash
        Shape ``(days,)``, or ``(trials, days)`` where each trial has its own; None or empty: nothing.
    """
    return returns if cash is None or not cash.size else returns - cash
