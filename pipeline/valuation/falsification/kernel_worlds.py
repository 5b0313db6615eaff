"""One world after another, compiled: draw or plant a path, rebuild what prices make, score all models.

A world depends on its own draws alone, so threads may share the worlds among them in any way.
"""

import math

from pipeline.arrays import Bool1D, Float1D, Float2D, Float3D, Int1D, Int2D
from pipeline.jit import kernel
from pipeline.valuation.falsification.arrays_of_world import (
    FITTED,
    LINE,
    SINGLE,
    THERMOCAP,
    Room,
    Setting,
)
from pipeline.valuation.falsification.kernel_forecasts import (
    combined,
    fitted_weights,
    line_forecasts,
    mix,
    multiple_forecasts,
)
from pipeline.valuation.falsification.kernel_scores import dickey_fuller, score


@kernel
def draw_path(
    steps: Float1D,
    starts: Int1D,
    lengths: Int1D,
    begin: float,
    drift: float,
    kept: float,
    known: Bool1D,
    y: Float1D,
) -> None:
    """Write a path ``y[t] = kept y[t-1] + drift + step``: a random walk, or a residual that comes back.

    Parameters
    ----------
    steps
        Centred steps to draw from; a block runs on from the last to the first.
    starts, lengths
        The blocks.
    begin, drift
        The first value, and what is added each day.
    kept
        1 for a random walk; below 1 for a first-order autoregression.
    known
        Whether a row has a value, shape ``(n,)``; elsewhere it is NaN.
    y
        The path, ``(n,)``.
    """
    level, row, block = begin, 1, 0
    y[0] = begin
    while row < y.size:
        at = starts[block]
        for _ in range(lengths[block]):
            if row == y.size:
                break
            level = kept * level + (steps[at] + drift)
            y[row] = level if known[row] else math.nan
            row += 1
            at = at + 1 if at + 1 < steps.size else 0
        block += 1


@kernel
def rebuild(setting: Setting, y: Float1D, base: Float2D) -> None:
    """Write ln base of every multiple, shape ``(m, n)``, as prices ``y`` would have made it."""
    for a in range(setting.kinds.size):
        if setting.kinds[a] == LINE:
            continue
        value = setting.before if setting.kinds[a] == THERMOCAP else setting.realised
        for t in range(y.size):
            value = _next(setting, setting.kinds[a], t, value, y[t])
            base[a, t] = _ln_base(setting, setting.kinds[a], t, value) if math.isfinite(y[t]) else math.nan


@kernel
def _next(setting: Setting, kind: int, t: int, value: float, y: float) -> float:
    """Return thermocap or realised price after row t."""
    if not math.isfinite(y):
        return value
    if kind == THERMOCAP:
        return value + setting.mined[t] * math.exp(y)
    return value if t == 0 else value + setting.revalued[t] * (math.exp(y) - value)


@kernel
def _ln_base(setting: Setting, kind: int, t: int, value: float) -> float:
    return math.log(value) - setting.ln_supply[t] if kind == THERMOCAP else math.log(value)


@kernel
def plant(
    setting: Setting,
    how: int,
    weights: Float1D,
    level: Float1D,
    slope: Float1D,
    residual: Float1D,
    state: Float1D,
    column: Float1D,
    small: Float1D,
    y: Float1D,
) -> None:
    """Write a path that keeps to one model: its fair value, from the state of the day before, and a residual.

    Parameters
    ----------
    setting
        What all worlds share.
    how, weights
        Kind of the model, and its weights ``(m,)``; NaN for a member that does not belong to it.
    level, slope
        Of each member's line; of a multiple, ln of the multiple, and nothing, ``(m,)``.
    residual
        ln price less ln fair value, ``(n,)``.
    state, column, small
        Room, ``(m,)`` each.
    y
        The path, ``(n,)``; a row without a price stays unknown.
    """
    members = setting.kinds.size
    last = math.nan
    for a in range(members):
        state[a] = setting.before if setting.kinds[a] == THERMOCAP else setting.realised
        if setting.kinds[a] == THERMOCAP and not state[a] > 0.0:
            state[a] = setting.mined[0] * math.exp(setting.ln_supply[0])
    for t in range(y.size):
        for a in range(members):
            kind = setting.kinds[a]
            if kind == LINE:
                column[a] = level[a] + slope[a] * setting.x[a, t]
            else:
                column[a] = level[a] + _ln_base(setting, kind, t, state[a])
        fair = math.nan
        if how == SINGLE:
            for a in range(members):
                if weights[a] > 0.0:
                    fair = column[a]
        else:
            fair = combined(how, column, weights, small, members)
        if math.isfinite(fair):
            last = fair + residual[t]
        y[t] = last if setting.known[t] else math.nan
        for a in range(members):
            if setting.kinds[a] != LINE:
                state[a] = _next(setting, setting.kinds[a], t, state[a], y[t])


@kernel
def evaluate(
    setting: Setting, room: Room, y: Float1D, base: Float2D, skill: Float3D, unit_root: Float1D
) -> None:
    """Run all models over one path and write what comes of it.

    Parameters
    ----------
    setting, room
        What all worlds share, and memory.
    y, base
        ln prices ``(n,)`` and ln bases of multiples ``(m, n)``.
    skill
        ``1 - MSE / MSE_base`` by model, horizon and base, ``(q, k, 2)``.
    unit_root
        Dickey-Fuller statistic of each model's residuals, ``(q,)``.
    """
    for a in range(setting.kinds.size):
        if setting.kinds[a] == LINE:
            line_forecasts(
                y, setting.x[a], setting.ahead[a], setting.order, setting.ends, room.members[a],
                room.fitted[a],
            )  # fmt: skip
        else:
            multiple_forecasts(
                y, base[a], setting.order, setting.ends, setting.first, setting.timely, setting.shares[a],
                room.values, room.fresh, room.members[a], room.fitted[a],
            )  # fmt: skip
    for q in range(setting.how.size):
        forecast_of(setting, room, q, y)
        score(y, room.mixed, setting.horizons, setting.first, setting.scored, room.sums)
        for j in range(setting.horizons.size):
            skill[q, j, 0] = 1.0 - room.sums[j, 0] / room.sums[j, 1]
            skill[q, j, 1] = 1.0 - room.sums[j, 0] / room.sums[j, 2]
        count = 0
        for t in range(y.size):
            off = y[t] - room.mixed_fitted[t]
            if math.isfinite(off):
                room.values[count] = off
                count += 1
        unit_root[q] = dickey_fuller(room.values, count, setting.lags, room.gram, room.system, room.small)


@kernel
def forecast_of(setting: Setting, room: Room, q: int, y: Float1D) -> None:
    """Write the ln forecasts of one model to ``room.mixed`` and its fitted path to ``room.mixed_fitted``."""
    members = setting.kinds.size
    if setting.how[q] == SINGLE:
        for a in range(members):
            if setting.weights[q, a] > 0.0:
                for j in range(room.mixed.shape[0]):
                    for i in range(room.mixed.shape[1]):
                        room.mixed[j, i] = room.members[a, j, i]
                for t in range(room.mixed_fitted.size):
                    room.mixed_fitted[t] = room.fitted[a, t]
        return
    if setting.how[q] == FITTED:
        fitted_weights(
            y, room.members[:, setting.weigh_at], setting.horizons[setting.weigh_at], setting.first,
            setting.ends, setting.weights[q], room.gram, room.system, room.small, room.own_weights,
        )  # fmt: skip
    else:
        for i in range(room.own_weights.shape[0]):
            for a in range(members):
                room.own_weights[i, a] = setting.weights[q, a]
    mix(
        setting.how[q], room.members, room.fitted, room.own_weights, room.values, room.small,
        room.mixed, room.mixed_fitted,
    )  # fmt: skip


@kernel
def run_walks(
    setting: Setting,
    room: Room,
    returns: Float2D,
    means: Float1D,
    pick: Int1D,
    begin: float,
    drifts: Float1D,
    starts: Int2D,
    lengths: Int2D,
    draws: tuple[int, int],
    skill: Float3D,
    unit_root: Float3D,
) -> None:
    """Score all models on random walks: every drift with the blocks of every draw.

    Parameters
    ----------
    setting, room
        What all worlds share, and memory.
    returns, means
        Samples of centred ln returns ``(samples, n - 1)`` and what was taken off.
    pick
        The sample of each draw.
    begin
        ln of the first price.
    drifts
        Multiples of the sample's mean that walks drift by, ``(d,)``.
    starts, lengths
        Blocks, ``(b, blocks)``.
    draws
        First draw to run, and the first one no more.
    skill, unit_root
        ``(d, b, q, k, 2)`` and ``(d, b, q)``.
    """
    for b in range(draws[0], draws[1]):
        mean = means[pick[b]]
        for d in range(drifts.size):
            draw_path(
                returns[pick[b]], starts[b], lengths[b], begin, drifts[d] * mean, 1.0, setting.known, room.y
            )
            rebuild(setting, room.y, room.base)
            evaluate(setting, room, room.y, room.base, skill[d, b], unit_root[d, b])


@kernel
def run_paths(
    setting: Setting,
    room: Room,
    paths: Float2D,
    rows: tuple[int, int],
    skill: Float3D,
    unit_root: Float2D,
) -> None:
    """Score all models on given paths of ln prices ``(w, n)``, whose bases are rebuilt.

    Parameters
    ----------
    setting, room
        What all worlds share, and memory.
    paths
        ``(w, n)``.
    rows
        First path to run, and the first one no more.
    skill, unit_root
        ``(w, q, k, 2)`` and ``(w, q)``.
    """
    for w in range(rows[0], rows[1]):
        rebuild(setting, paths[w], room.base)
        evaluate(setting, room, paths[w], room.base, skill[w], unit_root[w])
