"""Stability map of a searched space: is the best point a plateau or a spike.

Axes of numbers are cut into steps in their order, other axes into their values; neighbours are at most one
step away on every axis of numbers and agree on the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Int1D, Int2D
from pipeline.errors import DataError
from pipeline.optimization.luck.kernel_neighbours import compare_neighbours, grow

STEPS = 12
"""Most steps of an axis: values drawn at random are gathered, a usual grid keeps its own."""


@dataclass(frozen=True, eq=False)
class StabilityMap:
    """Every point beside its neighbours; arrays have shape ``(points,)``.

    Attributes
    ----------
    axes
        Names of the parameters that vary.
    steps
        Step of each point on each axis, shape ``(points, axes)``.
    neighbours
        How many neighbours with a score, the point itself not among them.
    mean, least
        Mean and smallest score over the neighbours and the point; NaN where the point has no score.
    best
        The point with the highest score, None where none has one.
    robust
        The point with the highest neighbourhood mean among those with a neighbour.
    plateau
        Whether a point is reached from the best by steps between points within ``tolerance`` of it.
    plateau_share
        Their part of all points with a score.
    tolerance
        By how much a score may fall short of the best on the plateau.
    left_out
        Points without a score.
    """

    axes: tuple[str, ...]
    steps: Int2D
    neighbours: Int1D
    mean: Float1D
    least: Float1D
    best: int | None
    robust: int | None
    plateau: Bool1D
    plateau_share: float | None
    tolerance: float | None
    left_out: int


def stability_map(
    points: Sequence[Mapping[str, object]], scores: Float1D, *, tolerance: float | None = None
) -> StabilityMap:
    """Map scores over the points of a grid or a random search.

    Parameters
    ----------
    points
        Parameters of each trial, all with the same names.
    scores
        Shape ``(points,)``; NaN where undefined.
    tolerance
        What counts as as good as the best, such as its standard error; by default half of what the best is
        above the 5 % quantile.

    Raises
    ------
    DataError
        If points and scores differ in number or points in their names.

    Examples
    --------
    >>> grid = [{"window": w} for w in (10, 20, 30, 40, 50)]
    >>> found = stability_map(grid, np.array([0.0, 0.9, 1.0, 0.9, 0.0]))
    >>> found.best, found.plateau_share, round(float(found.mean[2]), 3)
    (2, 0.6, 0.933)
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(points) != values.size or values.ndim != 1:
        raise DataError(
            "points and scores differ in number",
            field="scores",
            value=values.shape,
            constraint=f"{len(points)}",
        )
    axes, steps, ordered = _steps(points)
    known = np.isfinite(values)
    values = np.where(known, values, np.nan)
    mean, least = np.full(values.size, np.nan), np.full(values.size, np.nan)
    neighbours, plateau = np.zeros(values.size, dtype=np.int64), np.zeros(values.size, dtype=np.bool_)
    if not known.any():
        return StabilityMap(
            axes, steps, neighbours, mean, least, None, None, plateau, None, None, values.size
        )
    compare_neighbours(steps, ordered, values, neighbours, mean, least)
    best = int(np.nanargmax(values))
    allowed = (
        (values[best] - float(np.quantile(values[known], 0.05))) / 2.0 if tolerance is None else tolerance
    )
    plateau[best] = True
    grow(steps, ordered, known & (values >= values[best] - allowed), plateau, np.empty(values.size, np.int64))
    surrounded = known & (neighbours > 0)
    robust = int(np.argmax(np.where(surrounded, mean, -np.inf))) if surrounded.any() else None
    return StabilityMap(
        axes=axes,
        steps=steps,
        neighbours=neighbours,
        mean=mean,
        least=least,
        best=best,
        robust=robust,
        plateau=plateau,
        plateau_share=float(plateau.sum() / known.sum()),
        tolerance=float(allowed),
        left_out=int(values.size - known.sum()),
    )


def _steps(points: Sequence[Mapping[str, object]]) -> tuple[tuple[str, ...], Int2D, Bool1D]:
    """Return the names of axes that vary, each point's step on them, and which have an order."""
    names = sorted(points[0]) if points else []
    if any(sorted(point) != names for point in points):
        raise DataError(
            "points have different parameters",
            field="points",
            constraint=f"{names}",
            fix="map one search at a time",
        )
    axes, columns, ordered = [], [], []
    for name in names:
        column = [point[name] for point in points]
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in column)
        if numbers:
            _, step = np.unique(np.array(column, dtype=np.float64), return_inverse=True)
        else:
            _, step = np.unique(np.array([repr(value) for value in column]), return_inverse=True)
        different = int(step.max()) + 1
        if different == 1:
            continue
        if numbers and different > STEPS:
            step = step * STEPS // different
        axes.append(name)
        columns.append(step)
        ordered.append(numbers)
    table = np.array(columns, dtype=np.int64).reshape(len(axes), len(points))
    return tuple(axes), np.ascontiguousarray(table.T), np.array(ordered, dtype=np.bool_)
