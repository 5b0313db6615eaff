"""The arrays that the kernels of worlds share: what does not change between worlds, and one thread's room."""

from typing import NamedTuple

import numpy as np

from pipeline.arrays import AnyArray, Bool1D, Float1D, Float2D, Float3D, Int1D

LINE, THERMOCAP, REALISED = 0, 1, 2
"""Kinds of members: a line on a regressor without prices; a multiple of thermocap, of realised price."""
SINGLE, FIXED, FITTED, MEDIAN, LOWEST, HIGHEST = 0, 1, 2, 3, 4, 5
"""How a model comes from members: it is one of them, or an ensemble."""
BASES = ("last_price", "last_price_drift")
"""Forecasts that skill is measured against."""
_SIDE = 16


class Setting(NamedTuple):
    """What is the same in all worlds; n rows, m members, q models, o origins, k horizons.

    Origin i is row ``first + i``; its forecasts read rows before that one and aim at row
    ``first + i + horizon - 1``.

    Attributes
    ----------
    kinds
        ``(m,)``: `LINE`, `THERMOCAP` or `REALISED`.
    x
        Regressors of lines by row, ``(m, n)``.
    ahead
        Regressors of lines at the targets as foreseen at the origins, ``(m, k, o)``.
    shares
        The quantile of past multiples that gives the fair price, ``(m,)``.
    mined
        What is added to thermocap a day, in coins, ``(n,)``; ``before`` is the thermocap before row 0 in USD.
    ln_supply
        ln of coins, ``(n,)``.
    revalued
        Share of coins that came to a day's price, ``(n,)``.
    realised
        Realised price of row 0, USD.
    known
        Whether a row has a price, ``(n,)``.
    order
        Rows in the order in which fits came to know them, ``(n,)``: by day, but for those that came late.
    ends, timely
        How many of them the fit in force had read, and whether the row before came in time, ``(o,)``.
    horizons
        Days ahead, ``(k,)``.
    first, scored
        Row of the first origin, and of the first one that is scored.
    weights, how
        Of models: ``(q, m)``, and `SINGLE` to `HIGHEST` ``(q,)``.
    weigh_at
        Column of the horizon to whose forecasts weights are fitted.
    lags
        Of the Dickey-Fuller regression on residuals.
    """

    kinds: Int1D
    x: Float2D
    ahead: Float3D
    shares: Float1D
    mined: Float1D
    before: float
    ln_supply: Float1D
    revalued: Float1D
    realised: float
    known: Bool1D
    order: Int1D
    ends: Int1D
    timely: Bool1D
    horizons: Int1D
    first: int
    scored: int
    weights: Float2D
    how: Int1D
    weigh_at: int
    lags: int


class Room(NamedTuple):
    """Memory of one thread."""

    y: Float1D
    base: Float2D
    members: Float3D
    fitted: Float2D
    values: Float1D
    fresh: Float1D
    mixed: Float2D
    mixed_fitted: Float1D
    own_weights: Float2D
    gram: Float2D
    system: Float2D
    small: Float1D
    sums: Float2D


def room_for(setting: Setting) -> Room:
    """Return memory for one thread."""
    m, n = setting.x.shape
    k, o = setting.ahead.shape[1:]
    side = max(_SIDE, m + 2, setting.lags + 4)

    def new(*shape: int) -> AnyArray:
        return np.full(shape, np.nan)

    return Room(
        y=new(n),
        base=new(m, n),
        members=new(m, k, o),
        fitted=new(m, n),
        values=new(n),
        fresh=new(n),
        mixed=new(k, o),
        mixed_fitted=new(n),
        own_weights=new(o + 1, m),
        gram=new(side, side),
        system=new(side, side + 1),
        small=new(side),
        sums=new(k, 4),
    )
