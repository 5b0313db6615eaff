"""What a strategy is asked: the rows of the window, and its weights on a context, checked."""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Float2D
from pipeline.calendar.grid import to_time64
from pipeline.errors import ConfigError, InsufficientDataError, ModelError
from pipeline.market.panel import Panel

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy


def rows_between(panel: Panel, start: datetime | None, end: datetime | None) -> tuple[int, int]:
    """Return the first row of ``[start, end)`` and the row behind its last; None: all there is.

    Raises
    ------
    InsufficientDataError
        When the window holds no bars.
    """
    first = 0 if start is None else int(np.searchsorted(panel.ts, to_time64(start, "start")))
    last = panel.n_bars if end is None else int(np.searchsorted(panel.ts, to_time64(end, "end")))
    if first >= last:
        raise InsufficientDataError(
            "the window holds no bars",
            "start",
            "the first bar" if start is None else start.isoformat(),
            f"start < end, inside {panel.ts[0]} to {panel.ts[-1]}",
            "choose a window inside the data, or update the data",
        )
    return first, last


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
    absent = [symbol for symbol in strategy.universe if symbol not in symbols]
    if absent:
        raise ConfigError(
            f"{strategy.name} has no bars of {', '.join(absent)}",
            "universe",
            absent,
            f"among {', '.join(symbols)}",
            "load them or shorten the universe",
        )
    weights = strategy.weights(context, params)
    outside = [i for i, symbol in enumerate(symbols) if symbol not in strategy.universe]
    if weights.shape == context.shape and outside and np.any(weights[:, outside] != 0.0):
        raise ModelError(f"{strategy.name} weighs assets outside its universe", "weights", None, "0 there")
    return weights
