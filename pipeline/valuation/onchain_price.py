"""The price that the chain itself shows: the oracle's confirmed daily price as a valuation model.

The oracle stands behind the port `OraclePrices`; without a price there is an error, never a made-up one.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Protocol

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Time1D
from pipeline.errors import InsufficientDataError
from pipeline.valuation.history import DAY, LONGEST_LAG, ChainHistory
from pipeline.valuation.model import PriceModel
from pipeline.valuation.prediction import Interval, ModelPrediction, require_after_genesis
from pipeline.valuation.registry import register
from pipeline.valuation.residuals import WALK_FORWARD


@dataclass(frozen=True, eq=False)
class OracleDays:
    """Confirmed prices of given days.

    Parameters
    ----------
    price, lower, upper
        USD, float64; NaN on a day without a confirmed price.
    known_at
        ``datetime64[us]`` UTC; NaT on such a day.
    level
        Nominal level of the oracle's own interval.
    """

    price: Float1D
    lower: Float1D
    upper: Float1D
    known_at: Time1D
    level: float


class OraclePrices(Protocol):
    """Where confirmed daily prices come from."""

    def daily(self, days: Time1D) -> OracleDays:
        """Return the confirmed price of each day (``datetime64[D]``)."""
        ...


@dataclass(frozen=True)
class NothingEstimated:
    """The parameters of a model without any: how many days have a price."""

    n: int


@register
@dataclass(frozen=True, kw_only=True)
class OnChainPrice(PriceModel):
    """The oracle's price: fitting estimates nothing.

    A day that has a confirmed price is answered by it, with the oracle's own interval.  A later day is the
    newest confirmed price carried forward, with an interval from walk-forward errors or not at all.

    Parameters
    ----------
    prices
        The oracle; None until one is connected, and then nothing can be fitted.
    """

    name: ClassVar[str] = "onchain_price"
    description: ClassVar[str] = "The price that amounts on the chain show, by the mempool oracle"
    required_data: ClassVar[tuple[str, ...]] = ("price_usd",)

    prices: OraclePrices | None = None

    def complete(self, history: ChainHistory) -> Bool1D:
        """Return which days the oracle has confirmed in time."""
        return np.isfinite(self._before(history.date + DAY))

    def estimate(self, history: ChainHistory) -> NothingEstimated:
        """Return how many days have a confirmed price.

        Raises
        ------
        InsufficientDataError
            When none has.
        """
        n = int(np.isfinite(self._before(history.date + DAY)).sum())
        if not n:
            raise self._no_price(None)
        return NothingEstimated(n)

    def fair(self, _parameters: Any, _history: ChainHistory, origins: Time1D, _targets: Time1D, /) -> Float1D:
        """Return the confirmed price of the day before each origin, carried forward."""
        return self._before(origins)

    def predict(
        self, day: date, *, current_price: float | None = None, level: float | None = None
    ) -> ModelPrediction:
        """Return the oracle's price of a day.

        ``level`` counts for carried prices only; a confirmed one has the oracle's own level.

        Raises
        ------
        NotFittedError, ConfigError
            As `PriceModel.predict`.
        InsufficientDataError
            When the oracle has no price for that day, and no walk-forward says how far a carried one errs.
        """
        fitted = self.require_fitted()
        require_after_genesis(day, first=self.first_day)
        at = np.array([np.datetime64(day, "D")])
        if day > fitted.last:
            if fitted.errors.kind != WALK_FORWARD:
                raise self._no_price(day)
            return super().predict(day, current_price=current_price, level=level)
        own = self._daily(at)
        if not (np.isfinite(own.price[0]) and own.price[0] > 0.0):
            raise self._no_price(day)
        price = float(own.price[0])
        metadata = {
            "as_of": day.isoformat(),
            "horizon_days": 0,
            "in_sample": False,
            "fitted_through": fitted.last.isoformat(),
            "sample_size": fitted.parameters.n,
            "interval": "oracle",
            "current_price": current_price,
            "deviation": self.zones.deviation(current_price, fair=price),
            "zone": self.zones.zone(current_price, fair=price),
        }
        interval = Interval(float(own.lower[0]), float(own.upper[0]))
        return ModelPrediction(self.name, day, price, interval, own.level, metadata)

    def _before(self, origins: Time1D) -> Float1D:
        own = self._daily(origins - DAY)
        good = (own.price > 0.0) & (own.known_at <= origins + LONGEST_LAG)
        return np.where(good, own.price, np.nan)

    def _daily(self, days: Time1D) -> OracleDays:
        if self.prices is None:
            raise self._no_price(None)
        return self.prices.daily(days)

    def _no_price(self, day: date | None) -> InsufficientDataError:
        return InsufficientDataError(
            "the oracle has no confirmed price" + ("" if day is None else " for that day"),
            field="oracle" if day is None else "date",
            value=None if day is None else day.isoformat(),
            constraint="a confirmed daily price",
            fix="leave onchain_price out until an oracle is connected and has seen that day",
        )
