"""A strategy on a made-up market: whether it sees the future, keeps to the port, and does anything at all.

For the tests of whoever writes a strategy.  What is earned here means nothing: prices are random walks.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import BaseModel

from pipeline.arrays import Float2D, Int8
from pipeline.errors import BellsError
from pipeline.features.compute import features_at_decisions
from pipeline.features.registry import parse
from pipeline.lookahead.invariance import noise_violations, prefix_violations
from pipeline.lookahead.practice import SmallMarket, small_market
from pipeline.market.panel import Panel
from pipeline.regimes.vocabulary import DIMENSIONS
from pipeline.strategies.asking import confidence_of, weights_of
from pipeline.strategies.context import Context
from pipeline.strategies.registry import parameters

if TYPE_CHECKING:
    from pipeline.strategies.port import Strategy

LATE = 0.005
"""Share of bars and closes of the market that become known late."""
_PRICE = "close"
_MOOD = 50.0
"""Regimes of the market change with every fiftieth of a log price."""


def faults(
    strategy: "Strategy", params: BaseModel | None = None, *, days: int = 600, cuts: int = 6, seed: int = 1
) -> list[str]:
    """Return what is wrong with a strategy, as sentences; none is the answer that its tests should demand.

    Weights and confidence at a decision must be the same, to the bit, when everything that became known
    later is cut off, and when it is replaced by noise.  They must keep to the port, and weights must change.

    Parameters
    ----------
    strategy
        What is tried, on the symbols of its universe: the first trades around the clock, the second in
        sessions, and so on in turn.
    params
        None: its defaults.
    days
        Length of the market; long enough for the look-backs.
    cuts
        How many decisions are looked at.
    seed
        Which market and which decisions.

    Examples
    --------
    >>> from pipeline.strategies.crypto_momentum import CryptoMomentum
    >>> faults(CryptoMomentum(), days=200, cuts=2)
    []
    """
    chosen = parameters(strategy) if params is None else params
    calendars = {s: ("24/7", "XNYS")[place % 2] for place, s in enumerate(strategy.universe)}
    market = small_market(seed, days, calendars=calendars, late=LATE)

    def answers(panel: Panel, daily: pl.DataFrame) -> Mapping[str, Float2D]:
        context = practice_context(strategy, [chosen], panel, daily, market)
        said = {"weights": weights_of(context, strategy, chosen)}
        sure = confidence_of(context, strategy, chosen)
        return said if sure is None else said | {"confidence": sure}

    try:
        weights = answers(market.panel, market.daily)["weights"]
    except BellsError as failure:
        return [str(failure)]
    if not (weights[1:] != weights[:-1]).any():
        text = (
            f"its weights never change in {days} days: give it more days, or parameters that look back less"
        )
        return [text]
    rows = np.random.default_rng(seed).integers(market.panel.n_bars // 2, market.panel.n_bars - 1, cuts)
    return [
        *prefix_violations(answers, market.panel, market.daily, rows.tolist()),
        *noise_violations(answers, market.panel, market.daily, rows.tolist(), seed),
    ]


def idle_parameters(
    strategy: "Strategy", changes: Mapping[str, Any], params: BaseModel | None = None, *, days: int = 600
) -> list[str]:
    """Return the parameters that change no weight, among them those that ``changes`` leaves out.

    Parameters
    ----------
    strategy, params, days
        As `faults`.
    changes
        Another value for each parameter.
    """
    first = parameters(strategy) if params is None else params
    others = {
        name: parameters(strategy, {**first.model_dump(), name: value}) for name, value in changes.items()
    }
    calendars = {s: ("24/7", "XNYS")[place % 2] for place, s in enumerate(strategy.universe)}
    market = small_market(1, days, calendars=calendars, late=LATE)
    context = practice_context(strategy, [first, *others.values()], market.panel, market.daily, market)
    before = weights_of(context, strategy, first)
    return [
        name
        for name in strategy.params_model.model_fields
        if name not in others or np.array_equal(weights_of(context, strategy, others[name]), before)
    ]


def practice_context(
    strategy: "Strategy",
    params: list[BaseModel],
    panel: Panel,
    daily: pl.DataFrame,
    market: SmallMarket,
) -> Context:
    """Return the context in which a strategy is asked: its features, and regimes that follow a price."""
    names = dict.fromkeys([_PRICE, *(name for each in params for name in strategy.features(each))])
    features = features_at_decisions(panel, daily, [parse(name) for name in names], expected=market.expected)
    return Context(panel, features, _moods(features[_PRICE]))


def _moods(close: Float2D) -> dict[str, Int8]:
    """Return regimes that change often and are known when the first asset's close is."""
    steps = np.nan_to_num(np.floor(np.log(close[:, 0]) * _MOOD)).astype(np.int64)
    return {name: (steps % len(labels)).astype(np.int8) for name, labels in DIMENSIONS.items()}
