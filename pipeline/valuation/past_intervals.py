"""The intervals that a model would have given in the past: by the walk-forward errors known at each refit."""

from typing import TypeAlias

import numpy as np

from pipeline.arrays import Float1D, Float2D, Time1D
from pipeline.errors import BellsError, InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.mixture import mixture_bounds
from pipeline.valuation.model import PriceModel
from pipeline.valuation.residuals import ErrorQuantiles, stretched, walk_forward_quantiles
from pipeline.valuation.walk_forward import WalkForward, walk_forward

_Errors: TypeAlias = dict[np.datetime64, ErrorQuantiles | None]
_Walked: TypeAlias = tuple[WalkForward, _Errors]


def past_errors(walk: WalkForward, history: ChainHistory) -> _Errors:
    """Return by refit day the quantiles of the errors whose target was known then; None for too few."""
    targets = walk.origins[:, None] + (np.array(walk.horizons, np.int64) - 1) * DAY
    came = np.full(targets.shape, np.datetime64("NaT", "us"))
    inside = (targets >= history.date[0]) & (targets <= history.date[-1])
    came[inside] = history.known_at[history.index(targets[inside])]
    found: _Errors = {}
    for fit in walk.fits:
        day = np.datetime64(fit.day, "D")
        known = inside & (targets < day) & (came <= history.made_at(day))
        try:
            found[day] = walk_forward_quantiles(np.where(known, walk.error, np.nan), walk.horizons)
        except InsufficientDataError:
            found[day] = None
    return found


def past_bounds(
    model: PriceModel, walk: WalkForward, history: ChainHistory, levels: tuple[float, ...]
) -> dict[float, tuple[Float2D, Float2D]]:
    """Return by level the lower and the upper bound (USD) that each forecast of a walk-forward had.

    NaN where too few errors of that very horizon were known.  An ensemble's are those of the mixture of its
    members' distributions.

    Parameters
    ----------
    model
        The model that walked.
    walk
        From the model's first possible origin on: the errors come from it.
    history
        The rows that it walked over.
    levels
        Nominal levels.
    """
    shape = walk.forecast.shape
    found = {level: (np.full(shape, np.nan), np.full(shape, np.nan)) for level in levels}
    if isinstance(model, Ensemble):
        _fill_mixture(model, walk, history, found)
    else:
        known = past_errors(walk, history)
        for number, fit in enumerate(walk.fits):
            rows, errors = walk.fit_of == number, known[np.datetime64(fit.day, "D")]
            for column, horizon in enumerate(walk.horizons):
                if errors is None or horizon not in errors.horizons:
                    continue
                for level, (lower, upper) in found.items():
                    low, high = errors.bounds(level, horizon)
                    lower[rows, column] = walk.forecast[rows, column] * np.exp(low)
                    upper[rows, column] = walk.forecast[rows, column] * np.exp(high)
    return {level: stretched(walk.forecast, lower, upper) for level, (lower, upper) in found.items()}


def _fill_mixture(
    model: Ensemble, walk: WalkForward, history: ChainHistory, found: dict[float, tuple[Float2D, Float2D]]
) -> None:
    members = _members(model, walk, history)
    for number, fit in enumerate(walk.fits):
        rows = np.flatnonzero(walk.fit_of == number)
        if fit.reason is not None or not rows.size:
            continue
        weights = model.mixing(fit.parameters.weights)
        for column, horizon in enumerate(walk.horizons):
            prices, errors, mass = [], [], []
            for weight, member in zip(weights, members, strict=True):
                known = None if member is None else member[1].get(np.datetime64(fit.day, "D"))
                if member is None or known is None or horizon not in known.horizons or not weight > 0.0:
                    continue
                prices.append(_aligned(member[0], walk.origins[rows], column))
                errors.append(known.at(horizon))
                mass.append(weight)
            if not prices:
                continue
            table, quantiles, shares = np.array(prices), np.array(errors), np.array(mass)
            here = np.isfinite(table)
            for pattern in np.unique(here, axis=1).T:
                if not pattern.any():
                    continue
                chosen = (here == pattern[:, None]).all(axis=0)
                mixed = mixture_bounds(
                    table[pattern][:, chosen], quantiles[pattern], shares[pattern], tuple(found)
                )
                for (lower, upper), bounds in zip(found.values(), mixed, strict=True):
                    lower[rows[chosen], column], upper[rows[chosen], column] = bounds


def _members(model: Ensemble, walk: WalkForward, history: ChainHistory) -> list[_Walked | None]:
    found: list[_Walked | None] = []
    for member in model.members:
        try:
            own = walk_forward(member, history, horizons=walk.horizons, refit=walk.refit)
        except BellsError:  # the ensemble's own fits say why it is left out
            found.append(None)
            continue
        found.append((own, past_errors(own, history)))
    return found


def _aligned(walk: WalkForward, origins: Time1D, column: int) -> Float1D:
    """Return a member's forecasts at the given origins; NaN where it has none."""
    at = (origins - walk.origins[0]).astype(np.int64)
    inside = (at >= 0) & (at < walk.origins.size)
    return np.where(inside, walk.forecast[np.clip(at, 0, walk.origins.size - 1), column], np.nan)
