"""Indicator recurrences over dense ``(bars, lanes)`` arrays, fused into one compiled call.

Windows are merged from smaller windows and recurrences run over all lanes of a bar, so that both fill SIMD
lanes instead of waiting for themselves, chunk by chunk in the first cache levels.  Here are plain Python
functions and their compiled twins (``.py_func`` is the source); what to compute and what to do about missing
bars is decided in ``indicators.py``.  Every lane sees the same IEEE operations in the same order whatever its
neighbours are, and no row depends on a later one.
"""

import math
from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np

from pipeline.arrays import Float1D, Float2D, Float3D, Int2D

MEAN, BANDS, DEVIATION, EMA, RSI, ATR, MOMENTUM, RETURN, CLOSE = range(9)
"""Operation codes, column 0 of a plan."""

CHUNK = 6_000
"""Numbers, over all lanes, that are handled before the next step of a computation takes the same numbers."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile for one thread, IEEE arithmetic, without the GIL."""
    return nb.njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def merge_means(means: Float2D, size: int, n: int, lanes: int, mean: Float1D) -> None:
    """Write the means of windows of ``n`` bars, merged from windows of 1, 4, 16, ... bars.

    A window four times as long is merged from four that are there already; ``n`` in base 4 says which of
    them, one after the other into the past, make up a window of ``n``.  Nothing is ever subtracted from a running
    sum: a value depends on the ``n`` bars of its window and nothing else, rounding does not grow with the
    history, and equal prices give exactly that price.

    Parameters
    ----------
    means
        Shape ``(levels, rows x lanes)`` with ``4 ** (levels - 1) <= n < 4 ** levels``; the first level holds
        the values, the others are overwritten.
    n, lanes
        Window in bars; values in a bar.
    mean
        Shape ``((rows - n + 1) x lanes,)``, overwritten: the means of all full windows.
    """
    bars = 1
    for level in range(1, means.shape[0]):
        step = bars * lanes
        bars *= 4
        begin = (bars - 1) * lanes
        into = means[level, begin:]
        a = means[level - 1, begin:]
        b = means[level - 1, begin - step :]
        c = means[level - 1, begin - 2 * step :]
        d = means[level - 1, begin - 3 * step :]
        for i in range(size - begin):
            into[i] = ((a[i] + b[i]) + (c[i] + d[i])) * 0.25
    digits, done = n, 0
    for level in range(means.shape[0] - 1, -1, -1):
        for _ in range(digits // bars):
            part = means[level, (n - 1 - done) * lanes :]
            done += bars
            if done == bars:
                for i in range(mean.size):
                    mean[i] = part[i]
            else:
                weight = bars / done
                for i in range(mean.size):
                    mean[i] += (part[i] - mean[i]) * weight
        digits %= bars
        bars //= 4


@_compiled
def merge_moments(
    means: Float2D, squares: Float2D, size: int, n: int, lanes: int, mean: Float1D, square: Float1D
) -> None:
    """Write means and sums of squared deviations of windows of ``n`` bars.

    As `merge_means`, with the sums of squares merged by Chan, Golub and LeVeque, Updating formulae and a
    pairwise algorithm for computing sample variances (1979): only non-negative terms are added, so
    there is no cancellation, and equal values give exactly 0.

    Parameters
    ----------
    means, mean
        As in `merge_means`, to the same bits.
    squares, square
        The same shapes; the first level of ``squares`` is overwritten too.
    """
    bars = 1
    squares[0] = 0.0
    for level in range(1, means.shape[0]):
        step = bars * lanes
        count = float(bars)
        bars *= 4
        begin = (bars - 1) * lanes
        first, second, third, fourth = begin, begin - step, begin - 2 * step, begin - 3 * step
        into, into2 = means[level, begin:], squares[level, begin:]
        a, a2 = means[level - 1, first:], squares[level - 1, first:]
        b, b2 = means[level - 1, second:], squares[level - 1, second:]
        c, c2 = means[level - 1, third:], squares[level - 1, third:]
        d, d2 = means[level - 1, fourth:], squares[level - 1, fourth:]
        for i in range(size - begin):
            middle = ((a[i] + b[i]) + (c[i] + d[i])) * 0.25
            e, f, g, h = a[i] - middle, b[i] - middle, c[i] - middle, d[i] - middle
            into[i] = middle
            into2[i] = ((a2[i] + b2[i]) + (c2[i] + d2[i])) + count * ((e * e + f * f) + (g * g + h * h))
    digits, done = n, 0
    for level in range(means.shape[0] - 1, -1, -1):
        for _ in range(digits // bars):
            start = (n - 1 - done) * lanes
            part, part2 = means[level, start:], squares[level, start:]
            weight = bars / (done + bars)
            share = done * weight
            done += bars
            if done == bars:
                for i in range(mean.size):
                    mean[i] = part[i]
                    square[i] = part2[i]
            else:
                for i in range(mean.size):
                    gap = part[i] - mean[i]
                    mean[i] += gap * weight
                    square[i] += part2[i] + gap * gap * share
        digits %= bars
        bars //= 4


@_compiled
def levels_of(n: int) -> int:
    """Return the number of digits of ``n`` in base 4."""
    levels = 1
    while n >= 4**levels:
        levels += 1
    return levels


@_compiled
def moving_mean(x: Float2D, n: int, out: Float2D) -> None:
    """Write the mean of the last ``n`` rows, NaN in the first ``n - 1``.

    Parameters
    ----------
    x
        Values, shape ``(bars, lanes)``, C order, all finite.
    n
        Window in bars, at least 1.
    out
        Shape ``(bars, lanes)``, C order.
    """
    bars, lanes = x.shape
    flat, answer = x.reshape(-1), out.reshape(-1)
    rows = max(n, CHUNK // lanes)
    answer[: min(n - 1, bars) * lanes] = np.nan
    means = np.empty((levels_of(n), (rows + n - 1) * lanes))
    for begin in range(0, bars - n + 1, rows):
        count = min(rows, bars - n + 1 - begin)
        size = (count + n - 1) * lanes
        means[0, :size] = flat[begin * lanes : begin * lanes + size]
        last = (begin + n - 1) * lanes
        merge_means(means, size, n, lanes, answer[last : last + count * lanes])


@_compiled
def moving_bands(x: Float2D, n: int, width: float, mid: Float2D, upper: Float2D, lower: Float2D) -> None:
    """Write the mean of the last ``n`` rows and the mean plus and minus ``width`` standard deviations.

    Standard deviations of the population (ddof 0), as J. Bollinger has them; NaN in the first ``n - 1`` rows.

    Parameters
    ----------
    x
        Values, shape ``(bars, lanes)``, C order, all finite.
    n, width
        Window in bars, at least 1; standard deviations from the mean to a band.
    mid, upper, lower
        Shape ``(bars, lanes)``, C order.
    """
    bars, lanes = x.shape
    flat, middle, above, below = x.reshape(-1), mid.reshape(-1), upper.reshape(-1), lower.reshape(-1)
    rows = max(n, CHUNK // lanes)
    warm = min(n - 1, bars) * lanes
    middle[:warm] = np.nan
    above[:warm] = np.nan
    below[:warm] = np.nan
    share = 1.0 / n
    shape = (levels_of(n), (rows + n - 1) * lanes)
    means, squares = np.empty(shape), np.empty(shape)
    for begin in range(0, bars - n + 1, rows):
        count = min(rows, bars - n + 1 - begin)
        size = (count + n - 1) * lanes
        means[0, :size] = flat[begin * lanes : begin * lanes + size]
        last = (begin + n - 1) * lanes
        mean, high, low = middle[last:], above[last:], below[last:]
        merge_moments(means, squares, size, n, lanes, mean[: count * lanes], high[: count * lanes])
        for i in range(count * lanes):
            reach = width * math.sqrt(high[i] * share)
            high[i] = mean[i] + reach
            low[i] = mean[i] - reach


@_compiled
def moving_deviation(returns: Float2D, n: int, out: Float2D) -> None:
    """Write the standard deviation (ddof 1) of the last ``n`` rows; row 0 of ``returns`` is not a return.

    Nothing is annualised.  NaN in the first ``n`` rows.

    Parameters
    ----------
    returns
        Log returns as `log_returns` writes them, shape ``(bars, lanes)``, C order.
    n
        Window in returns, at least 2.
    out
        Shape ``(bars, lanes)``, C order.
    """
    bars, lanes = returns.shape
    flat, answer = returns.reshape(-1), out.reshape(-1)
    rows = max(n, CHUNK // lanes)
    answer[: min(n, bars) * lanes] = np.nan
    share = 1.0 / (n - 1)
    shape = (levels_of(n), (rows + n - 1) * lanes)
    means, squares, mean = np.empty(shape), np.empty(shape), np.empty(rows * lanes)
    for begin in range(1, bars - n + 1, rows):
        count = min(rows, bars - n + 1 - begin)
        size = (count + n - 1) * lanes
        means[0, :size] = flat[begin * lanes : begin * lanes + size]
        last = (begin + n - 1) * lanes
        square = answer[last : last + count * lanes]
        merge_moments(means, squares, size, n, lanes, mean[: count * lanes], square)
        for i in range(square.size):
            square[i] = math.sqrt(square[i] * share)


@_compiled
def exponential_mean(x: Float2D, n: int, out: Float2D) -> None:
    """Write the exponential mean with weight ``2 / (n + 1)``, seeded by the mean of the first ``n`` rows.

    Parameters
    ----------
    x
        Values, shape ``(bars, lanes)``, C order, all finite.
    n
        Period in bars, at least 1.
    out
        Shape ``(bars, lanes)``, C order; NaN in the first ``n - 1`` rows.
    """
    bars, lanes = x.shape
    out[: min(n - 1, bars)] = np.nan
    if bars < n:
        return
    weight = 2.0 / (n + 1)
    state = np.zeros(lanes)
    for t in range(n):
        share = 1.0 / (t + 1)
        for a in range(lanes):
            state[a] += (x[t, a] - state[a]) * share
    out[n - 1] = state
    rest, answer = x[n:], out[n:]
    for t in range(rest.shape[0]):
        for a in range(lanes):
            value = state[a] + (rest[t, a] - state[a]) * weight
            state[a] = value
            answer[t, a] = value


@_compiled
def relative_strength(x: Float2D, n: int, out: Float2D) -> None:
    """Write Wilder's relative strength index, 100 x mean gain / (mean gain + mean loss), 50 when nothing moved.

    Means of gains and losses start as plain means of the first ``n`` changes and are then smoothed with weight
    ``1 / n`` (J. W. Wilder, New Concepts in Technical Trading Systems, 1978).

    Parameters
    ----------
    x
        Values, shape ``(bars, lanes)``, C order, all finite.
    n
        Period in bars, at least 2.
    out
        Shape ``(bars, lanes)``, C order; NaN in the first ``n`` rows.
    """
    bars, lanes = x.shape
    out[: min(n, bars)] = np.nan
    if bars <= n:
        return
    gain, loss = np.zeros(lanes), np.zeros(lanes)
    begins, ends = x, x[1:]
    for t in range(n - 1):
        share = 1.0 / (t + 1)
        for a in range(lanes):
            change = ends[t, a] - begins[t, a]
            rise = max(0.0, change)
            gain[a] += (rise - gain[a]) * share
            loss[a] += ((rise - change) - loss[a]) * share
    weight = 1.0 / n
    begins, ends, answer = x[n - 1 :], x[n:], out[n:]
    rows = max(1, CHUNK // lanes)
    fall = np.empty((rows, lanes))
    for first in range(0, ends.shape[0], rows):
        before, now, mean_gain = begins[first:], ends[first : first + rows], answer[first : first + rows]
        for t in range(now.shape[0]):
            for a in range(lanes):
                change = now[t, a] - before[t, a]
                rise = max(0.0, change)
                value = gain[a] + (rise - gain[a]) * weight
                gain[a] = value
                mean_gain[t, a] = value
        for t in range(now.shape[0]):
            for a in range(lanes):
                change = before[t, a] - now[t, a]
                drop = max(0.0, change)
                value = loss[a] + (drop - loss[a]) * weight
                loss[a] = value
                fall[t, a] = value
        index, losses = mean_gain.reshape(-1), fall.reshape(-1)
        for i in range(index.size):
            moved = index[i] + losses[i]
            index[i] = 100.0 * (index[i] / moved) if moved > 0.0 else 50.0


@_compiled
def average_range(high: Float2D, low: Float2D, close: Float2D, n: int, out: Float2D) -> None:
    """Write Wilder's average true range: the mean of the first ``n`` true ranges, then smoothed with ``1 / n``.

    The first bar has no previous close and therefore no true range.

    Parameters
    ----------
    high, low, close
        Shape ``(bars, lanes)``, C order, all finite.
    n
        Period in bars, at least 1.
    out
        Shape ``(bars, lanes)``, C order; NaN in the first ``n`` rows.
    """
    bars, lanes = close.shape
    out[: min(n, bars)] = np.nan
    if bars <= n:
        return
    state = np.zeros(lanes)
    tops, bottoms = high[1:], low[1:]
    for t in range(n):
        share = 1.0 / (t + 1)
        for a in range(lanes):
            before, top, bottom = close[t, a], tops[t, a], bottoms[t, a]
            top = max(before, top)
            bottom = min(before, bottom)
            state[a] += ((top - bottom) - state[a]) * share
    out[n] = state
    weight = 1.0 / n
    closes, tops, bottoms, answer = close[n:], high[n + 1 :], low[n + 1 :], out[n + 1 :]
    for t in range(answer.shape[0]):
        for a in range(lanes):
            before, top, bottom = closes[t, a], tops[t, a], bottoms[t, a]
            top = max(before, top)
            bottom = min(before, bottom)
            value = state[a] + ((top - bottom) - state[a]) * weight
            state[a] = value
            answer[t, a] = value


@_compiled
def momentum(x: Float2D, n: int, out: Float2D) -> None:
    """Write the simple return over ``n`` bars, ``x_t / x_(t-n) - 1``; NaN in the first ``n`` rows.

    Computed as ``(x_t - x_(t-n)) / x_(t-n)``, which keeps all digits of small returns.
    """
    bars, lanes = x.shape
    shift = min(n, bars) * lanes
    before, answer = x.reshape(-1), out.reshape(-1)
    answer[:shift] = np.nan
    now, later = before[shift:], answer[shift:]
    for i in range(later.size):
        later[i] = (now[i] - before[i]) / before[i]


@_compiled
def log_returns(x: Float2D, out: Float2D) -> None:
    """Write ``log(x_t / x_(t-1))``; NaN in the first row."""
    bars, lanes = x.shape
    shift = min(1, bars) * lanes
    before, answer = x.reshape(-1), out.reshape(-1)
    answer[:shift] = np.nan
    now, later = before[shift:], answer[shift:]
    for i in range(later.size):
        later[i] = math.log(now[i] / before[i])


@_compiled
def survey(high: Float2D, low: Float2D, close: Float2D) -> int:
    """Count the cells without a bar, or return -1 when some bar has a price that is no price.

    A cell without a bar has NaN in all three; a bar has a finite range and a finite close above 0.
    """
    empty, wrong = 0, 0
    tops, bottoms, closes = high.reshape(-1), low.reshape(-1), close.reshape(-1)
    for i in range(closes.size):
        top, bottom, last = tops[i], bottoms[i], closes[i]
        none = (top != top) & (bottom != bottom) & (last != last)
        sound = (last > 0.0) & (last < np.inf) & (top < np.inf) & (bottom > -np.inf)
        empty += 1 if none else 0
        wrong += 0 if none | sound else 1
    return -1 if wrong > 0 else empty


@_compiled
def sweep(
    high: Float2D, low: Float2D, close: Float2D, plan: Int2D, widths: Float1D, out: Float3D, spare: Float3D
) -> None:
    """Run every operation of ``plan`` over dense bars.

    Parameters
    ----------
    high, low, close
        Shape ``(bars, lanes)``, C order, finite, closes above 0.
    plan
        Shape ``(operations, 5)``: code, period and up to three planes: the answer's, or mid, upper and lower
        band; the second of DEVIATION receives log returns.
    widths
        Shape ``(operations,)``: standard deviations of BANDS.
    out, spare
        Shapes ``(features, bars, lanes)`` and ``(spare, bars, lanes)``, C order, overwritten.  Planes are
        numbered through both.
    """
    features = out.shape[0]
    for i in range(plan.shape[0]):
        code, n, p, q, r = plan[i, 0], plan[i, 1], plan[i, 2], plan[i, 3], plan[i, 4]
        first = out[p] if p < features else spare[p - features]
        if code == MEAN:
            moving_mean(close, n, first)
        elif code == BANDS:
            second = out[q] if q < features else spare[q - features]
            third = out[r] if r < features else spare[r - features]
            moving_bands(close, n, widths[i], first, second, third)
        elif code == DEVIATION:
            returns = out[q] if q < features else spare[q - features]
            log_returns(close, returns)
            moving_deviation(returns, n, first)
        elif code == EMA:
            exponential_mean(close, n, first)
        elif code == RSI:
            relative_strength(close, n, first)
        elif code == ATR:
            average_range(high, low, close, n, first)
        elif code == MOMENTUM:
            momentum(close, n, first)
        elif code == RETURN:
            log_returns(close, first)
        else:
            first[:] = close
