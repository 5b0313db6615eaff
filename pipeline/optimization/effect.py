"""Whether every parameter of a search does something: one that changes no weight is refused by name.

Compares the weights that decide, not results: a parameter that the strategy ignores would otherwise look
perfectly stable.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.arrays import Float2D
from pipeline.errors import ConfigError
from pipeline.optimization.space import Axis, Point, Space
from pipeline.seeds import stream

DRAWN = 16
"""Places of a continuous space at which a parameter is tried before it counts as idle."""


def require_effect(space: Space, block: str, weights: Callable[[Sequence[Point]], Iterable[Float2D]]) -> None:
    """Refuse a search with a parameter that nowhere changes a weight.

    Parameters
    ----------
    space, block
        The space and the block of the experiment file that describes it.
    weights
        From points to the weights of the window, shape ``(bars, assets)`` each.  It is first asked for all
        parameters at once, so that it may prepare what they share.

    Raises
    ------
    ConfigError
        Naming the first parameter that has one value only, or whose values all give the same weights
        whatever the others are.
    """
    for axis in space.axes:
        if len(axis.probes) < 2:  # noqa: PLR2004 - one value is no search
            raise _idle(axis, block, "has one value")
    places = {axis.name: _places(space, axis) for axis in space.axes}
    tried = {axis.name: _probed(axis, next(places[axis.name])) for axis in space.axes}
    answers = iter(weights([point for points in tried.values() for point in points]))
    for axis in space.axes:
        found = _differ([next(answers) for _ in tried[axis.name]])
        while not found:
            place = next(places[axis.name], None)
            if place is None:
                raise _idle(axis, block, "changes no weight")
            found = _differ(list(weights(_probed(axis, place))))


def _probed(axis: Axis, place: Point) -> list[Point]:
    return [{**place, axis.name: value} for value in axis.probes]


def _differ(answers: Sequence[Float2D]) -> bool:
    return any(not np.array_equal(answers[0], other) for other in answers[1:])


def _places(space: Space, axis: Axis) -> Iterator[dict[str, Any]]:
    """Yield values of the other axes: every combination of a grid, the middle and draws of ranges."""
    others = [other for other in space.axes if other is not axis]
    if all(other.kind == "values" for other in others):
        for values in itertools.product(*(other.values for other in others)):
            yield {other.name: value for other, value in zip(others, values, strict=True)}
        return
    yield {other.name: other.at(0.5) for other in others}
    draws = stream(0, f"optimization/effect/{axis.name}")
    for _ in range(DRAWN):
        yield {o.name: o.at(u) for o, u in zip(others, draws.random(len(others)), strict=True)}


def _idle(axis: Axis, block: str, why: str) -> ConfigError:
    return ConfigError(
        f"the parameter {axis.name} {why}: searching it would count noise as trials",
        field=f"experiment.{block}.{axis.name}",
        value=list(axis.probes),
        constraint="values of which some change a weight inside the window",
        fix="widen its values, lengthen the window, or take it out of the search",
    )
