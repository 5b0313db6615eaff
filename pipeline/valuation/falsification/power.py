"""Would the board have seen it?  Power when a model's own fitted structure is true, over half-lives.

Paths are planted that keep to the fitted model with a residual of fitted spread and half-life.  Each of them
needs random walks of its own; a few walks of each are pooled into one null distribution (the warp-speed idea
of Giacomini, Politis and White 2013), so a power costs no more than one p value.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline import seeds
from pipeline.arrays import AnyArray, Bool1D, Float1D, Float2D
from pipeline.optimization.luck.blocks import draw_blocks
from pipeline.optimization.luck.verdict import POWER
from pipeline.valuation.falsification.arrays_of_world import Setting
from pipeline.valuation.falsification.history_run import HistoryRun
from pipeline.valuation.falsification.kernel_worlds import draw_path, plant
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.falsification.setting import Compiled
from pipeline.valuation.falsification.walks import returns_of, score_paths, score_walks

_PURPOSE = "valuation/planted"


@dataclass(frozen=True, eq=False)
class Residual:
    """The residual of a fit as a first-order autoregression.

    Attributes
    ----------
    sd
        Standard deviation in ln units.
    half_life
        Days; infinite where it does not come back.
    innovations
        What is new each day, centred, ``(m,)``.
    """

    sd: float
    half_life: float
    innovations: Float1D


@dataclass(frozen=True)
class Power:
    """How often a true structure would have been found, by horizon.

    Attributes
    ----------
    at_fit
        Power at the fitted residual, one for each horizon; None where the residual does not come back.
    half_life, sd
        Of the fitted residual.
    curve
        Power by half-life, with the fitted spread, one tuple of horizons each.
    detectable
        Longest half-life that is seen with a chance of 80 %, by horizon; None where none on the curve is.
    """

    at_fit: tuple[float | None, ...]
    half_life: float | None
    sd: float
    curve: dict[float, tuple[float, ...]]
    detectable: tuple[float | None, ...]


def fit_residual(u: Float1D) -> Residual:
    """Describe the residuals of a fit, in order of days; NaN is unknown."""
    pair = np.isfinite(u[1:]) & np.isfinite(u[:-1])
    before, after = u[:-1][pair], u[1:][pair]
    centred = before - before.mean()
    kept = float(centred @ (after - after.mean()) / (centred @ centred))
    new = after - after.mean() - kept * centred
    half_life = math.log(0.5) / math.log(kept) if 0.0 < kept < 1.0 else (0.0 if kept <= 0.0 else math.inf)
    return Residual(float(np.nanstd(u)), half_life, new - new.mean())


def p_values(skill: AnyArray, null: AnyArray) -> AnyArray:
    """Return ``(1 + walks with at least this skill) / (1 + walks)``: the observed path counts as one.

    Parameters
    ----------
    skill
        Observed, any shape.
    null
        Of the walks, ``(draws,)``; an undefined one counts as at least as skilled.
    """
    order = np.sort(np.where(np.isnan(null), np.inf, null))
    reached = order.size - np.searchsorted(order, skill, side="left")
    return np.where(np.isnan(skill), np.nan, (1.0 + reached) / (1.0 + order.size))


def planted_paths(
    single: Setting,
    weights: Float1D,
    level: Float1D,
    slope: Float1D,
    residual: Residual,
    half_life: float,
    *,
    count: int,
    seed: int,
    mean_block: float,
) -> Float2D:
    """Return ln price paths ``(count, n)`` that keep to a fitted model.

    Parameters
    ----------
    single
        Setting of that model alone.
    weights, level, slope
        Of its members.
    residual
        Gives spread and innovations, which are drawn in blocks and scaled to the spread.
    half_life
        Days.
    count, seed, mean_block
        How many, and of what random numbers.
    """
    n = single.known.size
    kept = 0.5 ** (1.0 / half_life)
    new = residual.innovations * (residual.sd * math.sqrt(1.0 - kept * kept) / residual.innovations.std())
    blocks = draw_blocks(seed, _PURPOSE, new.size, mean_block=mean_block, draws=max(count, 100))
    lengths = blocks.lengths.copy()
    lengths[:, -1] = n
    begin = seeds.stream(seed, f"{_PURPOSE}/begin").standard_normal(count) * residual.sd
    always: Bool1D = np.ones(n, np.bool_)
    off, out = np.empty(n), np.empty((count, n))
    members = single.kinds.size
    single = single._replace(x=np.array([_from_the_start(each) for each in single.x]))
    state, column, small = np.empty(members), np.empty(members), np.empty(members)
    for k in range(count):
        draw_path(new, blocks.starts[k], lengths[k], begin[k], 0.0, kept, always, off)
        plant(single, int(single.how[0]), weights, level, slope, off, state, column, small, out[k])
    return out


def _from_the_start(x: Float1D) -> Float1D:
    """Return a regressor whose first known value also holds before it."""
    known = np.flatnonzero(np.isfinite(x))
    return np.where(np.arange(x.size) < known[0], x[known[0]], x) if known.size else x


def power_of(compiled: Compiled, run: HistoryRun, model: int, rules: BoardRules, *, threads: int) -> Power:
    """Return the power of the board for one model, at its fitted residual and over half-lives."""
    residual = fit_residual(compiled.y - run.fitted[model])
    used = np.flatnonzero(np.isfinite(compiled.setting.weights[model]))
    single = only(compiled.setting, model)
    structure = (run.weights[model][used], run.level[used], run.slope[used])

    def power(half_life: float) -> tuple[float, ...]:
        paths = planted_paths(
            single, *structure, residual, half_life,
            count=rules.planted, seed=rules.seed, mean_block=rules.mean_block_days,
        )  # fmt: skip
        return power_on(single, paths, compiled.y[0], rules, threads=threads)

    comes_back = 0.0 < residual.half_life < math.inf
    nothing = (None,) * single.horizons.size
    curve = {half_life: power(half_life) for half_life in rules.half_lives}
    return Power(
        power(residual.half_life) if comes_back else nothing,
        residual.half_life if comes_back else None,
        residual.sd,
        curve,
        tuple(
            longest({days: found[j] for days, found in curve.items()}) for j in range(single.horizons.size)
        ),
    )


def power_on(
    single: Setting, paths: Float2D, begin: float, rules: BoardRules, *, threads: int
) -> tuple[float, ...]:
    """Return the share of given paths on which p is small enough, by horizon; walks of all are pooled."""
    found = score_paths(single, paths, threads=threads).skill[:, 0, :, 0]
    null = score_walks(
        single, tuple(returns_of(path) for path in paths), begin, draws=rules.planted_walks,
        drifts=rules.drifts, seed=rules.seed, mean_block=rules.mean_block_days, threads=threads,
        purpose=f"{_PURPOSE}/walks",
    ).skill[:, :, 0, :, 0]  # fmt: skip
    shares = []
    for j in range(single.horizons.size):
        p = np.max([p_values(found[:, j], null[d, :, j]) for d in range(len(rules.drifts))], axis=0)
        shares.append(float(np.mean(p <= rules.level)))
    return tuple(shares)


def longest(curve: dict[float, float]) -> float | None:
    """Return the longest half-life with power of at least 0.8, linear in its logarithm between points.

    Examples
    --------
    >>> longest({45.0: 1.0, 90.0: 0.6})
    63.63961030678928
    """
    points = sorted(curve.items())
    if not points or points[0][1] < POWER:
        return None
    for (near, high), (far, low) in pairwise(points):
        if low < POWER:
            share = (high - POWER) / (high - low)
            return float(math.exp(math.log(near) + share * (math.log(far) - math.log(near))))
    return float(points[-1][0])


def only(setting: Setting, model: int) -> Setting:
    """Return the setting of one model and its members alone."""
    used = np.flatnonzero(np.isfinite(setting.weights[model]))
    return setting._replace(
        kinds=setting.kinds[used],
        x=setting.x[used],
        ahead=setting.ahead[used],
        shares=setting.shares[used],
        weights=setting.weights[model : model + 1, used].copy(),
        how=setting.how[model : model + 1].copy(),
    )
