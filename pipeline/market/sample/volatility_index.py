"""The simulated volatility index: the volatility expected over the next month, plus noise.

It knows the conditional variance of its reference equity at each half-hour of a session and responds to its
moves; it does not know when the regime will change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log

import numpy as np

from pipeline.arrays import Float1D, Int1D, Time1D
from pipeline.market.sample.parameters import STATES, WorldParameters
from pipeline.market.sample.returns import AssetPath
from pipeline.market.sample.steps import CELLS_PER_DAY, STEPS_PER_CELL, step_of
from pipeline.seeds import stream

_POINTS_PER_SESSION = 14
_DECIMALS = 2
_LEAST = 0.01


@dataclass(frozen=True)
class IndexBars:
    """One row per session, index points, shape ``(sessions,)``."""

    open: Float1D
    high: Float1D
    low: Float1D
    close: Float1D


def index_bars(
    world: WorldParameters,
    reference: AssetPath,
    regimes: Mapping[str, Int1D],
    start: np.datetime64,
    sessions: tuple[Time1D, Time1D],
) -> IndexBars:
    """Return the index in every session.

    Parameters
    ----------
    world
        Parameters.
    reference
        Path of the equity whose volatility it expects.
    regimes
        State codes per UTC day.
    start
        Start of the world.
    sessions
        Open and close of every session, all inside the world.

    Notes
    -----
    Expected variance a year = sigma^2 m + jumps, with m the mean of the GARCH forecast over the
    horizon, ``1 + (g - 1)(1 - p^n) / (n (1 - p))``, ``p = alpha + beta`` and n cells; sigma^2 follows the
    regime's level with the time constant ``smooth_days``.
    """
    rule = world.volatility_index
    opens, closes = (step_of(bound, start) for bound in sessions)
    count = closes - opens + 1
    offsets = np.cumsum(count) - count
    point = np.repeat(opens - offsets, count) + np.arange(count.sum())
    known = np.maximum(point - 1, 0)  # the last half-hour that is over at the point
    variance = _expected_variance(world, reference, regimes)[known // STEPS_PER_CELL]
    moves = np.diff(reference.log_price[point], prepend=reference.log_price[point[:1]])
    noise = rule.noise * stream(world.seed, f"sample/index/{rule.symbol}").standard_normal(point.size)
    decay = exp(-log(2.0) / (rule.noise_half_life_sessions * _POINTS_PER_SESSION))
    shocks = (noise + rule.spot_response * moves).tolist()
    deviation = np.fromiter(accumulate(shocks, lambda x, s: decay * x + s), np.float64, point.size)
    index = 100.0 * rule.premium * np.sqrt(variance) * np.exp(deviation)
    index = np.maximum(np.round(index, _DECIMALS), _LEAST)
    return IndexBars(
        open=index[offsets],
        high=np.maximum.reduceat(index, offsets),
        low=np.minimum.reduceat(index, offsets),
        close=index[offsets + count - 1],
    )


def _expected_variance(world: WorldParameters, reference: AssetPath, regimes: Mapping[str, Int1D]) -> Float1D:
    rule, law = world.volatility_index, world.classes.equity
    scale = world.assets[rule.reference].scale
    levels = np.array([law.volatility[state] for state in STATES["volatility"]]) ** 2
    by_day = levels[regimes["volatility"]]
    keep = exp(-1.0 / rule.smooth_days)
    followed = accumulate(by_day.tolist(), lambda x, level: keep * x + (1.0 - keep) * level)
    smooth = np.repeat(np.fromiter(followed, np.float64, by_day.size), CELLS_PER_DAY)
    persistence = law.alpha + law.beta
    cells = rule.horizon_days * CELLS_PER_DAY
    pull = (1.0 - persistence**cells) / (cells * (1.0 - persistence))
    sizes = scale**2 * (law.jumps.mean**2 + law.jumps.sd**2) + law.jumps.own_sd**2
    mean_garch = 1.0 + (reference.garch - 1.0) * pull
    return scale**2 * smooth[: mean_garch.size] * mean_garch + law.jumps.per_year * sizes
