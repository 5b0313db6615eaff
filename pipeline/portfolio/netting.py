"""Many strategies' weights into the weights of one account."""

import numpy as np

from pipeline.arrays import Float2D, Float3D

_ROUNDING = 1e-15


def net(contributions: Float3D) -> Float2D:
    """Return the sum over members, shape ``(bars, assets)``; opposite signs net.

    Parameters
    ----------
    contributions
        Budget times weight, shape ``(bars, members, assets)``.

    Returns
    -------
    numpy.ndarray
        Sums in the order of the members; what is only the rounding of opposite signs is 0.
    """
    total = contributions[:, 0].copy()
    for member in range(1, contributions.shape[1]):
        total += contributions[:, member]
    if (contributions < 0.0).any():
        total[np.abs(total) <= _ROUNDING * np.abs(contributions).sum(axis=1)] = 0.0
    return total
