"""An ensemble: one price from the prices of its members, and the interval of their mixture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar, Self

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D, Time1D
from pipeline.errors import BellsError, ConfigError, InsufficientDataError
from pipeline.valuation.ensemble_weights import (
    FEWEST,
    FITTED,
    EnsembleParameters,
    combined,
    require_weights,
)
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.member_forecasts import member_forecasts
from pipeline.valuation.mixture import mixture_bounds
from pipeline.valuation.model import PriceModel
from pipeline.valuation.registry import register
from pipeline.valuation.residuals import IN_SAMPLE, WALK_FORWARD, ErrorQuantiles

AGGREGATIONS = ("weighted_avg", "median", "min", "max")


@register
@dataclass(frozen=True, kw_only=True)
class Ensemble(PriceModel):
    """A weighted mean, the median, the lowest or the highest of the members' prices.

    A member without a price is left out, the weights of the others are scaled to 1, and the prediction says
    so; fewer than two left is an error.

    Parameters
    ----------
    members
        At least two models of different names.
    weights
        One for each member, each at least 0, sum 1; or ``fitted``: non-negative least squares of the
        members' walk-forward forecasts of 30 days, relative to the prices that came, inside the training
        window, scaled to sum 1 (equal weights below 250 forecasts).
    aggregation
        ``weighted_avg``, ``median``, ``min`` or ``max``; the last three ignore the weights.
    """

    name: ClassVar[str] = "ensemble"
    description: ClassVar[str] = "One price from several models"
    required_data: ClassVar[tuple[str, ...]] = ("price_usd",)

    members: tuple[PriceModel, ...] = ()
    weights: tuple[float, ...] | str = FITTED
    aggregation: str = "weighted_avg"

    def __post_init__(self) -> None:
        names = [each.name for each in self.members]
        if len(names) < FEWEST or len(set(names)) < len(names) or self.name in names:
            raise ConfigError(
                "this is no ensemble",
                field="ensemble.models",
                value=names,
                constraint="at least two different models, none of them an ensemble",
                fix="name two or more",
            )
        if self.aggregation not in AGGREGATIONS:
            raise ConfigError(
                "an ensemble cannot be aggregated so",
                field="ensemble.aggregation",
                value=self.aggregation,
                constraint=f"one of {', '.join(AGGREGATIONS)}",
            )
        require_weights(self.weights, len(names))

    def complete(self, history: ChainHistory) -> Bool1D:
        """Return which days at least two members have all that they need."""
        known = [each.complete(history) for each in self.members if _can_read(each, history)]
        return np.sum(known, axis=0) >= FEWEST if known else np.zeros(history.n, np.bool_)

    def estimate(self, history: ChainHistory) -> EnsembleParameters:
        """Return the members' parameters and their weights from these rows."""
        given = [_or_error(each, history) for each in self.members]
        walks = member_forecasts(self.members, history) if self._fits_weights else None
        return combined(self.members, self.weights, given, walks, rows=history.n)

    def estimates(self, history: ChainHistory, days: Sequence[np.datetime64]) -> list[Any]:
        """Return the fits of several days; members' walk-forwards are run once, and cut at each day."""
        given = [_many(each, history, days) for each in self.members]
        walks = member_forecasts(self.members, history) if self._fits_weights else None
        found: list[Any] = []
        for number, day in enumerate(days):
            cut = None if walks is None else walks.known_on(day, history)
            try:
                then = [each[number] for each in given]
                found.append(combined(self.members, self.weights, then, cut, rows=int(history.index(day))))
            except BellsError as failure:  # listed by the walk-forward, with its reason
                found.append(failure)
        return found

    def fair(self, parameters: Any, history: ChainHistory, origins: Time1D, targets: Time1D, /) -> Float1D:
        """Return the aggregate of the members' prices; NaN where fewer than two have one."""
        return self._aggregate(self.prices(parameters, history, origins, targets), parameters.weights)

    def prices(self, parameters: Any, history: ChainHistory, origins: Time1D, targets: Time1D) -> Float2D:
        """Return the members' prices, shape ``(members, pairs)``; NaN where one has none."""
        given = np.full((len(self.members), origins.size), np.nan)
        for row, (member, own) in enumerate(zip(self.members, parameters.members, strict=True)):
            if own is not None:
                given[row] = member.fair(own, history, origins, targets)
        return np.where((given > 0.0) & np.isfinite(given), given, np.nan)

    def fit(self, history: ChainHistory) -> Self:
        """Return a copy whose members are fitted too; those that cannot be stay as they are."""
        members = tuple(_fitted_or_not(each, history) for each in self.members)
        return replace(super().fit(history), members=members)

    def calibrated(self, errors_of: Callable[[PriceModel], ErrorQuantiles]) -> Self:
        """Return a copy whose members' intervals come from walk-forward errors where there are enough."""
        members = tuple(_calibrated(each, errors_of) for each in self.members)
        return replace(super().calibrated(errors_of), members=members)

    def price_of(self, origin: Time1D, target: Time1D, /) -> tuple[float, Float1D]:
        """Return the aggregate and the members' prices."""
        fitted = self.require_fitted()
        prices = self.prices(fitted.parameters, fitted.history, origin, target)
        return float(self._aggregate(prices, fitted.parameters.weights)[0]), prices[:, 0]

    def bounds(
        self, _price: float, prices: Any, levels: Sequence[float], horizon: int, /
    ) -> list[tuple[float, float]]:
        """Return central intervals of the weighted mixture of the members' predictive distributions."""
        here = [row for row, each in enumerate(self.members) if each.fitted and np.isfinite(prices[row])]
        errors = np.array([self.members[row].require_fitted().errors.at(horizon) for row in here])
        mass = self.mixing(self.require_fitted().parameters.weights)[here]
        found = mixture_bounds(prices[here][:, None], errors, mass, levels)
        return [(float(lower[0]), float(upper[0])) for lower, upper in found]

    def mixing(self, weights: Sequence[float]) -> Float1D:
        """Return the weights of the mixture: equal ones where the aggregation ignores the members'."""
        own = np.asarray(weights, np.float64)
        return own if self.aggregation == AGGREGATIONS[0] else np.ones(own.size)

    def details(self, _day: date, prices: Any, /) -> dict[str, Any]:
        """Return the members' prices, the weights in force, and who is left out and why."""
        parameters: EnsembleParameters = self.require_fitted().parameters
        names = [each.name for each in self.members]
        given = {n: float(p) if np.isfinite(p) else None for n, p in zip(names, prices, strict=True)}
        absent = {n: "no price from the state of that day" for n, p in given.items() if p is None}
        absent |= parameters.left_out
        used = np.where(np.isfinite(prices), parameters.weights, 0.0)
        scaled = used / used.sum() if used.sum() > 0.0 else used
        kinds = [each.fitted.errors.kind for each in self.members if each.fitted and each.name not in absent]
        return {
            "members": given,
            "weights": dict(zip(names, scaled.tolist(), strict=True)),
            "weighting": parameters.weighting,
            "aggregation": self.aggregation,
            "left_out": absent,
            "incomplete": bool(absent),
            "interval": WALK_FORWARD if all(kind == WALK_FORWARD for kind in kinds) else IN_SAMPLE,
        }

    @property
    def _fits_weights(self) -> bool:
        return self.weights == FITTED and self.aggregation == AGGREGATIONS[0]

    def _aggregate(self, prices: Float2D, weights: Sequence[float]) -> Float1D:
        here = np.isfinite(prices)
        enough = here.sum(axis=0) >= FEWEST
        filled = np.where(here, prices, 0.0)
        if self.aggregation == AGGREGATIONS[0]:
            share = np.where(here, np.asarray(weights, np.float64)[:, None], 0.0)
            total = share.sum(axis=0)
            mean = (filled * share).sum(axis=0) / np.where(total > 0.0, total, np.nan)
            return np.where(enough, mean, np.nan)
        reduce = {"median": np.nanmedian, "min": np.nanmin, "max": np.nanmax}[self.aggregation]
        found = np.full(prices.shape[1], np.nan)
        if enough.any():
            found[enough] = reduce(prices[:, enough], axis=0)
        return found


def _or_error(member: PriceModel, history: ChainHistory) -> Any:
    try:
        return member.estimate(history)
    except BellsError as failure:  # becomes the reason why the member is left out
        return failure


def _many(member: PriceModel, history: ChainHistory, days: Sequence[np.datetime64]) -> list[Any]:
    try:
        return member.estimates(history, days)
    except BellsError as failure:  # becomes the reason why the member is left out
        return [failure] * len(days)


def _can_read(member: PriceModel, history: ChainHistory) -> bool:
    try:
        member.complete(history)
    except BellsError:  # the fit gives the reason
        return False
    return True


def _fitted_or_not(member: PriceModel, history: ChainHistory) -> PriceModel:
    try:
        return member.fit(history)
    except BellsError:  # it has no price either, and a prediction names it
        return member


def _calibrated(member: PriceModel, errors_of: Callable[[PriceModel], ErrorQuantiles]) -> PriceModel:
    try:
        return member.calibrated(errors_of) if member.is_fitted else member
    except InsufficientDataError:  # its interval stays in sample, and is flagged
        return member
