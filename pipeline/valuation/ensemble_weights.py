"""What an ensemble's fit gives: the members' parameters, and the weights that their prices have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

import numpy as np

from pipeline.arrays import Bool1D, Float1D
from pipeline.errors import BellsError, ConfigError, InsufficientDataError
from pipeline.valuation.member_forecasts import MemberForecasts
from pipeline.valuation.model import PriceModel

FITTED = "fitted"
LEAST_FORECASTS = 250
"""Walk-forward forecasts that fitted weights need; with fewer of them weights are equal."""
FEWEST = 2
"""Members that an ensemble needs."""


@dataclass(frozen=True, eq=False)
class EnsembleParameters:
    """What an ensemble fit gave.

    Parameters
    ----------
    members
        Parameters of each member; None for one that could not be fitted.
    weights
        One for each member, sum 1; 0 for one that is left out.
    weighting
        ``fixed``, ``fitted`` or ``equal``.
    left_out
        Members that could not be fitted, with the reason.
    """

    members: tuple[Any, ...]
    weights: tuple[float, ...]
    weighting: str
    left_out: Mapping[str, str]


def combined(
    members: Sequence[PriceModel],
    own: Sequence[float] | str,
    given: Sequence[Any],
    walks: MemberForecasts | None,
    *,
    rows: int,
) -> EnsembleParameters:
    """Return the parameters of an ensemble from those of its members.

    Parameters
    ----------
    members, own
        The models and their configured weights.
    given
        Parameters of each member, or the error that its fit ended with.
    walks
        What weights are fitted to; None where they are not.
    rows
        Of the history, for the message.

    Raises
    ------
    InsufficientDataError
        When fewer than two members are left, or none of those with a weight.
    """
    left = {
        member.name: each.what
        for member, each in zip(members, given, strict=True)
        if isinstance(each, BellsError)
    }
    why = "; ".join(f"{name}: {reason}" for name, reason in left.items())
    kept = np.array([member.name not in left for member in members])
    if kept.sum() < FEWEST:
        raise InsufficientDataError(
            f"fewer than two members can be fitted: {why}",
            field="ensemble.models",
            value=rows,
            constraint="at least two members with a fit",
            fix="take a longer history, or other members",
        )
    weights, weighting = _weights(own, kept, walks)
    if not weights.sum() > 0.0:
        raise InsufficientDataError(
            f"all members with a weight are left out: {why}",
            field="ensemble.weights",
            value=own,
            constraint="a weight above 0 of a member with a fit",
            fix="give the other members weights",
        )
    return EnsembleParameters(
        tuple(None if isinstance(each, BellsError) else each for each in given),
        tuple((weights / weights.sum()).tolist()),
        weighting,
        left,
    )


def require_weights(weights: tuple[float, ...] | str, members: int) -> None:
    """Refuse weights that are neither ``fitted`` nor one share for each member, together 1.

    Raises
    ------
    ConfigError
        When they are not.
    """
    good = weights == FITTED
    if not isinstance(weights, str):
        good = (
            len(weights) == members
            and all(0.0 <= each <= 1.0 for each in weights)
            and isclose(sum(weights), 1.0, abs_tol=1e-9)
        )
    if not good:
        raise ConfigError(
            "the weights of the ensemble do not fit",
            field="ensemble.weights",
            value=weights,
            constraint=f"{FITTED}, or {members} numbers of at least 0 that sum to 1",
            fix=f"correct them, or write weights: {FITTED}",
        )


def _weights(own: Sequence[float] | str, kept: Bool1D, walks: MemberForecasts | None) -> tuple[Float1D, str]:
    weights = np.where(kept, 1.0, 0.0)
    if walks is None and isinstance(own, str):
        return weights, "equal"
    if walks is None:
        return weights * np.asarray(own, np.float64), "fixed"
    ratio = walks.ratio[:, kept]
    ratio = ratio[np.isfinite(ratio).all(axis=1)]
    if ratio.shape[0] >= LEAST_FORECASTS:
        from scipy.optimize import nnls

        solved = nnls(ratio, np.ones(ratio.shape[0]))[0]
        if solved.sum() > 0.0:
            weights[kept] = solved
            return weights, FITTED
    return weights, "equal"
