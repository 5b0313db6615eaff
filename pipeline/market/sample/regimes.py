"""Planted regimes: semi-Markov chains in UTC days, each drawn given the state of another one.

One idea: a chain is a list of spells drawn one after the other from its own stream, so a longer world only
adds spells.  What a regime does to prices is in `returns`; classifiers, which must not look here, live
elsewhere.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.arrays import Int1D
from pipeline.market.sample.parameters import ANY, STATES, Chain
from pipeline.seeds import stream

_SHAPE = 2.0
"""Shape of the gamma law of what a spell lasts beyond its least length."""


def plant(chains: Mapping[str, Chain], seed: int, days: int) -> dict[str, Int1D]:
    """Return the state of every scope on every UTC day of the world.

    Parameters
    ----------
    chains
        One chain for each scope of ``STATES``.
    seed
        Seed of the world.
    days
        Number of days from the start of the world.

    Returns
    -------
    dict[str, Int1D]
        Per scope an array of shape ``(days,)``: positions in ``STATES[scope]``.  The first ``n`` days do not
        depend on ``days``.
    """
    planted: dict[str, Int1D] = {}
    for scope in STATES:
        chain = chains[scope]
        parent = None if chain.given is None else (STATES[chain.given], planted[chain.given])
        planted[scope] = _spells(scope, chain, parent, seed, days)
    return planted


def _spells(
    scope: str, chain: Chain, parent: tuple[tuple[str, ...], Int1D] | None, seed: int, days: int
) -> Int1D:
    names = STATES[scope]
    draw = stream(seed, f"sample/regimes/{scope}")
    state, day = chain.first, 0
    codes = np.empty(days, np.int64)
    while day < days:
        spell = chain.states[state]
        beyond = draw.gamma(_SHAPE, (spell.mean_days - spell.least_days) / _SHAPE)
        chance = draw.random()
        ends = day + spell.least_days + int(beyond)
        codes[day:ends] = names.index(state)
        day = ends
        if day < days:
            row = ANY if parent is None else parent[0][parent[1][day]]
            weights = dict.fromkeys(names, 1.0) if chain.next is None else chain.next[row]
            state = _next(state, weights, chance)
    return codes


def _next(state: str, weights: Mapping[str, float], chance: float) -> str:
    others = [name for name in weights if name != state]
    edges = np.cumsum([weights[name] for name in others])
    at = int(np.searchsorted(edges, chance * edges[-1], side="right"))
    return others[min(at, len(others) - 1)]
