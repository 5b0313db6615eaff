"""Grid search: the Cartesian product of listed values, the last axis fastest."""

import itertools
import math

from pipeline.optimization.search import Search
from pipeline.optimization.space import Space

BLOCK = 64
"""Members of one kernel call: enough to keep all cores busy, few enough to stop soon."""


def grid_size(space: Space) -> int:
    """Return the number of combinations."""
    return math.prod(len(axis.values) for axis in space.axes)


def grid_search(space: Space, block: int = BLOCK) -> Search:
    """Ask for every combination once, ``block`` at a time."""
    points = (
        dict(zip(space.names, values, strict=True))
        for values in itertools.product(*(axis.values for axis in space.axes))
    )
    while batch := list(itertools.islice(points, block)):
        yield batch
