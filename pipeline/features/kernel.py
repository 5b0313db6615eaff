"""Recurrences and returns over dense ``(bars, lanes)`` arrays, and the check of what goes in.

Assets lie side by side in the inner loop, so that a recurrence fills SIMD lanes instead of waiting for
itself.  Every lane sees the same IEEE operations in the same order whatever its neighbours are, and no row
depends on a later one.  Plain Python functions and their compiled twins (``.py_func`` is the source); moving
windows are in ``kernel_windows.py``, what to compute and what to do about missing bars in ``indicators.py``.
"""

import math

import numpy as np

from pipeline.arrays import Float2D
from pipeline.features.compiled import compiled

CHUNK = 2_560
"""Numbers, over all lanes, that one step handles before the next step takes them."""


@compiled
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


@compiled
def relative_strength(x: Float2D, n: int, out: Float2D) -> None:
    """Write Wilder's relative strength index: 100 x gain / (gain + loss) of their means, 50 without a move.

    The means start as plain means over the first ``n`` changes and are then smoothed with weight ``1 / n``
    (J. W. Wilder, New Concepts in Technical Trading Systems, 1978).

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
            for a in range(lanes):  # beside the other recurrence, so that neither waits for itself
                change = before[t, a] - now[t, a]
                drop = max(0.0, change)
                value = loss[a] + (drop - loss[a]) * weight
                loss[a] = value
                fall[t, a] = value
        index, losses = mean_gain.reshape(-1), fall.reshape(-1)
        for i in range(index.size):
            moved = index[i] + losses[i]
            index[i] = 100.0 * (index[i] / moved) if moved > 0.0 else 50.0


@compiled
def average_range(high: Float2D, low: Float2D, close: Float2D, n: int, out: Float2D) -> None:
    """Write Wilder's average true range: the mean of the first ``n``, then smoothed with weight ``1 / n``.

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


@compiled
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


@compiled
def log_returns(x: Float2D, out: Float2D) -> None:
    """Write ``log(x_t / x_(t-1))``; NaN in the first row."""
    bars, lanes = x.shape
    shift = min(1, bars) * lanes
    before, answer = x.reshape(-1), out.reshape(-1)
    answer[:shift] = np.nan
    now, later = before[shift:], answer[shift:]
    for i in range(later.size):
        later[i] = math.log(now[i] / before[i])


@compiled
def survey(high: Float2D, low: Float2D, close: Float2D) -> int:
    """Count the cells without a bar, or return -1 when some bar has a price that is no price.

    A cell without a bar has NaN in all three; a bar has a finite range and a finite close above 0.
    """
    tops, bottoms, closes = high.reshape(-1), low.reshape(-1), close.reshape(-1)
    unsound = 0
    for i in range(closes.size):
        top, bottom, last = tops[i], bottoms[i], closes[i]
        sound = (last > 0.0) & (last < np.inf) & (top < np.inf) & (bottom > -np.inf)
        unsound += 0 if sound else 1
    if unsound == 0:
        return 0
    empty = 0
    for i in range(closes.size):
        empty += 1 if np.isnan(tops[i]) & np.isnan(bottoms[i]) & np.isnan(closes[i]) else 0
    return empty if empty == unsound else -1
