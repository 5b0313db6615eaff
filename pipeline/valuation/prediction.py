"""What a model says: a price with an interval, validated; and how far a price stands from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from types import MappingProxyType
from typing import Any

from pipeline.chain.issuance import GENESIS
from pipeline.errors import ConfigError, ModelError


@dataclass(frozen=True)
class Interval:
    """Bounds of a price, USD."""

    lower: float
    upper: float

    def to_dict(self) -> dict[str, float]:
        """Return ``{lower, upper}``."""
        return {"lower": self.lower, "upper": self.upper}


@dataclass(frozen=True)
class ModelPrediction:
    """The fair price of one day.

    Parameters
    ----------
    model_name
        Name in the registry.
    date
        The day whose closing price (at its end, UTC) is meant; not before 2009-01-03.
    predicted_price
        USD, above 0.
    confidence_interval
        ``lower < predicted_price < upper``.
    confidence_level
        Nominal level of the interval, 0 to 1; what it covered out of sample is another number.
    metadata
        How the number came about: ``as_of``, ``horizon_days``, ``interval``, ``intervals``, ...

    Raises
    ------
    ModelError
        When the numbers break these rules.
    """

    model_name: str
    date: date
    predicted_price: float
    confidence_interval: Interval
    confidence_level: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_after_genesis(self.date, first=GENESIS)
        lower, upper = self.confidence_interval.lower, self.confidence_interval.upper
        if not (isfinite(self.predicted_price) and self.predicted_price > 0.0):
            raise ModelError(
                f"{self.model_name} gives no price", "predicted_price", self.predicted_price, "a number > 0"
            )
        if not lower < self.predicted_price < upper or not isfinite(lower) or not isfinite(upper):
            raise ModelError(
                f"{self.model_name} gives an interval beside its price",
                "confidence_interval",
                (lower, upper),
                f"lower < {self.predicted_price} < upper",
            )
        if not 0.0 <= self.confidence_level <= 1.0:
            raise ModelError(
                "the level is no fraction", "confidence_level", self.confidence_level, "0 <= level <= 1"
            )
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def to_dict(self) -> dict[str, Any]:
        """Return the record of the REST contract: the interval nested, the date by ISO 8601."""
        return {
            "model_name": self.model_name,
            "date": self.date.isoformat(),
            "predicted_price": self.predicted_price,
            "confidence_interval": self.confidence_interval.to_dict(),
            "confidence_level": self.confidence_level,
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True)
class Zones:
    """Where a price counts as undervalued or overvalued, as fractions of the fair price.

    Parameters
    ----------
    undervalued_below, overvalued_above
        Deviation ``(price - fair) / fair``: -0.2 is 20 % below.

    Examples
    --------
    >>> Zones().zone(70.0, fair=100.0), Zones().zone(120.0, fair=100.0), Zones().zone(None, fair=100.0)
    ('undervalued', 'fair', 'unknown')
    """

    undervalued_below: float = -0.20
    overvalued_above: float = 0.50

    def deviation(self, price: float | None, *, fair: float) -> float | None:
        """Return the deviation as a fraction; None where the price is unknown or not above 0."""
        if price is None or not isfinite(price) or price <= 0.0:
            return None
        return (price - fair) / fair

    def zone(self, price: float | None, *, fair: float) -> str:
        """Return ``undervalued``, ``fair``, ``overvalued`` or ``unknown``."""
        away = self.deviation(price, fair=fair)
        if away is None:
            return "unknown"
        if away < self.undervalued_below:
            return "undervalued"
        return "overvalued" if away > self.overvalued_above else "fair"


def require_after_genesis(day: date, *, first: date) -> None:
    """Refuse a day before Bitcoin.

    Raises
    ------
    ConfigError
        When the day comes before ``first``.
    """
    if day < first:
        raise ConfigError(
            "the date comes before there was a price to explain",
            field="date",
            value=day.isoformat(),
            constraint=f"{first} or later",
            fix=f"name {first} or a later day",
        )
