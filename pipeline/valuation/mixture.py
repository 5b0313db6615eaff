"""The weighted mixture of several predictive distributions, and its central interval."""

from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.valuation.residuals import PROBABILITIES, tails


def mixture_bounds(
    prices: Float2D, errors: Float2D, weights: Float1D, levels: Sequence[float]
) -> list[tuple[Float1D, Float1D]]:
    """Return the central interval of each level of a weighted mixture of distributions given by quantiles.

    Each member's distribution is its price times the exponential of its ln errors, with equal mass at the 199
    quantiles; the bounds are the smallest values at which the mixture's mass reaches the two tails.

    Parameters
    ----------
    prices
        USD, shape ``(members, pairs)``.
    errors
        Quantiles of ln errors, shape ``(members, 199)``.
    weights
        Shape ``(members,)``, at least 0, some above 0.
    levels
        Nominal ones.
    """
    atoms = (prices[:, :, None] * np.exp(errors)[:, None, :]).transpose(1, 0, 2)
    mass = np.broadcast_to((weights / weights.sum() / PROBABILITIES.size)[None, :, None], atoms.shape)
    atoms, mass = atoms.reshape(prices.shape[1], -1), mass.reshape(prices.shape[1], -1)
    order = np.argsort(atoms, axis=1, kind="stable")
    sorted_atoms = np.take_along_axis(atoms, order, axis=1)
    reached: Float2D = np.cumsum(np.take_along_axis(mass, order, axis=1), axis=1)
    rows = np.arange(prices.shape[1])
    last = reached.shape[1] - 1

    def reaching(share: float) -> Float1D:
        return sorted_atoms[rows, np.minimum((reached < share).sum(axis=1), last)]

    return [(reaching(low), reaching(high)) for low, high in map(tails, levels)]
