"""Thermocap: what miners were ever paid in USD; fair price = a past multiple of it per coin."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import numpy as np

from pipeline.arrays import Float1D
from pipeline.errors import DataError
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.multiple import MultipleModel
from pipeline.valuation.registry import register


def fair_price(thermocap_usd: float, supply_btc: float, multiple: float) -> float:
    """Return ``thermocap x multiple / supply``, USD.

    Raises
    ------
    DataError
        When an input is not a number above 0.

    Examples
    --------
    >>> round(fair_price(300e9, 19.5e6, 5.5), 2)
    84615.38
    """
    for name, value in (
        ("thermocap_usd", thermocap_usd),
        ("supply_btc", supply_btc),
        ("multiple", multiple),
    ):
        _require(name, value, above=True)
    return thermocap_usd * multiple / supply_btc


def thermocap_multiple(market_cap_usd: float, thermocap_usd: float) -> float:
    """Return market cap over thermocap; 0 before any miner was paid anything.

    Raises
    ------
    DataError
        When an input is no number or below 0.
    """
    _require("market_cap_usd", market_cap_usd, above=False)
    _require("thermocap_usd", thermocap_usd, above=False)
    return market_cap_usd / thermocap_usd if thermocap_usd > 0.0 else 0.0


@register
@dataclass(frozen=True, kw_only=True)
class Thermocap(MultipleModel):
    """Price as a multiple of cumulative miner revenue per coin."""

    name: ClassVar[str] = "thermocap"
    description: ClassVar[str] = "Price as a past multiple of all that miners were paid"
    required_data: ClassVar[tuple[str, ...]] = ("price_usd", "supply_btc", "thermocap_usd")

    def base(self, history: ChainHistory, /) -> Float1D:
        """Return cumulative miner revenue per coin."""
        supply = history.column("supply_btc")
        return history.column("thermocap_usd") / np.where(supply > 0.0, supply, np.nan)


def _require(name: str, value: float, *, above: bool) -> None:
    if not isfinite(value) or value < 0.0 or (above and value == 0.0):
        raise DataError(
            "the thermocap cannot be reckoned",
            field=name,
            value=value,
            constraint="a number above 0" if above else "a number of at least 0",
            fix="look at the chain source: this day is damaged or unknown",
        )
