"""What a strategy is asked: its weights on a context, and nothing outside its universe."""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Float2D
from pipeline.backtest.window import require_universe
from pipeline.errors import ModelError

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
        When it weighs an asset outside its universe.
    """
    symbols = context.symbols
    require_universe(context.panel, strategy.name, strategy.universe)
    weights = strategy.weights(context, params)
    outside = [i for i, symbol in enumerate(symbols) if symbol not in strategy.universe]
    if weights.shape == context.shape and outside and np.any(weights[:, outside] != 0.0):
        raise ModelError(f"{strategy.name} weighs assets outside its universe", "weights", None, "0 there")
    return weights
