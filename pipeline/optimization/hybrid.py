"""Hybrid search: a grid first, then evolution from the best of it."""

from collections.abc import Sequence

import numpy as np

from pipeline.config.search import Evolutionary
from pipeline.optimization.evolutionary import evolutionary_search
from pipeline.optimization.grid import grid_search
from pipeline.optimization.search import Search
from pipeline.optimization.space import Point, Space


def hybrid_search(coarse: Space, fine: Space, settings: Evolutionary) -> Search:
    """Ask for the grid, then for the generations that its best ``seed_top_n`` begin.

    A parameter of only one of the two spaces keeps its configured value in the other stage, or the middle of
    its range where it begins the evolution.
    """
    seen: list[tuple[float, int, Point]] = []
    grid = grid_search(coarse)
    try:
        block = next(grid)
        while True:
            goals = yield block
            seen += [(_rank(goals[i, 0]), len(seen) + i, point) for i, point in enumerate(block)]
            block = grid.send(goals)
    except StopIteration:
        pass
    best = [point for _, _, point in sorted(seen, key=lambda item: item[:2])[: settings.seed_top_n]]
    yield from evolutionary_search(fine, settings, completed(best, fine))


def completed(points: Sequence[Point], space: Space) -> list[Point]:
    """Return points that name every axis of a space: the middle of a range where they say nothing."""
    return [{axis.name: point.get(axis.name, axis.at(0.5)) for axis in space.axes} for point in points]


def _rank(goal: float) -> float:
    return np.inf if np.isnan(goal) else -goal
