"""What the models forecast along one path of ln prices, compiled: lines, multiples and ensembles.

The same code runs on the path that happened and on simulated ones.  Fits grow row by row, so a walk-forward
of all origins costs one pass.
"""

import math

from pipeline.arrays import Bool1D, Float1D, Float2D, Float3D, Int1D
from pipeline.jit import kernel
from pipeline.valuation.falsification.arrays_of_world import FITTED, FIXED, HIGHEST, LOWEST

LEAST_POINTS = 365
"""Days that a fit needs, as `pipeline.valuation.line`."""
LEAST_FORECASTS = 250
"""Forecasts that fitted weights need, as `pipeline.valuation.ensemble_weights`."""
_FEWEST = 2


@kernel
def line_forecasts(
    y: Float1D, x: Float1D, ahead: Float2D, order: Int1D, ends: Int1D, out: Float2D, fitted: Float1D
) -> None:
    """Write ``a + b ahead`` with the least squares line of the rows before each refit.

    Parameters
    ----------
    y, x
        ln price and regressor, shape ``(n,)``; a row where either is unknown is left out.
    ahead
        Regressor at the targets, ``(horizons, origins)``.
    order, ends
        Rows in the order in which fits read them ``(n,)``, and how many the fit in force had read
        ``(origins,)``, never falling.
    out
        ln forecasts, ``(horizons, origins)``; NaN before a year of rows.
    fitted
        The line of all rows, ``(n,)``.
    """
    count, seen = 0, 0
    mean_x, mean_y, spread, product = 0.0, 0.0, 0.0, 0.0
    slope, level = math.nan, math.nan
    origins = ends.size
    for i in range(origins + 1):
        end = ends[i] if i < origins else y.size
        while seen < end:
            row = order[seen]
            if math.isfinite(y[row]) and math.isfinite(x[row]):
                count += 1
                dx = x[row] - mean_x
                mean_x += dx / count
                mean_y += (y[row] - mean_y) / count
                product += dx * (y[row] - mean_y)
                spread += dx * (x[row] - mean_x)
            seen += 1
        slope, level = math.nan, math.nan
        if count >= LEAST_POINTS:
            slope = product / spread
            level = mean_y - slope * mean_x
        if i < origins:
            for j in range(ahead.shape[0]):
                out[j, i] = level + slope * ahead[j, i]
    for t in range(y.size):
        fitted[t] = level + slope * x[t]


@kernel
def multiple_forecasts(
    y: Float1D,
    base: Float1D,
    order: Int1D,
    ends: Int1D,
    first: int,
    timely: Bool1D,
    share: float,
    values: Float1D,
    fresh: Float1D,
    out: Float2D,
    fitted: Float1D,
) -> None:
    """Write a quantile of past multiples of a base times the base of the row before each origin.

    Parameters
    ----------
    y, base
        ln price and ln base, shape ``(n,)``.
    order, ends, timely
        Rows in the order in which fits read them ``(n,)``; how many the fit in force had read, and whether
        the row before the origin came in time, ``(origins,)``.
    first
        Row of the first origin.
    share
        Which quantile of price over base, linear between neighbours.
    values, fresh
        Room, ``(n,)`` each.
    out
        ln forecasts, ``(horizons, origins)``, the same for all horizons.
    fitted
        By the quantile of all rows, ``(n,)``.
    """
    count, seen = 0, 0
    middle = math.nan
    origins = ends.size
    for i in range(origins + 1):
        end = ends[i] if i < origins else y.size
        if seen < end:
            new = 0
            while seen < end:
                value = y[order[seen]] - base[order[seen]]
                if math.isfinite(value):
                    at = new
                    while at > 0 and fresh[at - 1] > value:
                        fresh[at] = fresh[at - 1]
                        at -= 1
                    fresh[at] = value
                    new += 1
                seen += 1
            old, at = count - 1, count + new - 1
            count += new
            while new > 0:
                if old >= 0 and values[old] > fresh[new - 1]:
                    values[at] = values[old]
                    old -= 1
                else:
                    values[at] = fresh[new - 1]
                    new -= 1
                at -= 1
            middle = math.nan
            if count >= LEAST_POINTS:
                place = share * (count - 1)
                below = int(place)
                low = math.exp(values[below])
                high = math.exp(values[min(below + 1, count - 1)])
                middle = math.log(low + (high - low) * (place - below))
        if i < origins:
            for j in range(out.shape[0]):
                out[j, i] = middle + base[first + i - 1] if timely[i] else math.nan
    for t in range(y.size):
        fitted[t] = middle + base[t]


@kernel
def fitted_weights(
    y: Float1D,
    ahead: Float2D,
    horizon: int,
    first: int,
    ends: Int1D,
    given: Float1D,
    gram: Float2D,
    system: Float2D,
    small: Float1D,
    weights: Float2D,
) -> None:
    """Write the members' weights: non-negative least squares of forecast over price on one.

    Only members that have begun to forecast take part, on the days on which all of them did.

    Parameters
    ----------
    y
        ln price, shape ``(n,)``.
    ahead
        ln forecasts of the members at one horizon, ``(members, origins)``.
    horizon
        Days ahead of these.
    first, ends
        Row of the first origin; rows that the fit in force had read, ``(origins,)``.
    given
        ``(members,)``: NaN for one that does not belong to the ensemble.
    gram, system, small
        Room, at least ``(members + 1)`` a side.
    weights
        ``(origins + 1, members)``, each row summing to 1, NaN for strangers; the last row is of all
        forecasts.
    """
    members, origins = ahead.shape
    begun = gram[members]
    for a in range(members):
        begun[a] = 0.0
    count, row, other = 0, 0, True
    for i in range(origins + 1):
        for a in range(members):
            if i < origins and given[a] >= 0.0 and begun[a] == 0.0 and math.isfinite(ahead[a, i]):
                begun[a], other = 1.0, True
        end = ends[i] if i < origins else y.size
        if i > 0 and i < origins and end == ends[i - 1]:
            for a in range(members):
                weights[i, a] = weights[i - 1, a]
            continue
        if other:
            count, row, other = 0, 0, False
            for a in range(members):
                for b in range(members + 1):
                    gram[a, b] = 0.0
        while row < origins and first + row + horizon - 1 < end:
            price = y[first + row + horizon - 1]
            whole = math.isfinite(price)
            for a in range(members):
                small[a] = math.exp(ahead[a, row] - price) if begun[a] > 0.0 else 0.0
                whole = whole and math.isfinite(small[a])
            if whole:
                count += 1
                for a in range(members):
                    gram[a, members] += small[a]
                    for b in range(members):
                        gram[a, b] += small[a] * small[b]
            row += 1
        found = count >= LEAST_FORECASTS and _best_subset(gram, members, system, small, weights[i])
        total = 0.0
        for a in range(members):
            if not found:
                weights[i, a] = begun[a]
            if given[a] >= 0.0:
                total += weights[i, a]
        for a in range(members):
            weights[i, a] = weights[i, a] / total if given[a] >= 0.0 else math.nan


@kernel
def _best_subset(gram: Float2D, members: int, system: Float2D, small: Float1D, weights: Float1D) -> bool:
    """Solve non-negative least squares from its normal equations: the best feasible subset of members."""
    best = 0.0
    for subset in range(1, 1 << members):
        size = 0
        for a in range(members):
            if subset >> a & 1:
                at = 0
                for b in range(members):
                    if subset >> b & 1:
                        system[size, at] = gram[a, b]
                        at += 1
                system[size, at] = gram[a, members]
                size += 1
        if not solve(system, size, small):
            continue
        feasible, explained, at = True, 0.0, 0
        for a in range(members):
            if subset >> a & 1:
                feasible = feasible and small[at] >= 0.0
                explained += small[at] * gram[a, members]
                at += 1
        if feasible and explained > best:
            best, at = explained, 0
            for a in range(members):
                weights[a] = 0.0
                if subset >> a & 1:
                    weights[a] = small[at]
                    at += 1
    return best > 0.0


@kernel
def solve(system: Float2D, size: int, answer: Float1D) -> bool:
    """Solve a linear system by elimination with row pivots; the right side is column ``size``.

    False where it is singular.  ``system`` is used up.
    """
    for c in range(size):
        pivot = c
        for r in range(c + 1, size):
            if abs(system[r, c]) > abs(system[pivot, c]):
                pivot = r
        if not abs(system[pivot, c]) > 0.0:
            return False
        if pivot != c:
            for d in range(c, size + 1):
                system[c, d], system[pivot, d] = system[pivot, d], system[c, d]
        for r in range(c + 1, size):
            factor = system[r, c] / system[c, c]
            for d in range(c, size + 1):
                system[r, d] -= factor * system[c, d]
    for back in range(size):
        r = size - 1 - back
        value = system[r, size]
        for d in range(r + 1, size):
            value -= system[r, d] * answer[d]
        answer[r] = value / system[r, r]
    return True


@kernel
def combined(how: int, prices: Float1D, weights: Float1D, small: Float1D, members: int) -> float:
    """Return ln of the aggregate of the members' ln prices; NaN where fewer than two have one.

    Parameters
    ----------
    how
        A kind of ensemble, see `arrays_of_world`.
    prices
        ln prices, at least ``(members,)``; NaN where a member has none.
    weights
        Of members, scaled to those that have a price; NaN for one that does not belong to the ensemble.
    small
        Room, ``(members,)``.
    """
    here, total, mean = 0, 0.0, 0.0
    weighted = how in (FIXED, FITTED)
    for a in range(members):
        value = prices[a]
        if math.isfinite(value) and weights[a] >= 0.0:
            if weighted:
                total += weights[a]
                mean += weights[a] * math.exp(value)
            else:
                at = here
                while at > 0 and small[at - 1] > value:
                    small[at] = small[at - 1]
                    at -= 1
                small[at] = value
            here += 1
    if here < _FEWEST:
        return math.nan
    if weighted:
        return math.log(mean / total)
    if how == LOWEST:
        return small[0]
    if how == HIGHEST:
        return small[here - 1]
    if here % 2:
        return small[here // 2]
    return math.log(0.5 * (math.exp(small[here // 2 - 1]) + math.exp(small[here // 2])))


@kernel
def mix(
    how: int,
    members: Float3D,
    fitted: Float2D,
    weights: Float2D,
    column: Float1D,
    small: Float1D,
    out: Float2D,
    out_fitted: Float1D,
) -> None:
    """Write an ensemble's ln forecasts ``(horizons, origins)`` and its fitted path ``(n,)``.

    Parameters
    ----------
    how
        A kind of ensemble.
    members, fitted
        ln forecasts of the members ``(members, horizons, origins)`` and their fitted paths ``(members, n)``.
    weights
        ``(origins + 1, members)``; the last row is for the fitted path.
    column, small
        Room, ``(members,)`` each.
    """
    count = members.shape[0]
    for j in range(members.shape[1]):
        for i in range(members.shape[2]):
            for a in range(count):
                column[a] = members[a, j, i]
            out[j, i] = combined(how, column, weights[i], small, count)
    for t in range(fitted.shape[1]):
        for a in range(count):
            column[a] = fitted[a, t]
        out_fitted[t] = combined(how, column, weights[members.shape[2]], small, count)
