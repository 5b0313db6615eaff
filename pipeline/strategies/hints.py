"""What a strategy says beside its weights: how urgent it is, how long it means to hold, how sure it is.

Hints move nothing by themselves; who did not say is unknown, never "normal".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.calendar.grid import from_time64
from pipeline.strategies.asking import confidence_of, weights_of

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Horizon, Strategy, Urgency


@dataclass(frozen=True)
class Hints:
    """What holds for every decision of a strategy.

    Attributes
    ----------
    urgency, horizon
        None where it does not say.
    confident
        Whether it says how sure it is of each weight.
    """

    urgency: "Urgency | None"
    horizon: "Horizon | None"
    confident: bool


@dataclass(frozen=True)
class Signal:
    """What a strategy says at one decision.

    Attributes
    ----------
    strategy, version
        Who says it.
    at
        The decision, aware.
    weights
        By symbol of its universe, 0 to 1.
    confidence
        By the same symbols, 0 to 1, None where it is silent; None from a strategy without confidence.
    hints
        Its urgency and horizon.
    """

    strategy: str
    version: str
    at: datetime
    weights: Mapping[str, float]
    confidence: Mapping[str, float | None] | None
    hints: Hints


def hints_of(strategy: "Strategy | type[Strategy]") -> Hints:
    """Return the hints of a strategy or of its class."""
    return Hints(
        urgency=getattr(strategy, "urgency", None),
        horizon=getattr(strategy, "horizon", None),
        confident=callable(getattr(strategy, "confidence", None)),
    )


def signal_at(context: "Context", strategy: "Strategy", params: BaseModel, row: int = -1) -> Signal:
    """Return what a strategy says at a decision, by default the last one of the context.

    Raises
    ------
    ConfigError, ModelError
        As `pipeline.strategies.asking.weights_of`.
    """
    columns = [context.symbols.index(symbol) for symbol in strategy.universe if symbol in context.symbols]
    weights = weights_of(context, strategy, params)[row]
    sure = confidence_of(context, strategy, params)
    return Signal(
        strategy=strategy.name,
        version=strategy.version,
        at=from_time64(context.decisions[row]),
        weights={context.symbols[a]: float(weights[a]) for a in columns},
        confidence=None
        if sure is None
        else {context.symbols[a]: None if np.isnan(sure[row, a]) else float(sure[row, a]) for a in columns},
        hints=hints_of(strategy),
    )
