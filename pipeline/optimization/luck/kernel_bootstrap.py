"""Sums over stationary bootstrap samples, compiled; every sum runs in one order whatever the threads.

A block's sum is the difference of two cumulative sums, so a sample costs its blocks, not its days.
"""

import math

from pipeline.arrays import Float1D, Float2D, Int2D
from pipeline.jit import kernel

TILE = 32
"""Trials handled together: their cumulative sums stay in the second-level cache."""


@kernel
def bootstrap_variance(centred: Float1D, mean_block: float) -> float:
    """Return the variance of a root-n scaled bootstrap mean, exactly: Politis and Romano's lemma 1.

    ``c_0 + 2 sum_i (1 - i/n) q^i c_i`` over circular autocovariances with ``q = 1 - 1/mean_block``; the sums
    over i obey recursions in t, so the cost is that of one pass.
    """
    n = centred.size
    q = 1.0 - 1.0 / mean_block
    far = q**n
    # plain[t] = sum_i q^i x[t+i], sloped[t] = sum_i i q^i x[t+i], i = 1 .. n-1, indices modulo n
    plain, sloped, weight = 0.0, 0.0, 1.0
    for i in range(1, n):
        weight *= q
        plain += weight * centred[i]
        sloped += i * weight * centred[i]
    total = centred[0] * (0.5 * centred[0] + plain - sloped / n)
    for back in range(1, n):
        t = n - back
        after = centred[t + 1] if t + 1 < n else centred[0]
        plain = q * (after + plain) - far * centred[t]
        sloped = q * sloped + plain - (n - 1) * far * centred[t]
        total += centred[t] * (0.5 * centred[t] + plain - sloped / n)
    return 2.0 * total / n


@kernel
def largest_means(
    centred: Float2D,
    spread: Float1D,
    kept: Float1D,
    own_spread: bool,
    starts: Int2D,
    lengths: Int2D,
    sums: Float2D,
    room: Float2D,
    plain: Float1D,
    shifted: Float1D,
) -> None:
    """Write, for every draw, the largest studentised bootstrap mean over trials, with and without a shift.

    Parameters
    ----------
    centred
        Returns less their mean, shape ``(trials, days)``.
    spread
        Long-run standard deviation of each trial, shape ``(trials,)``.
    kept
        Mean that a trial keeps in ``shifted``, shape ``(trials,)``.
    own_spread
        Studentise a draw by the sums of its own blocks about its mean rather than by ``spread``.
    starts, lengths
        Blocks, shape ``(draws, blocks)``.
    sums, room
        Room for cumulative sums ``(days + 1, TILE)`` and for one draw ``(3, TILE)``.
    plain, shifted
        The largest so far of each draw, shape ``(draws,)``.
    """
    trials, days = centred.shape
    root = math.sqrt(days)
    drawn, squares, products = room[0], room[1], room[2]
    for first in range(0, trials, TILE):
        width = min(TILE, trials - first)
        for j in range(TILE):
            sums[0, j] = 0.0
        for t in range(days):
            for j in range(width):
                sums[t + 1, j] = sums[t, j] + centred[first + j, t]
            for j in range(width, TILE):
                sums[t + 1, j] = 0.0
        for draw in range(starts.shape[0]):
            for j in range(TILE):
                drawn[j] = 0.0
                squares[j] = 0.0
                products[j] = 0.0
            left, block, lengths_squared = days, 0, 0.0
            while left > 0:
                length = min(lengths[draw, block], left)
                begin = starts[draw, block]
                end = begin + length
                upper, lower = sums[min(end, days)], sums[begin]
                wrapped = sums[max(end - days, 0)]
                for j in range(TILE):
                    value = upper[j] - lower[j] + wrapped[j]
                    drawn[j] += value
                    squares[j] += value * value
                    products[j] += length * value
                lengths_squared += length * length
                left -= length
                block += 1
            for j in range(width):
                scale = spread[first + j]
                if own_spread:
                    mean = drawn[j] / days
                    scale = squares[j] - 2.0 * mean * products[j] + mean * mean * lengths_squared
                    scale = math.sqrt(max(scale, 0.0) / days)
                value = drawn[j] / (root * scale)
                plain[draw] = max(plain[draw], value)
                shifted[draw] = max(shifted[draw], value + root * kept[first + j] / scale)


@kernel
def path_figures(returns: Float1D, starts: Int2D, lengths: Int2D, out: Float2D) -> None:
    """Write mean, second central moment, log of growth and deepest fall of every bootstrap sample.

    Parameters
    ----------
    returns
        Daily simple returns, shape ``(days,)``.
    starts, lengths
        Blocks, shape ``(draws, blocks)``.
    out
        Shape ``(draws, 4)``; the log of growth is minus infinity after a loss of everything.
    """
    days = returns.size
    middle = 0.0
    for value in returns:
        middle += value
    middle /= days
    for draw in range(starts.shape[0]):
        first, second, worth, peak, deepest = 0.0, 0.0, 1.0, 1.0, 0.0
        left, block = days, 0
        while left > 0:
            length = min(lengths[draw, block], left)
            day = starts[draw, block]
            for _ in range(length):
                off = returns[day] - middle
                first += off
                second += off * off
                worth *= max(1.0 + returns[day], 0.0)
                peak = max(peak, worth)
                deepest = max(deepest, (peak - worth) / peak)
                day = day + 1 if day + 1 < days else 0
            left -= length
            block += 1
        out[draw, 0] = middle + first / days
        out[draw, 1] = max(0.0, second / days - (first / days) ** 2)
        out[draw, 2] = math.log(worth) if worth > 0.0 else -math.inf
        out[draw, 3] = deepest
