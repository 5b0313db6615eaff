"""Thumbnails of a search for the Dagster UI and the report: stability map, generations, out-of-sample paths.

Plain values in, PNG bytes out, below 100 kB and the same for the same values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.pictures import BAD, FRAME, GOOD, INK, LINE, SOFT, WEAK, canvas, date_axis, plain_axis, png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.arrays import Float1D, Float2D, Time1D
    from pipeline.optimization.space import Point

_WIDTH = 7.2
_MOST_STEPS = 12
_TWO = 2


def stability_picture(
    points: Sequence[Point], scores: Float1D, metric: str, title: str, *, simulated: bool
) -> bytes:
    """Draw the mean score over the two parameters that matter most, the best member marked.

    Parameters
    ----------
    points, scores
        Parameters and score of each member, more is better, NaN where unknown.
    metric, title
        Words.
    simulated
        Whether the prices are made up.
    """
    figure = canvas(_WIDTH, 3.8)
    axis = figure.subplots()
    plain_axis(axis)
    names = leading_axes(points, scores)
    known = np.flatnonzero(np.isfinite(scores))
    if not names or not known.size:
        axis.text(0.5, 0.5, "nothing to map", ha="center", va="center", color=SOFT)
        return png(figure, title, simulated=simulated)
    best = int(known[np.argmax(scores[known])])
    if len(names) < _TWO:
        labels, step = _steps([point[names[0]] for point in points])
        axis.plot(step[known], scores[known], "o", color=LINE, markersize=3)
        axis.plot(step[best], scores[best], "o", color=BAD, markersize=5)
        axis.set_xticks(range(len(labels)), labels, fontsize=7)
        axis.set_xlabel(names[0], fontsize=8, color=WEAK)
        axis.set_ylabel(metric, fontsize=8, color=WEAK)
        return png(figure, title, simulated=simulated)
    across, columns = _steps([point[names[0]] for point in points])
    up, rows = _steps([point[names[1]] for point in points])
    cells = _means(rows, columns, scores, (len(up), len(across)))
    image = axis.imshow(cells, origin="lower", aspect="auto", cmap="viridis")
    axis.plot(
        columns[best], rows[best], "o", markerfacecolor="none", markeredgecolor=INK, markersize=14, mew=2
    )
    axis.set_xticks(range(len(across)), across, fontsize=7)
    axis.set_yticks(range(len(up)), up, fontsize=7)
    axis.set_xlabel(names[0], fontsize=8, color=WEAK)
    axis.set_ylabel(names[1], fontsize=8, color=WEAK)
    bar = figure.colorbar(image, ax=axis, pad=0.01)
    bar.ax.tick_params(labelsize=7, colors=WEAK)
    bar.set_label(f"mean {metric}", fontsize=8, color=WEAK)
    return png(figure, title, simulated=simulated)


def generations_picture(
    stages: Sequence[str], scores: Float1D, metric: str, title: str, *, simulated: bool
) -> bytes:
    """Draw the score of every member by stage, with the mean and the best so far."""
    figure = canvas(_WIDTH, 3.2)
    axis = figure.subplots()
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    names = list(dict.fromkeys(stages))
    place = np.array([names.index(stage) for stage in stages], dtype=np.float64)
    axis.plot(place, scores, "o", color=WEAK, markersize=2.5, alpha=0.7)
    known = [scores[(place == k) & np.isfinite(scores)] for k in range(len(names))]
    best = np.fmax.accumulate([own.max() if own.size else np.nan for own in known])
    axis.plot(range(len(names)), best, color=GOOD, linewidth=1.4, label="best so far")
    axis.plot(
        range(len(names)), [own.mean() if own.size else np.nan for own in known], color=LINE, linewidth=1.2,
        label="mean",
    )  # fmt: skip
    axis.set_xticks(range(len(names)), [name.removeprefix("generation ") for name in names], fontsize=7)
    axis.set_ylabel(metric, fontsize=8, color=WEAK)
    axis.legend(fontsize=7, frameon=False, labelcolor=INK)
    return png(figure, title, simulated=simulated)


def paths_picture(curves: Mapping[str, tuple[Time1D, Float1D]], title: str, *, simulated: bool) -> bytes:
    """Draw growth of 1 for each curve from where it begins.

    Parameters
    ----------
    curves
        By name: instants and NAV, shape ``(bars,)`` each; the first is drawn strongest.
    """
    figure = canvas(_WIDTH, 3.4)
    axis = figure.subplots()
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    axis.axhline(1.0, color=FRAME, linewidth=0.8, linestyle=(0, (4, 3)))
    for (name, (at, nav)), colour in zip(curves.items(), (LINE, BAD, WEAK, GOOD), strict=False):
        axis.plot(at, nav / nav[0], color=colour, linewidth=1.1, label=name)
    date_axis(axis)
    axis.set_ylabel("growth of 1", fontsize=8, color=WEAK)
    axis.legend(fontsize=7, frameon=False, labelcolor=INK)
    return png(figure, title, simulated=simulated, watermark=True)


def leading_axes(points: Sequence[Point], scores: Float1D) -> list[str]:
    """Return the parameters that vary, at most two, those first whose values part the mean score most."""
    spread = {}
    for name in points[0] if points else ():
        labels, step = _steps([point[name] for point in points])
        if len(labels) > 1:
            means = _means(np.zeros_like(step), step, scores, (1, len(labels)))[0]
            found = means[np.isfinite(means)]
            spread[name] = float(found.max() - found.min()) if found.size else 0.0
    return sorted(spread, key=lambda name: (-spread[name], name))[:_TWO]


def _steps(values: Sequence[object]) -> tuple[list[str], np.ndarray]:
    """Return labels of the steps of an axis and each member's step; many numbers are gathered."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numbers:
        labels = sorted({str(value) for value in values})
        return labels, np.array([labels.index(str(value)) for value in values])
    column = np.array(values, dtype=np.float64)
    distinct, step = np.unique(column, return_inverse=True)
    if distinct.size <= _MOST_STEPS:
        return [f"{value:.4g}" for value in distinct], step
    edges = np.linspace(column.min(), column.max(), _MOST_STEPS + 1)
    middle = (edges[:-1] + edges[1:]) / 2.0
    step = np.clip(np.searchsorted(edges, column, "right") - 1, 0, _MOST_STEPS - 1)
    return [f"{value:.3g}" for value in middle], step


def _means(rows: np.ndarray, columns: np.ndarray, scores: Float1D, shape: tuple[int, int]) -> Float2D:
    """Return the mean score of each cell, NaN where nobody is."""
    known = np.isfinite(scores)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (rows[known], columns[known]), scores[known])
    np.add.at(count, (rows[known], columns[known]), 1.0)
    return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
