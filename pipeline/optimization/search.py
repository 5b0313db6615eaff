"""What every search is: a generator that asks for blocks of points and is told how they did.

``for``-less by design: the caller drives it (`drive` in tests, the door in `assets`), so the same generator
runs fresh, resumes from stored outcomes, and can be stopped between two blocks.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.arrays import Float2D
from pipeline.optimization.space import Point

Search: TypeAlias = Generator[Sequence[Point], Float2D, None]
"""Yields blocks of points; is sent their goals, shape ``(points, objectives)``, more is better, NaN last."""


@dataclass(frozen=True)
class Plan:
    """A search and what is known of it beforehand.

    Parameters
    ----------
    search
        The generator, not yet started.
    members
        How many points it will ask for at most.
    stages
        Label of each block by its place, such as ``grid`` or ``generation 3``; the last one repeats.
    """

    search: Search
    members: int
    stages: tuple[str, ...]

    def stage(self, block: int) -> str:
        """Return the label of a block."""
        return self.stages[min(block, len(self.stages) - 1)]


def drive(search: Search, goals: Callable[[Sequence[Point]], Float2D]) -> list[Point]:
    """Run a search to its end against a function and return every point asked for, in order."""
    asked: list[Point] = []
    try:
        block = next(search)
        while True:
            asked += block
            block = search.send(goals(block))
    except StopIteration:
        return asked
