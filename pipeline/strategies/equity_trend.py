"""EquityTrend: long what stands above its slow mean with positive momentum, equal weights, else cash.

Looks at daily closes as known at each decision, so a weight changes at most once per session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from pipeline.strategies import kernel
from pipeline.strategies.columns import inside, plain, room
from pipeline.strategies.port import Horizon, Parameters, Urgency

if TYPE_CHECKING:
    from pipeline.arrays import Bool2D, Float2D, Float3D
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
    urgency: ClassVar[Urgency] = "normal"
    horizon: ClassVar[Horizon] = "position"

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
        return long & inside(self.universe, context)

    def weights_many(
        self, context: "Context", params: Sequence[EquityTrendParameters], out: "Float3D | None" = None
    ) -> "Float3D":
        """Return the weights of every parameter set, shape ``(params, bars, assets)``; ``out`` as memory."""
        answer, columns = room(context, params, out), inside(self.universe, context)
        for p, weights in zip(params, answer, strict=True):
            kernel.trend(
                plain(context, "close_d"),
                plain(context, f"sma_{p.sma_days}d"),
                plain(context, f"sma_{p.exit_sma_days or p.sma_days}d"),
                plain(context, f"momentum_{p.momentum_short_days}d"),
                plain(context, f"momentum_{p.momentum_long_days}d"),
                plain(context, "closes_missed_d"),
                columns, p.momentum_short_above, p.momentum_long_above, p.max_missed_closes, weights,
            )  # fmt: skip
        return answer
