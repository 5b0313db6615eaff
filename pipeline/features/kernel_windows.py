"""Moments of moving windows over dense ``(bars, lanes)`` arrays, merged from smaller windows.

A mean of ``n`` bars is merged from means of 1, 4, 16, ... bars, over all lanes and bars of a chunk at once.
Nothing is ever subtracted from a running sum: a value depends on the bars of its window and nothing else, to
the bit, wherever the history starts; rounding does not grow with the history; equal prices give exactly that
price and a deviation of exactly 0.  Recurrences are in ``kernel.py``.
"""

import math

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.features.compiled import compiled

CHUNK = 16_000
"""Numbers, over all lanes, that one step handles before the next step takes them: they stay in cache."""


@compiled
def levels_of(n: int) -> int:
    """Return the number of digits of ``n`` in base 4."""
    levels = 1
    while n >= 4**levels:
        levels += 1
    return levels


@compiled
def passes_of(n: int) -> int:
    """Return how many times windows have to be absorbed into the first one to make up ``n`` bars.

    Each digit of ``n`` in base 4 is one pass, but a leading 1 is none: that window is there.
    """
    passes = 0
    while n >= 4:
        passes += 1 if n % 4 > 0 else 0
        n //= 4
    return passes + (1 if n > 1 else 0)


@compiled
def merge_four(shorter: Float1D, step: int, begin: int, longer: Float1D) -> None:
    """Write means of windows from means of the four windows, ``step`` numbers apart, that make them up."""
    into, a, b = longer[begin:], shorter[begin:], shorter[begin - step :]
    c, d = shorter[begin - 2 * step :], shorter[begin - 3 * step :]
    for i in range(into.size):
        into[i] = ((a[i] + b[i]) + (c[i] + d[i])) * 0.25


@compiled
def absorb(
    mean: Float1D, part: Float1D, start: int, step: int, count: int, done: int, bars: int, into: Float1D
) -> None:
    """Merge one to three neighbouring windows into means of ``done`` bars.

    ``into = mean + (part - mean) * share`` for one window after the other, in one pass over memory: equal
    means stay exactly what they are.

    Parameters
    ----------
    mean, into
        Shape ``(k,)``, not the same memory: a loop that may overwrite what it reads fills no lanes.
    part
        Means of windows of ``bars`` bars: the first one starts at ``start``, each next one ``step`` earlier.
    count, done, bars
        How many windows to merge; bars in ``mean``; bars in a window.
    """
    first, second, third = bars / (done + bars), bars / (done + 2 * bars), bars / (done + 3 * bars)
    a = part[start:]
    b = part[start - step :] if count > 1 else a
    c = part[start - 2 * step :] if count > 2 else a
    if count == 1:
        for i in range(into.size):
            m = mean[i]
            into[i] = m + (a[i] - m) * first
    elif count == 2:
        for i in range(into.size):
            m = mean[i]
            m += (a[i] - m) * first
            into[i] = m + (b[i] - m) * second
    else:
        for i in range(into.size):
            m = mean[i]
            m += (a[i] - m) * first
            m += (b[i] - m) * second
            into[i] = m + (c[i] - m) * third


@compiled
def merge_means(x: Float1D, levels: Float2D, n: int, lanes: int, mean: Float1D) -> None:
    """Write the means of all windows of ``n`` bars, merged from windows of 1, 4, 16, ... bars.

    A window four times as long is merged from four that are there already; ``n`` in base 4 says which of
    them, one after the other into the past, make up a window of ``n``.

    Parameters
    ----------
    x
        Values, shape ``(rows x lanes,)``, at least ``n`` rows.
    levels
        Scratch, shape ``(levels_of(n) + 1, at least rows x lanes)``.
    n, lanes
        Window in bars; values in a bar.
    mean
        Shape ``((rows - n + 1) x lanes,)``, overwritten.
    """
    bars, shorter = 1, x
    top = levels.shape[0] - 1
    for level in range(1, top):
        longer = levels[level, : x.size]
        step = bars * lanes
        bars *= 4
        merge_four(shorter, step, (bars - 1) * lanes, longer)
        shorter = longer
    digits, done, passes, merged = n, 0, passes_of(n), x
    single = passes == 0
    for level in range(top - 1, -1, -1):
        count = digits // bars
        part = levels[level, : x.size] if level > 0 else x
        step = bars * lanes
        if count > 0 and done == 0:
            start = (n - 1) * lanes
            merged = part[start : start + mean.size]
            count, done = count - 1, bars
        if count > 0:
            into = mean if passes % 2 == 1 else levels[top, : mean.size]
            absorb(merged, part, (n - 1 - done) * lanes, step, count, done, bars, into)
            merged = into
            done += count * bars
            passes -= 1
        digits %= bars
        bars //= 4
    if single:
        mean[:] = merged


@compiled
def merge_four_moments(
    shorter: Float1D,
    shorter2: Float1D,
    bars: int,
    step: int,
    begin: int,
    longer: Float1D,
    longer2: Float1D,
) -> None:
    """Write means and sums of squared deviations of windows from those of the four that make them up."""
    count = float(bars)
    b, c, d = begin - step, begin - 2 * step, begin - 3 * step
    into, into2 = longer[begin:], longer2[begin:]
    p, q, r, s = shorter[begin:], shorter[b:], shorter[c:], shorter[d:]
    if bars == 1:
        for i in range(into.size):
            middle = ((p[i] + q[i]) + (r[i] + s[i])) * 0.25
            e, f, g, h = p[i] - middle, q[i] - middle, r[i] - middle, s[i] - middle
            into[i] = middle
            into2[i] = (e * e + f * f) + (g * g + h * h)
        return
    p2, q2, r2, s2 = shorter2[begin:], shorter2[b:], shorter2[c:], shorter2[d:]
    for i in range(into.size):
        middle = ((p[i] + q[i]) + (r[i] + s[i])) * 0.25
        e, f, g, h = p[i] - middle, q[i] - middle, r[i] - middle, s[i] - middle
        into[i] = middle
        into2[i] = ((p2[i] + q2[i]) + (r2[i] + s2[i])) + count * ((e * e + f * f) + (g * g + h * h))


@compiled
def absorb_moments(
    mean: Float1D,
    square: Float1D,
    part: Float1D,
    part2: Float1D,
    start: int,
    step: int,
    count: int,
    done: int,
    bars: int,
    into: Float1D,
    into2: Float1D,
) -> None:
    """Merge one to three neighbouring windows into means and sums of squared deviations of ``done`` bars.

    As `absorb`; means come out to the same bits.
    """
    first, second, third = bars / (done + bars), bars / (done + 2 * bars), bars / (done + 3 * bars)
    first2, second2, third2 = done * first, (done + bars) * second, (done + 2 * bars) * third
    a, a2 = part[start:], part2[start:]
    b, b2 = (part[start - step :], part2[start - step :]) if count > 1 else (a, a2)
    c, c2 = (part[start - 2 * step :], part2[start - 2 * step :]) if count > 2 else (a, a2)
    if count == 1:
        for i in range(into.size):
            m = mean[i]
            gap = a[i] - m
            into[i] = m + gap * first
            into2[i] = square[i] + (a2[i] + gap * gap * first2)
    elif count == 2:
        for i in range(into.size):
            m = mean[i]
            gap = a[i] - m
            m += gap * first
            gap2 = b[i] - m
            into[i] = m + gap2 * second
            into2[i] = square[i] + (a2[i] + gap * gap * first2) + (b2[i] + gap2 * gap2 * second2)
    else:
        for i in range(into.size):
            m = mean[i]
            gap = a[i] - m
            m += gap * first
            gap2 = b[i] - m
            m += gap2 * second
            gap3 = c[i] - m
            into[i] = m + gap3 * third
            squares = square[i] + (a2[i] + gap * gap * first2) + (b2[i] + gap2 * gap2 * second2)
            into2[i] = squares + (c2[i] + gap3 * gap3 * third2)


@compiled
def merge_moments(
    x: Float1D,
    zeros: Float1D,
    levels: Float2D,
    levels2: Float2D,
    n: int,
    lanes: int,
    mean: Float1D,
    square: Float1D,
) -> None:
    """Write means and sums of squared deviations of all windows of ``n`` bars.

    As `merge_means`, and to the same bits for the means.  Sums of squares are merged after Chan, Golub and
    LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979): only
    non-negative terms are added, so that nothing cancels, and equal values give exactly 0.

    Parameters
    ----------
    x, n, lanes, mean
        As in `merge_means`.
    zeros
        Zeros, as many as ``x`` has values.
    levels, levels2
        Scratch, shape ``(levels_of(n) + 1, at least rows x lanes)``.
    square
        Shape of ``mean``, overwritten.
    """
    bars, shorter, shorter2 = 1, x, zeros
    top = levels.shape[0] - 1
    for level in range(1, top):
        longer, longer2 = levels[level, : x.size], levels2[level, : x.size]
        begin = (4 * bars - 1) * lanes
        merge_four_moments(shorter, shorter2, bars, bars * lanes, begin, longer, longer2)
        bars *= 4
        shorter, shorter2 = longer, longer2
    digits, done, passes, merged, merged2 = n, 0, passes_of(n), x, zeros
    single = passes == 0
    for level in range(top - 1, -1, -1):
        count = digits // bars
        part = levels[level, : x.size] if level > 0 else x
        part2 = levels2[level, : x.size] if level > 0 else zeros
        step = bars * lanes
        if count > 0 and done == 0:
            start = (n - 1) * lanes
            merged, merged2 = part[start : start + mean.size], part2[start : start + mean.size]
            count, done = count - 1, bars
        if count > 0:
            start = (n - 1 - done) * lanes
            last = passes % 2 == 1
            into = mean if last else levels[top, : mean.size]
            into2 = square if last else levels2[top, : mean.size]
            absorb_moments(merged, merged2, part, part2, start, step, count, done, bars, into, into2)
            merged, merged2 = into, into2
            done += count * bars
            passes -= 1
        digits %= bars
        bars //= 4
    if single:
        mean[:] = merged
        square[:] = merged2


@compiled
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
    levels = np.empty((levels_of(n) + 1, (rows + n - 1) * lanes))
    for begin in range(0, bars - n + 1, rows):
        count = min(rows, bars - n + 1 - begin)
        last = (begin + n - 1) * lanes
        end = last + count * lanes
        merge_means(flat[begin * lanes : end], levels, n, lanes, answer[last:end])


@compiled
def moving_bands(x: Float2D, n: int, width: float, mid: Float2D, upper: Float2D, lower: Float2D) -> None:
    """Write the mean of the last ``n`` rows and the mean plus and minus ``width`` standard deviations.

    Standard deviations of the population (ddof 0), as in J. Bollinger, Bollinger on Bollinger Bands (2001).

    Parameters
    ----------
    x
        Values, shape ``(bars, lanes)``, C order, all finite.
    n, width
        Window in bars, at least 1; standard deviations from the mean to a band.
    mid, upper, lower
        Shape ``(bars, lanes)``, C order; NaN in the first ``n - 1`` rows.
    """
    bars, lanes = x.shape
    flat, middle, above, below = x.reshape(-1), mid.reshape(-1), upper.reshape(-1), lower.reshape(-1)
    rows = max(n, CHUNK // (4 * lanes))
    warm = min(n - 1, bars) * lanes
    middle[:warm] = np.nan
    above[:warm] = np.nan
    below[:warm] = np.nan
    shape = (levels_of(n) + 1, (rows + n - 1) * lanes)
    levels, levels2, zeros = np.empty(shape), np.empty(shape), np.zeros(shape[1])
    share = 1.0 / n
    for begin in range(0, bars - n + 1, rows):
        count = min(rows, bars - n + 1 - begin)
        last = (begin + n - 1) * lanes
        end = last + count * lanes
        mean, high, low = middle[last:end], above[last:end], below[last:end]
        merge_moments(flat[begin * lanes : end], zeros, levels, levels2, n, lanes, mean, high)
        for i in range(mean.size):
            reach = width * math.sqrt(high[i] * share)
            high[i] = mean[i] + reach
            low[i] = mean[i] - reach


@compiled
def moving_deviation(x: Float2D, n: int, first: int, ddof: int, out: Float2D) -> None:
    """Write the standard deviation of the last ``n`` rows, not annualised.

    Parameters
    ----------
    x
        Values, shape ``(bars, lanes)``, C order; rows before ``first`` are not read (a return has none at 0).
    n
        Window in rows, at least 2.
    first, ddof
        First row with values; what the count is lowered by in the variance.
    out
        Shape ``(bars, lanes)``, C order; NaN in the first ``n - 1 + first`` rows.
    """
    bars, lanes = x.shape
    flat, answer = x.reshape(-1), out.reshape(-1)
    rows = max(n, CHUNK // (4 * lanes))
    answer[: min(n - 1 + first, bars) * lanes] = np.nan
    shape = (levels_of(n) + 1, (rows + n - 1) * lanes)
    levels, levels2, zeros = np.empty(shape), np.empty(shape), np.zeros(shape[1])
    means = np.empty(rows * lanes)
    share = 1.0 / (n - ddof)
    for begin in range(first, bars - n + 1, rows):
        count = min(rows, bars - n + 1 - begin)
        last = (begin + n - 1) * lanes
        end = last + count * lanes
        square = answer[last:end]
        merge_moments(
            flat[begin * lanes : end], zeros, levels, levels2, n, lanes, means[: square.size], square
        )
        for i in range(square.size):
            square[i] = math.sqrt(square[i] * share)
