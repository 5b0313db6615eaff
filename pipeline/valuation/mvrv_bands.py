"""MVRV bands: past ratios of price to realised price, times the realised price."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.arrays import Float1D
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.multiple import MultipleModel
from pipeline.valuation.registry import register


@register
@dataclass(frozen=True, kw_only=True)
class MvrvBands(MultipleModel):
    """Price as a multiple of the realised price, which is what coins were worth when they last moved.

    MVRV is market cap over realised cap, so price over realised price; both have one supply.
    """

    name: ClassVar[str] = "mvrv_bands"
    description: ClassVar[str] = "Price as a past multiple of the realised price"
    required_data: ClassVar[tuple[str, ...]] = ("price_usd", "supply_btc", "realized_cap_usd")

    def base(self, history: ChainHistory, /) -> Float1D:
        """Return the realised price: realised cap per coin."""
        supply = history.column("supply_btc")
        return history.column("realized_cap_usd") / np.where(supply > 0.0, supply, np.nan)
