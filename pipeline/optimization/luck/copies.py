"""Near-copies among trials: each was tried and counts in N, but says nothing new of how far trials spread."""

import numpy as np

from pipeline.arrays import Float2D, Int1D
from pipeline.optimization.luck.sample import defined_trials

ALIKE = 0.95
"""Correlation of daily returns from which two trials are one: nine tenths of their variance are shared."""
_BLOCK = 256
_DIGITS = 9
"""Linear algebra may differ in the last bits with the number of threads; the answer does not."""


def distinct(returns: Float2D, first: int = 0) -> Int1D:
    """Return the rows of trials no two of which are near-copies of one another.

    Trials are met in their order, the row ``first`` before all others; one that moves like a trial met before
    is its copy.  So more copies of a trial, appended, never change the answer.

    Parameters
    ----------
    returns
        Daily returns, shape ``(trials, days)``; trials with undefined days or none that moves are left out.
    first
        The trial that stands for its copies, whatever its place.
    """
    trials = defined_trials(returns)
    order = np.argsort(trials.rows != first, kind="stable")
    shapes = trials.returns - trials.returns.mean(axis=1, keepdims=True)
    shapes /= np.sqrt(np.sum(shapes * shapes, axis=1, keepdims=True))
    kept = np.empty_like(shapes)
    rows: list[int] = []
    for begin in range(0, order.size, _BLOCK):
        block = order[begin : begin + _BLOCK]
        fresh = block[~_alike(shapes[block], kept[: len(rows)]).any(axis=1)]
        among = _alike(shapes[fresh], shapes[fresh])
        chosen: list[int] = []
        for i in range(fresh.size):
            if not among[i, chosen].any():
                chosen.append(i)
        kept[len(rows) : len(rows) + len(chosen)] = shapes[fresh[chosen]]
        rows += fresh[chosen].tolist()
    return trials.rows[np.array(rows, dtype=np.int64)]


def _alike(left: Float2D, right: Float2D) -> np.ndarray:
    """Return which rows move alike, shape ``(left, right)``."""
    return np.round(left @ right.T, _DIGITS) >= ALIKE
