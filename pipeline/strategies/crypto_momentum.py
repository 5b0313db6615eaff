"""CryptoMomentum: holds the coins with the strongest momentum while the crypto market is risk-on, else cash.

Looks at closes of UTC days as known at each decision, and at the regime in force then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from pipeline.regimes.vocabulary import CryptoRegime, code
from pipeline.strategies import kernel
from pipeline.strategies.columns import inside, plain, room
from pipeline.strategies.port import Horizon, Parameters, Urgency

if TYPE_CHECKING:
    from pipeline.arrays import Bool1D, Float2D, Float3D
    from pipeline.strategies.context import Context

Days = Annotated[int, Field(ge=2, le=2000)]


class CryptoMomentumParameters(Parameters):
    """Parameters of `CryptoMomentum`; days are UTC days."""

    momentum_short_days: Days = Field(30, description="Days of the short momentum")
    momentum_long_days: Days = Field(60, description="Days of the long momentum")
    only_in_risk_on: bool = Field(default=True, description="Cash unless the crypto regime is risk_on")
    equal_weight: bool = Field(default=False, description="Equal weights instead of proportional ones")
    max_positions: int = Field(2, ge=1, le=1000, description="Coins held at once")
    max_missed_closes: int = Field(3, ge=1, le=250, description="Expected closes missed until flat")


@dataclass(frozen=True)
class CryptoMomentum:
    """The score of a coin is the mean of its two momenta; the highest positive ones share the budget.

    In proportion to their scores, or equally.  NaN (nothing known) and a series that missed
    ``max_missed_closes`` expected closes are flat.
    """

    name: ClassVar[str] = "CryptoMomentum"
    version: ClassVar[str] = "1.0.0"
    params_model: ClassVar[type[Parameters]] = CryptoMomentumParameters
    regimes: ClassVar[tuple[str, ...]] = ("crypto",)
    urgency: ClassVar[Urgency] = "normal"
    horizon: ClassVar[Horizon] = "swing"

    universe: tuple[str, ...] = ("BTC/USD", "ETH/USD")

    def features(self, params: CryptoMomentumParameters) -> tuple[str, ...]:
        """Return the daily features that the parameters ask for."""
        spans = {params.momentum_short_days, params.momentum_long_days}
        return ("closes_missed_d", *(f"momentum_{days}d" for days in sorted(spans)))

    def weights(self, context: "Context", params: CryptoMomentumParameters) -> "Float2D":
        """Return weights over the strongest coins, shape ``(bars, assets)``; each row sums to 1 or 0."""
        return self.weights_many(context, [params])[0]

    def weights_many(
        self,
        context: "Context",
        params: Sequence[CryptoMomentumParameters],
        out: "Float3D | None" = None,
    ) -> "Float3D":
        """Return the weights of every parameter set, shape ``(params, bars, assets)``; ``out`` as memory."""
        answer, columns = room(context, params, out), inside(self.universe, context)
        for p, weights in zip(params, answer, strict=True):
            kernel.momentum(
                plain(context, f"momentum_{p.momentum_short_days}d"),
                plain(context, f"momentum_{p.momentum_long_days}d"),
                plain(context, "closes_missed_d"),
                _allowed(context, p), columns, p.max_positions, p.equal_weight, p.max_missed_closes, weights,
            )  # fmt: skip
        return answer


def _allowed(context: "Context", params: CryptoMomentumParameters) -> "Bool1D":
    if not params.only_in_risk_on:
        return np.ones(context.shape[0], np.bool_)
    return context.regime("crypto") == code(CryptoRegime.RISK_ON)
