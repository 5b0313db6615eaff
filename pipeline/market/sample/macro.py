"""Simulated macro series around the macro regime: monthly activity, daily slope of the yield curve.

Values only; when they are released is a rule of the calendar.
"""

from itertools import accumulate

import numpy as np

from pipeline.arrays import Float1D, Int1D, Time1D
from pipeline.market.sample.parameters import STATES, Series
from pipeline.seeds import stream

_ACTIVITY_DECIMALS = 1
_SLOPE_DECIMALS = 4


def activity(rule: Series, macro: Int1D, start: np.datetime64, months: Time1D, seed: int) -> Float1D:
    """Return the activity index (points, one decimal) of each month, shape ``(months,)``.

    A month belongs to the regime of its last day; every month lies inside the days of ``macro``.
    """
    last_day = (months.astype("datetime64[M]") + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    return np.round(_values(rule, macro, start, last_day, seed), _ACTIVITY_DECIMALS)


def slope(rule: Series, macro: Int1D, start: np.datetime64, days: Time1D, seed: int) -> Float1D:
    """Return the slope of the yield curve (a fraction: 0.01 is one point) of each day, shape ``(days,)``."""
    return np.round(_values(rule, macro, start, days.astype("datetime64[D]"), seed), _SLOPE_DECIMALS)


def _values(rule: Series, macro: Int1D, start: np.datetime64, days: Time1D, seed: int) -> Float1D:
    table = np.array([rule.level[state] for state in STATES["macro"]])
    level = table[macro[(days - start.astype("datetime64[D]")).astype(np.int64)]]
    noise = rule.noise * stream(seed, f"sample/macro/{rule.series}").standard_normal(days.size)
    keep = rule.persistence
    shocks = ((1.0 - keep) * level + noise).tolist()
    if shocks:
        shocks[0] = float(level[0] + noise[0])
    return np.fromiter(accumulate(shocks, lambda x, shock: keep * x + shock), np.float64, days.size)
