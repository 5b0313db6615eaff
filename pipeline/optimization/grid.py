"""Grid search: the Cartesian product of listed values, the last axis fastest."""

import itertools
import math

from pipeline.errors import ConfigError
from pipeline.optimization.search import Search
from pipeline.optimization.space import Space

BLOCK = 64
"""Members of one kernel call: enough to keep all cores busy, few enough to stop soon."""


MOST = 100_000
"""Members of one grid; every one is a trial that counts for ever."""


def grid_size(space: Space) -> int:
    """Return the number of combinations.

    Raises
    ------
    ConfigError
        When they are more than `MOST`.
    """
    size = math.prod(len(axis.values) for axis in space.axes)
    if size > MOST:
        raise ConfigError(
            "the grid is too large to be a question",
            field="experiment.parameter_grid",
            value=f"{size:,} combinations",
            constraint=f"at most {MOST:,}",
            fix="list fewer values, or search with method: random or evolutionary",
        )
    return size


def grid_search(space: Space, block: int = BLOCK) -> Search:
    """Ask for every combination once, ``block`` at a time."""
    points = (
        dict(zip(space.names, values, strict=True))
        for values in itertools.product(*(axis.values for axis in space.axes))
    )
    while batch := list(itertools.islice(points, block)):
        yield batch
