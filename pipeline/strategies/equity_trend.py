"""EquityTrend: long what stands above its slow mean with positive momentum, equal weights, else cash.

Looks at daily closes as known at each decision, so a weight changes at most once per session.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from pipeline.strategies.port import Parameters

if TYPE_CHECKING:
    from pipeline.arrays import Bool2D, Float2D
    from pipeline.strategies.context import Context

Days = Annotated[int, Field(ge=2, le=2000)]


class EquityTrendParameters(Parameters):
    """Parameters of `EquityTrend`; days are sessions, thresholds simple returns."""

    sma_days: Days = Field(200, description="Sessions of the mean that the close must exceed")
    momentum_short_days: Days = Field(126, description="Sessions of the short momentum")
    momentum_long_days: Days = Field(252, description="Sessions of the long momentum")
    momentum_short_above: float = Field(0.0, ge=-1, le=10, description="The short momentum must exceed it")
    momentum_long_above: float = Field(-0.05, ge=-1, le=10, description="The long momentum must exceed it")
    exit_sma_days: Days | None = Field(None, description="Also leave below this mean; null: no exit average")
    max_missed_closes: int = Field(3, ge=1, le=250, description="Expected closes missed until flat")


@dataclass(frozen=True)
class EquityTrend:
    """Long when close > SMA, short momentum and long momentum exceed their thresholds; else flat.

    The longs share the budget equally.  NaN (nothing known) and a series that missed ``max_missed_closes``
    expected closes are flat.
    """

    name: ClassVar[str] = "EquityTrend"
    version: ClassVar[str] = "1.0.0"
    params_model: ClassVar[type[Parameters]] = EquityTrendParameters
    regimes: ClassVar[tuple[str, ...]] = ()

    universe: tuple[str, ...] = ("SPY", "QQQ")

    def features(self, params: EquityTrendParameters) -> tuple[str, ...]:
        """Return the daily features that the parameters ask for."""
        means = {params.sma_days, params.exit_sma_days or params.sma_days}
        spans = {params.momentum_short_days, params.momentum_long_days}
        return (
            "close_d",
            "closes_missed_d",
            *(f"sma_{days}d" for days in sorted(means)),
            *(f"momentum_{days}d" for days in sorted(spans)),
        )

    def weights(self, context: "Context", params: EquityTrendParameters) -> "Float2D":
        """Return equal weights over the longs, shape ``(bars, assets)``; each row sums to 1 or 0."""
        long = self.longs(context, params)
        count = long.sum(axis=1, keepdims=True)
        return np.divide(long, count, out=np.zeros(context.shape), where=count > 0)

    def longs(self, context: "Context", params: EquityTrendParameters) -> "Bool2D":
        """Return where the conditions hold; a comparison with NaN is False, so the unknown is flat."""
        close = context.feature("close_d")
        long = (
            (close > context.feature(f"sma_{params.sma_days}d"))
            & (context.feature(f"momentum_{params.momentum_short_days}d") > params.momentum_short_above)
            & (context.feature(f"momentum_{params.momentum_long_days}d") > params.momentum_long_above)
            & (context.feature("closes_missed_d") < params.max_missed_closes)
        )
        if params.exit_sma_days is not None:
            long &= close > context.feature(f"sma_{params.exit_sma_days}d")
        return long & np.array([symbol in self.universe for symbol in context.symbols])
