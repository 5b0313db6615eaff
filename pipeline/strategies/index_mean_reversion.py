"""IndexMeanReversion: buys an oversold close below the lower Bollinger band and waits for the middle one.

Looks at H4 bars.  Its memory is a scan over its own signals, not over fills: the same weights whatever an
account did with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from pipeline.strategies import kernel
from pipeline.strategies.arrivals import arrivals
from pipeline.strategies.columns import inside, plain, room
from pipeline.strategies.port import Horizon, Parameters, Urgency

if TYPE_CHECKING:
    from pipeline.arrays import Float2D, Float3D
    from pipeline.strategies.context import Context

Bars = Annotated[int, Field(ge=2, le=2000)]


class IndexMeanReversionParameters(Parameters):
    """Parameters of `IndexMeanReversion`; bars are H4 bars that the asset has."""

    rsi_bars: Bars = Field(14, description="Bars of the relative strength index")
    oversold: float = Field(30.0, ge=0, le=100, description="Enter with the index below it")
    overbought: float = Field(70.0, ge=0, le=100, description="Leave with the index above it")
    band_bars: Bars = Field(20, description="Bars of the Bollinger bands")
    band_deviations: float = Field(2.0, gt=0, le=10, description="From the middle to the lower band")
    max_bars: int = Field(30, ge=1, le=2000, description="Bars after which a position is given up")


@dataclass(frozen=True)
class IndexMeanReversion:
    """Long from RSI < oversold with a close below the lower band, until one of three things at a later close.

    The RSI above ``overbought``, a close at or above the middle band, or ``max_bars`` bars since the entry;
    after the last, no entry before the RSI has been at ``oversold`` or above (the close of the exit counts).
    Each long takes one share of the configured universe.  Cells without a new bar change nothing, ten days
    without a bar forget everything.
    """

    name: ClassVar[str] = "IndexMeanReversion"
    version: ClassVar[str] = "1.0.0"
    params_model: ClassVar[type[Parameters]] = IndexMeanReversionParameters
    regimes: ClassVar[tuple[str, ...]] = ()
    urgency: ClassVar[Urgency] = "high"
    horizon: ClassVar[Horizon] = "swing"

    universe: tuple[str, ...] = ("SPY", "QQQ")

    def features(self, params: IndexMeanReversionParameters) -> tuple[str, ...]:
        """Return the H4 features that the parameters ask for."""
        return ("close", f"rsi_{params.rsi_bars}", f"bb_mid_{params.band_bars}", f"bb_sd_{params.band_bars}")

    def weights(self, context: "Context", params: IndexMeanReversionParameters) -> "Float2D":
        """Return ``1 / len(universe)`` where a symbol is held, shape ``(bars, assets)``."""
        return self.weights_many(context, [params])[0]

    def weights_many(
        self,
        context: "Context",
        params: Sequence[IndexMeanReversionParameters],
        out: "Float3D | None" = None,
    ) -> "Float3D":
        """Return the weights of every parameter set, shape ``(params, bars, assets)``; ``out`` as memory."""
        answer = room(context, params, out)
        learnt, columns = arrivals(context), inside(self.universe, context)
        state, since = np.zeros(columns.size, np.int64), np.zeros(columns.size, np.int64)
        for p, weights in zip(params, answer, strict=True):
            close, index, middle, deviation = (plain(context, name) for name in self.features(p))
            kernel.reversion(
                learnt.news, learnt.known, index, close, middle, deviation, columns, 1.0 / len(self.universe),
                p.oversold, p.overbought, p.band_deviations, p.max_bars, state, since, weights,
            )  # fmt: skip
        return answer
