"""How many independent trials a set of related ones amounts to: shown beside N, never in its place."""

import numpy as np

from pipeline.arrays import Float2D
from pipeline.optimization.luck.sample import defined_trials, too_short

_DIGITS = 6
"""Linear algebra may differ in the last bits with the number of threads; the answer does not."""


def effective_trials(returns: Float2D) -> float | None:
    """Return the effective rank of the trials' correlation matrix (Roy and Vetterli 2007).

    ``exp(-sum p ln p)`` over eigenvalues as shares ``p``: N for independent trials (somewhat less in a finite
    sample), 1 for copies, about 16 for 200 trials with correlation 0.6 to each other.  None with too few days
    or without a trial that moves.

    Parameters
    ----------
    returns
        Daily returns, shape ``(trials, days)``; trials with undefined days or none that moves are left out.
    """
    trials = defined_trials(returns)
    count, days = trials.returns.shape
    if too_short(days) or count == 0:
        return None
    scaled = trials.returns - trials.returns.mean(axis=1, keepdims=True)
    scaled /= np.sqrt(np.sum(scaled * scaled, axis=1, keepdims=True))
    square = scaled @ scaled.T if count <= days else scaled.T @ scaled
    shares = np.linalg.eigvalsh(square) / count
    shares = shares[shares > np.finfo(np.float64).eps]
    return round(float(np.exp(-np.sum(shares * np.log(shares)))), _DIGITS)
