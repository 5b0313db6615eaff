"""Pictures of the board: skill beside that of random walks, coverage by horizon, power over half-lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.optimization.luck.verdict import POWER
from pipeline.pictures import BAD, GOOD, INK, LINE, SOFT, WEAK, canvas, plain_axis, png
from pipeline.valuation.colours import colour_of
from pipeline.valuation.falsification.verdict import Verdict
from pipeline.valuation.metrics import Coverage
from pipeline.valuation.residuals import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.valuation.falsification.board import Board
    from pipeline.valuation.falsification.row import BoardRow

_COLOUR = {Verdict.SKILL: GOOD, Verdict.STRUCTURE: LINE, Verdict.UNDECIDED: SOFT, Verdict.NO_SKILL: BAD}
_UNKNOWN = Coverage(0.0, None, None, None, 0)
"""Stands at a horizon whose first target has not come yet."""
_DRIFTS = ((WEAK, "-"), (SOFT, (0, (4, 2))), (INK, "-"))
"""Colours and lines of drifts: grey, because colours are models."""
_HIGHEST = 0.995
_BINS = 60


def skill_picture(board: Board, *, simulated: bool) -> bytes:
    """Return PNG bytes: for each judged model its skill, and what random walks reach, drift by drift."""
    rows = [row for row in board.ranking if row.model in board.null]
    figure = canvas(6.4, 0.8 + 0.85 * max(1, len(rows)))
    axes = figure.subplots(max(1, len(rows)), 1, squeeze=False)[:, 0]
    column = board.horizons.index(board.verdict_horizon)
    for axis, row in zip(axes, rows, strict=False):
        plain_axis(axis)
        _distribution(axis, board, row, column)
    if not rows:
        _nothing(axes[0], "no model could be judged")
    else:
        axes[-1].set_xlabel(
            "skill against the last price: above 0 is better; thick line: the model", fontsize=7, color=SOFT
        )
        _name_drifts(figure, [float(drift) for drift in rows[0].p_by_drift or ()])
    title = f"Skill at {board.verdict_horizon} days beside random walks"
    return png(figure, title, simulated=simulated)


def coverage_picture(board: Board, *, simulated: bool) -> bytes:
    """Return PNG bytes: how often intervals held the price, by horizon, with bootstrap bounds."""
    figure = canvas(6.4, 3.0)
    axes = figure.subplots(1, len(LEVELS), sharey=True)
    models = [row.model for row in board.ranking if row.model in board.null]
    for axis, level, name in zip(axes, LEVELS, ("coverage_68", "coverage_95"), strict=True):
        plain_axis(axis)
        axis.axhline(level, color=INK, lw=0.8, ls=":")
        for place, model in enumerate(models):
            told = [getattr(row, name) for row in board.rows if row.model == model]
            own = [_UNKNOWN if each is None else each for each in told]
            x = np.arange(len(own)) + 0.12 * (place - 0.5 * (len(models) - 1))
            values = np.array([np.nan if each.value is None else each.value for each in own], np.float64)
            bounds = np.array(
                [(np.nan, np.nan) if each.low is None else (each.low, each.high) for each in own], np.float64
            )
            colour = colour_of(model)
            axis.vlines(x, bounds[:, 0], bounds[:, 1], color=colour, lw=1.2)
            axis.plot(x, values, "o", ms=3.5, color=colour, label=model)
        axis.set_xticks(range(len(board.horizons)), [f"{each} d" for each in board.horizons])
        axis.set_ylim(0.0, 1.02)
        axis.set_title(f"intervals of {level:.0%}", fontsize=8, color=SOFT)
    if models:
        _name_models(figure, axes[0])
    else:
        _nothing(axes[0], "no model could be judged")
    return png(figure, "Coverage out of sample, with 95 % bootstrap bounds", simulated=simulated)


def power_picture(board: Board, *, simulated: bool) -> bytes:
    """Return PNG bytes: the chance of finding each model's structure, over the half-life of its residual."""
    figure = canvas(6.4, 3.0)
    axis = figure.subplots()
    plain_axis(axis)
    axis.axhline(POWER, color=INK, lw=0.8, ls=":")
    shown = 0
    for row in (row for row in board.ranking if row.model in board.curves):
        points = sorted(board.curves[row.model].items())
        colour = colour_of(row.model)
        shown += len(points)
        axis.plot(
            [days for days, _ in points], [share for _, share in points], "-o", ms=3, lw=1.2, color=colour,
            label=row.model,
        )  # fmt: skip
        if row.half_life is not None and row.power is not None:
            axis.plot(row.half_life, row.power, "D", ms=5, mfc="white", mec=colour)
    axis.set_xscale("log")
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel("half-life of the residual, days; diamonds: as fitted", fontsize=7, color=SOFT)
    if shown:
        ticks = sorted({days for found in board.curves.values() for days in found})
        axis.set_xticks(ticks, [f"{days:g}" for days in ticks])
        axis.minorticks_off()
        _name_models(figure, axis)
    else:
        _nothing(axis, "no model could be judged")
    title = f"Chance that a true structure is found at {board.verdict_horizon} days"
    return png(figure, title, simulated=simulated)


def _distribution(axis: Any, board: Board, row: BoardRow, column: int) -> None:
    walks = board.null[row.model][:, :, column]
    skill = np.nan if row.skill is None else row.skill
    finite = walks[np.isfinite(walks)]
    low = min(float(np.quantile(finite, 1.0 - _HIGHEST + 0.05)), skill)
    high = max(float(np.quantile(finite, _HIGHEST)), skill, 0.0)
    edges = np.linspace(low - 0.03 * (high - low), high + 0.03 * (high - low), _BINS)
    for place, each in enumerate(walks):
        grey, style = _DRIFTS[place % len(_DRIFTS)]
        axis.hist(each, edges, histtype="step", lw=0.7, color=grey, ls=style, antialiased=False)
    colour = SOFT if row.verdict is None else _COLOUR[row.verdict]
    axis.axvline(skill, color=colour_of(row.model), lw=4.0, antialiased=False)
    axis.axvline(0.0, color=WEAK, lw=0.8, ls=":")
    axis.set_yticks([])
    axis.set_title(f"{row.model}: {row.verdict}, p {row.p:.3f}", fontsize=8, color=colour, loc="left")


def _name_drifts(figure: Any, drifts: Sequence[float]) -> None:
    """Name the grey lines below the axes."""
    from matplotlib.lines import Line2D

    said = {0.0: "without drift", 1.0: "with the sample's drift", 2.0: "with twice that"}
    lines = [
        Line2D([], [], color=_DRIFTS[place % len(_DRIFTS)][0], ls=_DRIFTS[place % len(_DRIFTS)][1], lw=1.0,
               label=f"random walks {said.get(drift, f'with {drift:g} times the drift')}")
        for place, drift in enumerate(drifts)
    ]  # fmt: skip
    figure.legend(
        handles=lines, fontsize=6.5, frameon=False, loc="outside lower left", ncols=3, labelcolor=SOFT
    )


def _name_models(figure: Any, axis: Any) -> None:
    """Name the models below the axes, where no line can lie."""
    figure.legend(
        *axis.get_legend_handles_labels(), fontsize=6.5, frameon=False, loc="outside lower left", ncols=6,
        labelcolor=SOFT, columnspacing=1.2,
    )  # fmt: skip


def _nothing(axis: Any, words: str) -> None:
    axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=9, color=SOFT)
    axis.set_axis_off()
