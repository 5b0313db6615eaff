"""The power law: ``log10 P = alpha + beta log10 d``, d whole days since 2009-01-03."""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Self

import numpy as np

from pipeline.arrays import Float1D, Time1D
from pipeline.errors import ConfigError
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.line import fit_line
from pipeline.valuation.model import PriceModel
from pipeline.valuation.prediction import GENESIS, Interval
from pipeline.valuation.registry import register


@dataclass(frozen=True)
class PowerLawParameters:
    """A fitted power law.

    Parameters
    ----------
    alpha, beta
        Intercept and slope in log10 units.
    sigma
        Residual standard deviation in log10 units, ``sqrt(SSR / (n - 2))``.
    r_squared
        Of log10 price, clamped to [0, 1].
    n
        Days with a price.
    """

    alpha: float
    beta: float
    sigma: float
    r_squared: float
    n: int


def days_since_genesis(day: date) -> int:
    """Return whole days since 2009-01-03.

    Raises
    ------
    ConfigError
        On or before it: the logarithm has no value there.
    """
    days = (day - GENESIS).days
    if days <= 0:
        raise ConfigError(
            "the power law begins after genesis",
            field="date",
            value=day.isoformat(),
            constraint=f"after {GENESIS}",
            fix="name a later day",
        )
    return days


def fair_value(day: date, *, alpha: float, beta: float) -> float:
    """Return the price (USD) of the power law.

    Examples
    --------
    >>> round(fair_value(date(2025, 12, 25), alpha=-17.01, beta=5.82), 2)
    115270.89
    """
    return float(10.0 ** (alpha + beta * np.log10(days_since_genesis(day))))


def band(day: date, *, alpha: float, beta: float, sigma: float) -> Interval:
    """Return the price one ``sigma`` (log10 units) below and above the fair one."""
    fair = fair_value(day, alpha=alpha, beta=beta)
    return Interval(fair * 10.0**-sigma, fair * 10.0**sigma)


@register
@dataclass(frozen=True, kw_only=True)
class PowerLaw(PriceModel):
    """Price as a power of Bitcoin's age, refitted by least squares; it knows nothing but the date."""

    name: ClassVar[str] = "power_law"
    description: ClassVar[str] = "Price as a power of the days since genesis"
    required_data: ClassVar[tuple[str, ...]] = ("price_usd",)

    def estimate(self, history: ChainHistory) -> PowerLawParameters:
        """Return the least squares line of log10 price on log10 days."""
        price = history.column("price_usd")
        line = fit_line(_log_days(history.date), np.log10(np.where(price > 0.0, price, np.nan)))
        return PowerLawParameters(line.intercept, line.slope, line.sigma, line.r_squared, line.n)

    def fair(self, parameters: Any, _history: ChainHistory, _origins: Time1D, targets: Time1D, /) -> Float1D:
        """Return the line at the target days; no state of the chain enters."""
        return 10.0 ** (parameters.alpha + parameters.beta * _log_days(targets))

    def recalibrate(self, history: ChainHistory) -> Self:
        """Return the model fitted anew to a newer history; the old fit leaves no trace."""
        return self.fit(history)

    def details(self, day: date, _made_of: Any, /) -> dict[str, Any]:
        """Return the days since genesis and the band of one sigma, which is in sample."""
        fitted: PowerLawParameters = self.require_fitted().parameters
        inner = band(day, alpha=fitted.alpha, beta=fitted.beta, sigma=fitted.sigma)
        return {"days_since_genesis": days_since_genesis(day), "band_1sd_in_sample": inner.to_dict()}


def _log_days(days: Time1D) -> Float1D:
    since = (days - np.datetime64(GENESIS, "D")).astype(np.float64)
    return np.log10(np.where(since > 0.0, since, np.nan))
