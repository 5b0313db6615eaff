"""Random search: independent draws from each parameter's distribution, and how much of the space they saw."""

from collections.abc import Sequence

from pipeline.optimization.grid import BLOCK
from pipeline.optimization.search import Search
from pipeline.optimization.space import Point, Space
from pipeline.seeds import stream

BINS = 10
"""Equal parts of a range; a part counts as seen when one draw fell into it."""


def random_search(space: Space, n: int, seed: int, block: int = BLOCK) -> Search:
    """Ask for ``n`` draws; draw ``i`` of a parameter does not depend on how many are asked for.

    Parameters
    ----------
    space
        Axes with their distributions.
    n
        Number of members.
    seed
        Names the draws: each axis has a stream of its own.
    block
        Members of one kernel call.
    """
    streams = [stream(seed, f"optimization/random/{axis.name}") for axis in space.axes]
    for first in range(0, n, block):
        count = min(block, n - first)
        drawn = [
            [axis.at(u) for u in own.random(count)] for axis, own in zip(space.axes, streams, strict=True)
        ]
        yield [dict(zip(space.names, values, strict=True)) for values in zip(*drawn, strict=True)]


def coverage(space: Space, points: Sequence[Point]) -> dict[str, float]:
    """Return by parameter the share of its values, or of ten equal parts of its range, that was visited."""
    seen = {}
    for axis in space.axes:
        parts = (
            axis.values if axis.kind == "values" else tuple(axis.at((i + 0.5) / BINS) for i in range(BINS))
        )
        if axis.kind == "values":
            visited = {repr(point[axis.name]) for point in points}
            parts = tuple(dict.fromkeys(repr(value) for value in parts))
        else:
            width = (axis.high - axis.low) / BINS
            visited = {min(int((point[axis.name] - axis.low) / width), BINS - 1) for point in points}
            parts = tuple(range(BINS))
        seen[axis.name] = len(visited) / len(parts)
    return seen
