"""Neighbours among the points of a search, compiled: every pair is looked at, the order is fixed."""

import math

from pipeline.arrays import Bool1D, Float1D, Int1D, Int2D
from pipeline.jit import inlined, kernel


@inlined
def near(left: Int1D, right: Int1D, ordered: Bool1D) -> bool:
    """Return whether two points are at most one step apart on ordered axes and equal on the others."""
    for axis in range(left.size):
        apart = abs(left[axis] - right[axis])
        if apart > (1 if ordered[axis] else 0):
            return False
    return True


@kernel
def compare_neighbours(
    steps: Int2D, ordered: Bool1D, scores: Float1D, count: Int1D, mean: Float1D, least: Float1D
) -> None:
    """Write how many neighbours with a score each point has, and mean and least over them and itself."""
    for i in range(scores.size):
        if math.isnan(scores[i]):
            continue
        found, total, lowest = 0, 0.0, math.inf
        for j in range(scores.size):
            if not math.isnan(scores[j]) and near(steps[i], steps[j], ordered):
                found += 1
                total += scores[j]
                lowest = min(lowest, scores[j])
        count[i] = found - 1
        mean[i] = total / found
        least[i] = lowest


@kernel
def grow(steps: Int2D, ordered: Bool1D, allowed: Bool1D, reached: Bool1D, queue: Int1D) -> None:
    """Mark every allowed point that neighbours join to a reached one; ``queue`` is room for all points."""
    head, tail = 0, 0
    for i in range(reached.size):
        if reached[i]:
            queue[tail] = i
            tail += 1
    while head < tail:
        here = queue[head]
        head += 1
        for j in range(reached.size):
            if allowed[j] and not reached[j] and near(steps[here], steps[j], ordered):
                reached[j] = True
                queue[tail] = j
                tail += 1
