"""The port of valuation models: a frozen object that is fitted to a history and then gives prices.

A model writes two pure functions, ``estimate`` (parameters from rows) and ``fair`` (prices from parameters
and the rows before each origin); fitting, intervals, diagnostics and walk-forward are the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, ClassVar, Self

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Time1D
from pipeline.errors import BellsError, ConfigError, DataError, InsufficientDataError, NotFittedError
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.line import ln
from pipeline.valuation.prediction import GENESIS, ModelPrediction, Zones, require_after_genesis
from pipeline.valuation.residuals import (
    LEVELS,
    Diagnostics,
    ErrorQuantiles,
    diagnose,
    in_sample_quantiles,
    interval_around,
)

LONGEST_HORIZON = 3653
"""Days beyond the newest row that a forecast may reach: ten years."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit left behind.

    Parameters
    ----------
    parameters
        The model's own frozen dataclass.
    history
        The rows that it was fitted to; predictions take the state of the chain from them.
    complete
        Shape ``(n,)``: days that have all that the model requires.
    diagnostics, errors
        Of the residuals; ``errors`` gives the intervals.
    """

    parameters: Any
    history: ChainHistory
    complete: Bool1D
    diagnostics: Diagnostics
    errors: ErrorQuantiles

    @property
    def first(self) -> date:
        """First day of the sample."""
        return self.history.date[int(np.argmax(self.complete))].item()

    @property
    def last(self) -> date:
        """Newest day of the sample."""
        return self.history.date[np.flatnonzero(self.complete)[-1]].item()


@dataclass(frozen=True, kw_only=True)
class PriceModel(ABC):
    """A model of the fair price of bitcoin.

    Subclasses are frozen dataclasses whose fields are their configuration; ``name``, ``description`` and
    ``required_data`` (columns of ``chain.metrics_daily``) are class attributes.

    Parameters
    ----------
    zones
        Where a price counts as undervalued or overvalued.
    levels
        Nominal levels of the intervals that a prediction has; the first one is the headline.
    fitted
        None until `fit`, which returns a copy.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    required_data: ClassVar[tuple[str, ...]]
    first_day: ClassVar[date] = GENESIS + timedelta(days=1)
    """The first day that has a price: `predict` refuses earlier ones."""

    zones: Zones = field(default_factory=Zones)
    levels: tuple[float, ...] = LEVELS
    fitted: Fitted | None = field(default=None, repr=False, compare=False)

    @abstractmethod
    def estimate(self, history: ChainHistory) -> Any:
        """Return the parameters that the rows of ``history`` give, as a frozen dataclass.

        Raises
        ------
        InsufficientDataError, FitError
            When the rows do not give any.
        """

    @abstractmethod
    def fair(self, parameters: Any, history: ChainHistory, origins: Time1D, targets: Time1D, /) -> Float1D:
        """Return fair prices (USD), one for each pair of days; NaN where unknown.

        Parameters
        ----------
        parameters
            What `estimate` returned.
        history
            Any rows; only those dated before an origin may be read for it.
        origins
            ``datetime64[D]``: the forecast is made at the start of this day.
        targets
            ``datetime64[D]``: the day whose closing price is meant.
        """

    @property
    def is_fitted(self) -> bool:
        """Whether `predict` may be asked."""
        return self.fitted is not None

    def complete(self, history: ChainHistory) -> Bool1D:
        """Return which days have a price and all else that the model requires."""
        known = np.ones(history.n, np.bool_)
        for name in self.required_data:
            known &= np.isfinite(history.column(name))
        return known

    def has_data(self, history: ChainHistory) -> bool:
        """Return whether any day has all that the model requires: without one, nothing can be asked of it."""
        try:
            return bool(self.complete(history).any())
        except DataError:  # a column or an oracle is not there at all
            return False

    def estimates(self, history: ChainHistory, days: Sequence[np.datetime64]) -> list[Any]:
        """Return the parameters that a fit on each day would give, from what was known then.

        A fit that fails is the error itself.  Models that can share work between fits override this.
        """
        return [_or_error(self.estimate, history.at_origin(day)) for day in days]

    def fit(self, history: ChainHistory) -> Self:
        """Return a fitted copy whose intervals come from the residuals of the fit, and say so.

        `pipeline.valuation.walk_forward.calibrate` gives it intervals from walk-forward errors.

        Raises
        ------
        InsufficientDataError, FitError
            As `estimate`.
        SchemaError
            When the history lacks a required column.
        """
        complete = self.complete(history)
        parameters = self.estimate(history)
        ln_price = ln(history.column("price_usd"))
        residual = ln_price - ln(self.fair(parameters, history, history.date + DAY, history.date))
        if not np.isfinite(residual).any():
            raise InsufficientDataError(
                f"{self.name} gives no price on any day that has one", "history", history.n, ">= 1 day"
            )
        fitted = Fitted(
            parameters, history, complete, diagnose(residual, ln_price), in_sample_quantiles(residual)
        )
        return replace(self, fitted=fitted)

    def calibrated(self, errors_of: "Callable[[PriceModel], ErrorQuantiles]") -> Self:
        """Return a copy whose intervals come from the errors that a function finds for a model."""
        return replace(self, fitted=replace(self.require_fitted(), errors=errors_of(self)))

    def require_fitted(self) -> Fitted:
        """Return what the fit left.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self.fitted is None:
            raise NotFittedError(
                f"{self.name} is not fitted", "model", self.name, "a fitted model", "call fit(history) first"
            )
        return self.fitted

    def state_day(self, day: date) -> date:
        """Return the newest complete day before ``day``: whose state of the chain a prediction stands on.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InsufficientDataError
            When there is none.
        """
        fitted = self.require_fitted()
        known = np.flatnonzero(fitted.complete[: fitted.history.index(day)])
        if not known.size:
            raise InsufficientDataError(
                f"{self.name} has no complete row before that day",
                "date",
                day.isoformat(),
                f"after {fitted.first}",
                "name a later day",
            )
        return fitted.history.date[known[-1]].item()

    def predict(
        self, day: date, *, current_price: float | None = None, level: float | None = None
    ) -> ModelPrediction:
        """Return the fair closing price of a day with its interval.

        The state of the chain is that of the newest complete row dated before ``day`` (``metadata.as_of``);
        ``metadata.horizon_days`` is how many days later ``day`` is, so 1 for the first day without a row.
        A day inside the sample is a statement of the fit about its own sample (``metadata.in_sample``): only
        `walk_forward` says what the model said then.

        Parameters
        ----------
        day
            A day after 2009-01-03, at most ten years beyond the newest row.
        current_price
            USD; gives ``metadata.deviation`` (a fraction) and ``metadata.zone``.
        level
            Nominal level of ``confidence_interval``, by default the first of ``levels``;
            ``metadata.intervals`` has all of them.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ConfigError
            When the day or the level is out of range.
        InsufficientDataError
            When no state of the chain is known before that day.
        """
        fitted = self.require_fitted()
        require_after_genesis(day, first=self.first_day)
        as_of = self.state_day(day)
        horizon = (day - as_of).days
        if horizon > LONGEST_HORIZON:
            raise ConfigError(
                "the day lies too far ahead",
                "date",
                day.isoformat(),
                f"<= {LONGEST_HORIZON} days after {as_of}",
                f"name {as_of + timedelta(days=LONGEST_HORIZON)} or an earlier day",
            )
        origin = np.array([np.datetime64(as_of, "D") + DAY])
        target = np.array([np.datetime64(day, "D")])
        price, made_of = self.price_of(origin, target)
        if not np.isfinite(price):
            raise InsufficientDataError(
                f"{self.name} has no price for that day",
                field="date",
                value=day.isoformat(),
                constraint=f"a state of {as_of} that gives one",
                fix="look at the chain source: what the model requires may be damaged there",
            )
        level = self.levels[0] if level is None else level
        asked = tuple(dict.fromkeys((level, *self.levels)))
        around = [interval_around(price, *each) for each in self.bounds(price, made_of, asked, horizon)]
        intervals = {each: interval for each, (interval, _) in zip(asked, around, strict=True)}
        metadata: dict[str, Any] = {
            "as_of": as_of.isoformat(),
            "horizon_days": horizon,
            "in_sample": day <= fitted.last,
            "fitted_through": fitted.last.isoformat(),
            "sample_size": fitted.diagnostics.n,
            "interval": fitted.errors.kind,
            "interval_stretched": any(moved for _, moved in around),
            "intervals": {f"{each:g}": interval.to_dict() for each, interval in intervals.items()},
            "current_price": current_price,
            "deviation": self.zones.deviation(current_price, fair=price),
            "zone": self.zones.zone(current_price, fair=price),
            **self.details(day, made_of),
        }
        return ModelPrediction(self.name, day, price, intervals[level], level, metadata)

    def price_of(self, origin: Time1D, target: Time1D, /) -> tuple[float, Any]:
        """Return the fair price of one day, and what it is made of where intervals or details tell that.

        Parameters
        ----------
        origin, target
            Of shape ``(1,)``, as `fair`.
        """
        fitted = self.require_fitted()
        return float(self.fair(fitted.parameters, fitted.history, origin, target)[0]), None

    def bounds(
        self, price: float, _made_of: Any, levels: Sequence[float], horizon: int, /
    ) -> list[tuple[float, float]]:
        """Return the bounds (USD) of the central interval of each level around a price of `price_of`."""
        errors = self.require_fitted().errors
        found = [errors.bounds(level, horizon) for level in levels]
        return [(price * float(np.exp(lower)), price * float(np.exp(upper))) for lower, upper in found]

    def details(self, _day: date, _made_of: Any, /) -> Mapping[str, Any]:
        """Return what else the metadata of a prediction say; nothing unless a model overrides it."""
        return {}


def _or_error(estimate: Any, history: ChainHistory) -> Any:
    try:
        return estimate(history)
    except BellsError as failure:  # listed by the walk-forward, with its reason
        return failure
