"""What a strategy is asked before a run: its checked weights, where the panel has its whole universe."""

from typing import TYPE_CHECKING

from pydantic import BaseModel

from pipeline.arrays import Float2D
from pipeline.backtest.window import require_universe
from pipeline.strategies import asking

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy


def weights_of(context: "Context", strategy: "Strategy", params: BaseModel) -> Float2D:
    """Return the weights of a strategy, shape ``(bars, assets)``.

    Raises
    ------
    ConfigError
        When the context lacks symbols of its universe.
    ModelError
        As `pipeline.strategies.asking.weights_of`.
    """
    require_universe(context.panel, strategy.name, strategy.universe)
    return asking.weights_of(context, strategy, params)
