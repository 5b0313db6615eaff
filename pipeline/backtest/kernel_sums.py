"""The sums that metrics are made of, each in one compiled pass over the series of a run.

A long sum runs in four interleaved parts, in one fixed order on every machine.  Nothing here annualises or
knows what a ratio is (`metrics.py`).
"""

import math

from pipeline.arrays import Float1D, Float2D
from pipeline.jit import kernel
from pipeline.portfolio.account import Records

_STRETCH = 32
_MARGIN = 1e-12
"""Of a fall, far more than rounding."""


@kernel
def count_unfit(weights: Float2D) -> int:
    """Return how many weights are below zero, infinite or NaN."""
    unfit = 0
    flat = weights.reshape(-1)
    for i in range(flat.size):
        unfit += 0 if (flat[i] >= 0.0) & (flat[i] < math.inf) else 1
    return unfit


@kernel
def equal(left: Float2D, right: Float2D) -> bool:
    """Return whether two arrays of one shape hold the same numbers."""
    bars, assets = left.shape
    for i in range(bars):
        for a in range(assets):
            if left[i, a] != right[i, a]:
                return False
    return True


@kernel
def returns_into(nav: Float1D, initial: float, out: Float1D) -> None:
    """Write ``nav_t / nav_(t-1) - 1``, the first against ``initial``."""
    if nav.size > 0:
        out[0] = nav[0] / initial - 1.0
    before, after, rest = nav[:-1], nav[1:], out[1:]
    for t in range(after.size):
        rest[t] = after[t] / before[t] - 1.0


@kernel
def mean(values: Float1D) -> float:
    """Return the mean of at least one value."""
    whole = values.size - values.size % 4
    a = b = c = d = 0.0
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(whole, values.size):
        a += values[i]
    return ((a + b) + (c + d)) / values.size


@kernel
def moments(values: Float1D) -> tuple[float, float, float, float]:
    """Return the mean and the second, third and fourth central moments (divided by n), n > 0."""
    middle = mean(values)
    whole = values.size - values.size % 4
    a2 = b2 = c2 = d2 = a3 = b3 = c3 = d3 = a4 = b4 = c4 = d4 = 0.0
    for i in range(0, whole, 4):
        a, b, c, d = (
            values[i] - middle,
            values[i + 1] - middle,
            values[i + 2] - middle,
            values[i + 3] - middle,
        )
        aa, bb, cc, dd = a * a, b * b, c * c, d * d
        a2, b2, c2, d2 = a2 + aa, b2 + bb, c2 + cc, d2 + dd
        a3, b3, c3, d3 = a3 + aa * a, b3 + bb * b, c3 + cc * c, d3 + dd * d
        a4, b4, c4, d4 = a4 + aa * aa, b4 + bb * bb, c4 + cc * cc, d4 + dd * dd
    for i in range(whole, values.size):
        a = values[i] - middle
        a2, a3, a4 = a2 + a * a, a3 + a * a * a, a4 + a * a * (a * a)
    n = values.size
    return middle, (a2 + b2 + (c2 + d2)) / n, (a3 + b3 + (c3 + d3)) / n, (a4 + b4 + (c4 + d4)) / n


@kernel
def downside(values: Float1D, least: float) -> float:
    """Return the mean square of what values, at least one, lack to ``least``."""
    squares = 0.0
    for t in range(values.size):
        below = min(values[t] - least, 0.0)
        squares += below * below
    return squares / values.size


@kernel
def long_run_variance(centred: Float1D) -> float:
    """Return the Bartlett-weighted sum of autocovariances (divided by n) of values with mean 0.

    With L lags it is the sum of squares of all sums of L + 1 neighbours, those that reach over an end
    included, divided by L + 1: multiplied out, a product at distance k stands there L + 1 - k times.  One
    running sum does what L + 1 inner products would.
    """
    n = centred.size
    lags = min(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), n - 1)
    together = squares = 0.0
    for t in range(lags + 1):
        together += centred[t]
        squares += together * together
    for t in range(lags + 1, n):
        together += centred[t] - centred[t - lags - 1]
        squares += together * together
    for t in range(n - lags - 1, n - 1):
        together -= centred[t]
        squares += together * together
    return squares / (lags + 1.0) / n


@kernel
def influence_into(returns: Float1D, middle: float, sd: float, ratio: float, out: Float1D) -> None:
    """Write a Sharpe ratio's influence function ``(r - m) / sd - s / 2 ((r - m)^2 / sd^2 - 1)``, centred."""
    for t in range(returns.size):
        scaled = (returns[t] - middle) / sd
        out[t] = scaled - ratio / 2.0 * (scaled * scaled - 1.0)
    shift = mean(out)
    for t in range(out.size):
        out[t] -= shift


@kernel
def long_run(
    returns: Float1D, middle: float, second: float, cash: float, work: Float1D
) -> tuple[float, float]:
    """Return the long-run variances (divided by n) of returns and of their Sharpe ratio's influence function.

    Parameters
    ----------
    returns
        Shape ``(n,)``, n > 1.
    middle, second
        Their mean and second central moment, which is above zero.
    cash
        What the ratio is in excess of, per period.
    work
        Working memory, shape ``(n,)``.
    """
    n = returns.size
    for t in range(n):
        work[t] = returns[t] - middle
    variance = long_run_variance(work)
    sd = math.sqrt(second * n / (n - 1))
    influence_into(returns, middle, sd, (middle - cash) / sd, work)
    return variance, long_run_variance(work)


@kernel
def highest_of(values: Float1D) -> float:
    """Return the largest of at least one value, none of them NaN."""
    whole = values.size - values.size % 4
    a = b = c = d = values[0]
    for i in range(0, whole, 4):
        a = max(a, values[i])
        b = max(b, values[i + 1])
        c = max(c, values[i + 2])
        d = max(d, values[i + 3])
    for i in range(whole, values.size):
        a = max(a, values[i])
    return max(a, b, c, d)


@kernel
def count_within(values: Float1D, least: float, most: float) -> int:
    """Return how many values lie between two bounds or on one."""
    within = 0
    for t in range(values.size):
        within += 1 if (values[t] >= least) & (values[t] <= most) else 0
    return within


@kernel
def deepest_fall(nav: Float1D, initial: float) -> float:
    """Return the largest ``(peak - nav) / peak``, the peak so far or ``initial``.

    Stretches that neither reach a new peak nor come near the deepest fall so far are only looked through:
    the bound lies above that fall by more than rounding can move it.
    """
    peak, deepest, shallow = initial, 0.0, initial
    for start in range(0, nav.size, _STRETCH):
        stop = min(start + _STRETCH, nav.size)
        if count_within(nav[start:stop], shallow, peak) == stop - start:
            continue
        for t in range(start, stop):
            if nav[t] > peak:
                peak = nav[t]
                shallow = peak * (1.0 - deepest + _MARGIN)
            elif nav[t] < shallow:
                deepest = max(deepest, (peak - nav[t]) / peak)
                shallow = peak * (1.0 - deepest + _MARGIN)
    return deepest


@kernel
def tally(fills: Records, trips: Records) -> tuple[float, float, int, int, float, float]:
    """Return notional traded and costs of fills; closed trips, those won, gross profit and gross loss."""
    notional, costs = 0.0, 0.0
    for k in range(fills.size):
        notional += abs(fills[k].quantity * fills[k].price)
        costs += fills[k].fee + fills[k].slippage
    closed, won, gained, lost = 0, 0, 0.0, 0.0
    for k in range(trips.size):
        if trips[k].exit_row >= 0:
            closed += 1
            if trips[k].pnl > 0.0:
                won += 1
            gained += max(trips[k].pnl, 0.0)
            lost -= min(trips[k].pnl, 0.0)
    return notional, costs, closed, won, gained, lost
