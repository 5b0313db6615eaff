"""Models that say "so many times a value of the chain": fair price = quantile of past multiples x base."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Time1D
from pipeline.errors import ConfigError
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.line import require_points
from pipeline.valuation.model import PriceModel


@dataclass(frozen=True)
class MultipleParameters:
    """Quantiles of price over base in the training window; ``middle`` gives the fair price."""

    low: float
    middle: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class MultipleModel(PriceModel):
    """Base of models that multiply a value of the chain per coin.

    Parameters
    ----------
    quantiles
        Of the training window's multiples: low, middle, high, each a fraction, ascending.
    """

    quantiles: tuple[float, float, float] = (0.10, 0.50, 0.90)

    def __post_init__(self) -> None:
        try:
            low, middle, high = self.quantiles
            good = 0.0 < low < middle < high < 1.0
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ConfigError(
                "the quantiles of multiples are out of order",
                field=f"{self.name}.quantiles",
                value=self.quantiles,
                constraint="three fractions, 0 < low < middle < high < 1",
                fix="write [0.10, 0.50, 0.90]",
            )

    @abstractmethod
    def base(self, history: ChainHistory, /) -> Float1D:
        """Return the value per coin that is multiplied, USD, one for each row; NaN where unknown."""

    def complete(self, history: ChainHistory) -> Bool1D:
        """Return which days have a price and a base above 0 that it is a multiple of."""
        return super().complete(history) & (self.base(history) > 0.0)

    def estimate(self, history: ChainHistory) -> MultipleParameters:
        """Return the quantiles of price over base."""
        base = self.base(history)
        multiple = history.column("price_usd") / np.where(base > 0.0, base, np.nan)
        known = multiple[np.isfinite(multiple)]
        require_points(known.size)
        low, middle, high = np.quantile(known, self.quantiles)
        return MultipleParameters(float(low), float(middle), float(high), int(known.size))

    def fair(self, parameters: Any, history: ChainHistory, origins: Time1D, _targets: Time1D, /) -> Float1D:
        """Return the middle multiple of the base of the row before each origin, whatever the horizon."""
        return parameters.middle * self._base_before(history, origins)

    def price_of(self, origin: Time1D, _target: Time1D, /) -> tuple[float, float]:
        """Return the fair price and the base that it is a multiple of."""
        fitted = self.require_fitted()
        base = float(self._base_before(fitted.history, origin)[0])
        return fitted.parameters.middle * base, base

    def details(self, _day: date, base: Any, /) -> dict[str, Any]:
        """Return the base and the prices at the low and the high multiple."""
        multiples: MultipleParameters = self.require_fitted().parameters
        return {
            "base_usd": base,
            "fair_range": {"lower": multiples.low * base, "upper": multiples.high * base},
            "quantiles": list(self.quantiles),
        }

    def _base_before(self, history: ChainHistory, origins: Time1D) -> Float1D:
        where = history.index(origins)
        base = np.concatenate([self.base(history), [np.nan]])
        inside = (where > 0) & ((where < history.n) | (origins == history.date[-1] + DAY))
        return np.where(inside, base[where - 1], np.nan)
