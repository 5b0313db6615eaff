"""Random strategies that trade as often, hold as long and are invested as much as a given one.

The weights of a run are a ring of stretches of constant weight.  A random strategy walks the same
transitions in another order (a random Eulerian circuit), draws the lengths of stretches of one weight from
those of that weight, and starts anywhere, forwards or backwards in time.  So turnover of targets, exposure
and holding times are exactly those of the run; only the timing is luck.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.backtest.rerun import Account
from pipeline.backtest.result import Simulation
from pipeline.seeds import stream

BESTS = 200
"""How many bests of N random strategies a run is compared with."""


@dataclass(frozen=True)
class Ring:
    """Weights as stretches on a ring.

    Parameters
    ----------
    states
        Distinct rows of weights, shape ``(states, assets)``.
    order
        State of each stretch, neighbours differ, shape ``(stretches,)``.
    lengths
        Rows of each stretch.
    """

    states: Float2D
    order: Int1D
    lengths: Int1D


def ring_of(weights: Float2D) -> Ring:
    """Return the stretches of constant weights; a last one that equals the first joins it."""
    states, codes = np.unique(weights, axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    order = codes[starts]
    lengths = np.diff(np.append(starts, codes.size))
    if order.size > 1 and order[0] == order[-1]:
        lengths[0] += lengths[-1]
        order, lengths = order[:-1], lengths[:-1]
    return Ring(states, order, lengths)


def shuffled(ring: Ring, rng: np.random.Generator) -> Float2D:
    """Return the weights of one random strategy, shape ``(rows, assets)``."""
    order = _circuit(ring.order, len(ring.states), rng)
    drawn = rng.permutation(ring.order.size)
    drawn = drawn[np.argsort(ring.order[drawn], kind="stable")]
    lengths = np.empty_like(ring.lengths)
    lengths[np.argsort(order, kind="stable")] = ring.lengths[drawn]
    rows = np.repeat(order, lengths)
    rows = np.roll(rows, int(rng.integers(rows.size)))
    return ring.states[rows[::-1] if rng.random() < 0.5 else rows]  # noqa: PLR2004 - a fair coin


def _circuit(order: Int1D, states: int, rng: np.random.Generator) -> Int1D:
    """Return a uniformly drawn Eulerian circuit over the transitions of a ring.

    The last exits of all states but the first form a random tree towards it (Wilson's walk); the other
    exits come in random order (Kandel, Matias, Unger and Winkler 1996).
    """
    if order.size < 3:  # noqa: PLR2004 - two stretches have one order
        return order.copy()
    exits: list[list[int]] = [[] for _ in range(states)]
    for state, arrival in zip(order.tolist(), np.roll(order, -1).tolist(), strict=True):
        exits[state].append(arrival)
    root = int(order[0])
    last: dict[int, int] = {}
    for state in rng.permutation(states).tolist():
        trail, at = {}, state
        while at != root and at not in last:
            trail[at] = int(rng.integers(len(exits[at])))
            at = exits[at][trail[at]]
        at = state
        while at != root and at not in last:
            last[at] = trail[at]
            at = exits[at][trail[at]]
    queues = []
    for state, ways in enumerate(exits):
        kept = ways.pop(last[state]) if state in last else None
        rng.shuffle(ways)
        queues.append(ways if kept is None else [kept, *ways])
    walk = np.empty_like(order)
    at = root
    for i in range(order.size):
        walk[i] = at
        at = queues[at].pop()
    return walk


@dataclass(frozen=True)
class RandomRun:
    """What is kept of one random strategy; Sharpe and return are None where they are not defined."""

    sharpe: float | None
    total_return: float
    turnover: float
    mean_exposure: float


def random_runs(account: Account, count: int, *, seed: int) -> list[RandomRun]:
    """Run ``count`` random strategies like the account's own through the kernel.

    Parameters
    ----------
    account
        Whose weights are shuffled, from its start on.
    count
        How many.
    seed
        Stream ``backtest/random`` with the number of the strategy, so more of them begin with the same.

    Returns
    -------
    list
        Those that did not go bankrupt.
    """
    ring = ring_of(account.weights[account.start :])
    weights = np.zeros_like(account.weights)
    runs = []
    for number in range(count):
        weights[account.start :] = shuffled(ring, stream(seed, "backtest/random", number))
        done = account.run("random", weights=weights)
        if done is not None:
            runs.append(_kept(done))
    return runs


def _kept(done: Simulation) -> RandomRun:
    numbers = done.metrics
    return RandomRun(numbers.sharpe, numbers.total_return, numbers.turnover, numbers.mean_exposure)


def bests_of(values: Float1D, n: int, *, seed: int) -> Float1D:
    """Return `BESTS` draws of the best of ``n`` random strategies, ascending.

    Parameters
    ----------
    values
        Sharpe ratios of random strategies, shape ``(runs,)``.
    n
        How many strategies were tried until the best was kept.
    seed
        Stream ``backtest/bests``.

    Returns
    -------
    Float1D
        A smoothed bootstrap (Gaussian kernel, Silverman's width), because the best of many may lie beyond
        the best of those that were run.
    """
    rng = stream(seed, "backtest/bests", n)
    width = 1.06 * float(values.std(ddof=1)) * values.size**-0.2
    bests = np.empty(BESTS)
    for k in range(BESTS):
        drawn = values[rng.integers(values.size, size=n)]
        bests[k] = (drawn + width * rng.standard_normal(n)).max()
    return np.sort(bests)


def percentile(value: float, bests: Float1D) -> float:
    """Return the share of ``bests`` that ``value`` exceeds, ties counted half."""
    below, at_most = np.searchsorted(bests, value, "left"), np.searchsorted(bests, value, "right")
    return float(below + at_most) / (2.0 * bests.size)
