"""Guard rails of a search: what usually betrays an overfitted optimum, each with its limit and its number.

A guard warns; it refuses nothing.  ``held`` is None where the number is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.backtest.crisis import Crisis
from pipeline.backtest.metrics import Metrics
from pipeline.optimization.out_of_sample import Fold
from pipeline.optimization.space import Point

MOST_FREE = 5


@dataclass(frozen=True)
class Rail:
    """What a guard rail watches.

    Parameters
    ----------
    name
        Short name.
    side, limit
        The good side of a limit, and where it becomes suspicious.
    what
        What a number of it says: ``0.41 what``.
    """

    name: str
    side: Literal["at most", "at least"]
    limit: float
    what: str

    @property
    def bound(self) -> str:
        """The limit in words."""
        return f"{self.side} {self.limit:.3g}"

    def judge(self, value: float | None) -> "Guard":
        """Return what is to be said of a number; None: unknown."""
        held = None
        if value is not None:
            held = value <= self.limit if self.side == "at most" else value >= self.limit
        told = "unknown" if value is None else f"{value:.3g}"
        return Guard(self.name, value, self.limit, held, f"{told} {self.what} ({self.bound})")


RAILS = (
    Rail("free_parameters", "at most", MOST_FREE, "parameters were searched"),
    Rail("sharpe_plausible", "at most", 2.5, "is the best Sharpe ratio in sample"),
    Rail("out_of_sample_cagr_share", "at least", 0.5, "of the in-sample growth is left out of sample"),
    Rail("out_of_sample_sharpe", "at least", 0.5, "is the out-of-sample Sharpe ratio"),
    Rail("out_of_sample_drawdown", "at most", 0.30, "is the out-of-sample fall"),
    Rail("beats_buy_and_hold", "at least", 0.02, "a year more than buy-and-hold"),
    Rail("beats_random", "at least", 0.9, "of the bests of N random strategies are beaten"),
    Rail("crisis_drawdown", "at most", 0.30, "is the deepest fall in a crisis"),
    Rail("leverage", "at most", 1.5, "is the most gross exposure allowed"),
    Rail("walk_forward_degradation", "at most", 2.0, "points are lost from choosing to judging"),
    Rail(
        "parameter_variation",
        "at most",
        0.3,
        "is the largest coefficient of variation of a parameter over walk-forward windows",
    ),
)
"""Every rail, in the order in which they are told; ``docs/experiments.md`` lists the same."""


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
    numbers = _numbers(judged)
    return tuple(rail.judge(numbers[rail.name]) for rail in RAILS)


def _numbers(judged: Judged) -> dict[str, float | None]:
    """Return what each rail looks at, by name."""
    path, kept = judged.path, None
    if path is not None and path.cagr is not None and judged.same_days is not None and judged.same_days > 0.0:
        kept = path.cagr / judged.same_days
    return {
        "free_parameters": judged.free,
        "sharpe_plausible": judged.best.sharpe,
        "out_of_sample_cagr_share": kept,
        "out_of_sample_sharpe": None if path is None else path.sharpe,
        "out_of_sample_drawdown": None if path is None else path.max_drawdown,
        "beats_buy_and_hold": _minus(judged.best.cagr, judged.benchmark.cagr),
        "beats_random": judged.beaten,
        "crisis_drawdown": _deepest(judged.crises),
        "leverage": judged.leverage,
        "walk_forward_degradation": degradation(judged.folds),
        "parameter_variation": variation(judged.folds, judged.points),
    }


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


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right
