"""Guard rails of a search: what usually betrays an overfitted optimum, each with its limit and its number.

A guard warns; it refuses nothing.  ``held`` is None where the number is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.backtest.crisis import Crisis
from pipeline.backtest.metrics import Metrics
from pipeline.optimization.out_of_sample import Fold
from pipeline.optimization.space import Point

MOST_FREE = 5
MOST_SHARPE = 2.5
LEAST_KEPT = 0.5
LEAST_SHARPE = 0.5
MOST_DRAWDOWN = 0.30
LEAST_AHEAD = 0.02
MOST_LEVERAGE = 1.5
MOST_DEGRADATION = 2.0
MOST_VARIATION = 0.3
FEWEST_BEATEN = 0.9


@dataclass(frozen=True)
class Guard:
    """One guard rail.

    Parameters
    ----------
    name
        Short name.
    value, limit
        The number and where it becomes suspicious.
    held
        Whether it is on the good side; None where unknown.
    text
        What people read.
    """

    name: str
    value: float | None
    limit: float
    held: bool | None
    text: str


@dataclass(frozen=True)
class Judged:
    """What the guards look at.

    Parameters
    ----------
    free
        Parameters that were searched.
    best, benchmark
        Numbers of the best member and of buy-and-hold.
    path
        Numbers of the walk-forward account; None without one.
    same_days
        CAGR of the best member over the days of the walk-forward account.
    folds
        Choices of the walk-forward windows.
    points
        Parameters of each member.
    leverage
        Most gross exposure that the account allows.
    beaten
        Share of bests of N random strategies that the best beats; None where they were not run.
    crises
        How it came through named windows of trouble.
    """

    free: int
    best: Metrics
    benchmark: Metrics
    path: Metrics | None
    same_days: float | None
    folds: Sequence[Fold]
    points: Sequence[Point]
    leverage: float
    beaten: float | None = None
    crises: Sequence[Crisis] = ()


def guards_of(judged: Judged) -> tuple[Guard, ...]:
    """Return every guard rail."""
    path, ahead = judged.path, _minus(judged.best.cagr, judged.benchmark.cagr)
    kept = None
    if path is not None and path.cagr is not None and judged.same_days is not None and judged.same_days > 0.0:
        kept = path.cagr / judged.same_days
    return (
        _most("free_parameters", judged.free, MOST_FREE, "parameters were searched"),
        _most("sharpe_plausible", judged.best.sharpe, MOST_SHARPE, "is the best Sharpe ratio in sample"),
        _least("out_of_sample_cagr_share", kept, LEAST_KEPT, "of the in-sample growth is left out of sample"),
        _least(
            "out_of_sample_sharpe",
            None if path is None else path.sharpe,
            LEAST_SHARPE,
            "is the out-of-sample Sharpe ratio",
        ),
        _most(
            "out_of_sample_drawdown",
            None if path is None else path.max_drawdown,
            MOST_DRAWDOWN,
            "is the out-of-sample fall",
        ),
        _least("beats_buy_and_hold", ahead, LEAST_AHEAD, "a year more than buy-and-hold"),
        _least(
            "beats_random", judged.beaten, FEWEST_BEATEN, "of the bests of N random strategies are beaten"
        ),
        _most("crisis_drawdown", _deepest(judged.crises), MOST_DRAWDOWN, "is the deepest fall in a crisis"),
        _most("leverage", judged.leverage, MOST_LEVERAGE, "is the most gross exposure allowed"),
        _most(
            "walk_forward_degradation",
            degradation(judged.folds),
            MOST_DEGRADATION,
            "points are lost from choosing to judging",
        ),
        _most(
            "parameter_variation",
            variation(judged.folds, judged.points),
            MOST_VARIATION,
            "is the largest coefficient of variation of a parameter over walk-forward windows",
        ),
    )


def degradation(folds: Sequence[Fold]) -> float | None:
    """Return by how much the choices do worse where they are judged, on average; None without any."""
    lost = np.array([fold.in_sample - fold.out_of_sample for fold in folds])
    lost = lost[np.isfinite(lost)]
    return float(lost.mean()) if lost.size else None


def variation(folds: Sequence[Fold], points: Sequence[Point]) -> float | None:
    """Return the largest standard deviation of a chosen number by its mean size; None below two choices."""
    chosen = [points[fold.member] for fold in folds if fold.member is not None]
    if len(chosen) < 2:  # noqa: PLR2004 - one choice does not vary
        return None
    found = []
    for name in chosen[0]:
        values = [point[name] for point in chosen]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            size = float(np.mean(np.abs(values)))
            found.append(float(np.std(values, ddof=1)) / size if size > 0.0 else 0.0)
    return max(found, default=None)


def _deepest(crises: Sequence[Crisis]) -> float | None:
    return max((c.max_drawdown for c in crises if c.max_drawdown is not None), default=None)


def _most(name: str, value: float | None, limit: float, what: str) -> Guard:
    return Guard(
        name, value, limit, None if value is None else value <= limit, _said(value, limit, what, "at most")
    )


def _least(name: str, value: float | None, limit: float, what: str) -> Guard:
    return Guard(
        name, value, limit, None if value is None else value >= limit, _said(value, limit, what, "at least")
    )


def _said(value: float | None, limit: float, what: str, rule: str) -> str:
    return f"{'unknown' if value is None else f'{value:.3g}'} {what} ({rule} {limit:.3g})"


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right
