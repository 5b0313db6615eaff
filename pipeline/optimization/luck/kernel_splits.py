"""Scores of every trial on both halves of every split, compiled: what PBO by CSCV is made of."""

import math

from pipeline.arrays import Bool2D, Float1D, Float2D, Int1D
from pipeline.jit import kernel

_CONSTANT = 1e-12
"""Part of its mean square about the sample's mean below which a half's variance is rounding."""


@kernel
def block_sums(returns: Float2D, edges: Int1D, middle: Float1D, first: Float2D, second: Float2D) -> None:
    """Write each trial's mean, and the sums of deviations from it and of their squares in each block.

    Parameters
    ----------
    returns
        Shape ``(trials, days)``.
    edges
        First day of each block and the end, shape ``(blocks + 1,)``.
    middle
        Shape ``(trials,)``.
    first, second
        Shape ``(blocks, trials)``.
    """
    for j in range(returns.shape[0]):
        total = 0.0
        for value in returns[j]:
            total += value
        middle[j] = total / returns.shape[1]
        for block in range(edges.size - 1):
            one, two = 0.0, 0.0
            for t in range(edges[block], edges[block + 1]):
                off = returns[j, t] - middle[j]
                one += off
                two += off * off
            first[block, j] = one
            second[block, j] = two


@kernel
def add_into(row: Float1D, total: Float1D) -> None:
    """Add one series to another."""
    for j in range(row.size):
        total[j] += row[j]


@kernel
def score_into(one: Float1D, two: Float1D, middle: Float1D, days: int, ratio: bool) -> None:
    """Turn sums over a half into scores, in place of ``one``: the mean, or the mean by its deviation.

    The ratio is NaN where a trial does not move in the half.
    """
    for j in range(one.size):
        off = one[j] / days
        mean = middle[j] + off
        if ratio:
            squares = two[j] - one[j] * off
            moved = squares > _CONSTANT * two[j]
            one[j] = mean / math.sqrt(squares / (days - 1)) if moved else math.nan
        else:
            one[j] = mean


@kernel
def judge(chosen_by: Float1D, judged_by: Float1D) -> tuple[float, float, float, int]:
    """Return the relative rank, both scores of the trial that is best by one half, and how many compared.

    The rank is from below in the other half, ties at their middle, by one more than the number compared.
    Trials whose score is NaN in a half are not compared.
    """
    best, top = -1, -math.inf
    for j in range(chosen_by.size):
        if chosen_by[j] > top and not math.isnan(judged_by[j]):
            best, top = j, chosen_by[j]
    if best < 0:
        return math.nan, math.nan, math.nan, 0
    met = judged_by[best]
    below, equal, compared = 0, 0, 0
    for j in range(judged_by.size):
        known = not (math.isnan(chosen_by[j]) or math.isnan(judged_by[j]))
        compared += 1 if known else 0
        below += 1 if known and judged_by[j] < met else 0
        equal += 1 if known and judged_by[j] == met else 0
    return (below + 0.5 * (equal + 1)) / (compared + 1), top, met, compared


@kernel
def judge_splits(
    halves: Bool2D,
    edges: Int1D,
    middle: Float1D,
    first: Float2D,
    second: Float2D,
    ratio: bool,
    room: Float2D,
    out: Float2D,
) -> None:
    """Judge every split both ways round.

    Parameters
    ----------
    halves
        Which blocks are in the one half, shape ``(pairs, blocks)``.
    edges, middle, first, second
        As `block_sums` leaves them.
    ratio
        Whether the score is the Sharpe ratio; else the mean.
    room
        Shape ``(4, trials)``.
    out
        Relative rank, score where chosen, score where judged and trials compared of each split, shape
        ``(2 * pairs, 4)``.
    """
    for pair in range(halves.shape[0]):
        for part in range(4):
            for j in range(middle.size):
                room[part, j] = 0.0
        here, there = 0, 0
        for block in range(halves.shape[1]):
            days = edges[block + 1] - edges[block]
            if halves[pair, block]:
                here += days
                add_into(first[block], room[0])
                add_into(second[block], room[1])
            else:
                there += days
                add_into(first[block], room[2])
                add_into(second[block], room[3])
        score_into(room[0], room[1], middle, here, ratio)
        score_into(room[2], room[3], middle, there, ratio)
        for way in range(2):
            rank, chosen, met, compared = judge(room[2 * way], room[2 - 2 * way])
            out[2 * pair + way, 0] = rank
            out[2 * pair + way, 1] = chosen
            out[2 * pair + way, 2] = met
            out[2 * pair + way, 3] = compared
