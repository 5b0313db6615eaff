"""What choosing would have earned on days that did not choose: walk-forward folds and cross-validation paths.

Works on the daily returns of all members, which ran once through the whole window; which member was chosen
when is the result.  Ratios are those of `pipeline.backtest.metrics`, in excess of what cash earned; growth
and falls are those of NAV.  The walk-forward account itself, with the cost of switching, is run by the door.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D, Time1D
from pipeline.backtest import metrics as m
from pipeline.backtest.cash import beyond_cash
from pipeline.optimization.splits import (
    Spans,
    combinatorial_splits,
    paths_of,
    walk_forward_windows,
)

if TYPE_CHECKING:
    from pipeline.config.search import CrossValidation, WalkForward


@dataclass(frozen=True)
class Fold:
    """One choice and how it did afterwards.

    Parameters
    ----------
    kind, fold
        ``walk_forward`` or ``cpcv``, and its number.
    train, test
        First and last row that chose, and that judged.
    member
        Row of the chosen member; None when no member had a number on the days that chose.
    in_sample, out_of_sample
        Its number on either; NaN where unknown.
    """

    kind: Literal["walk_forward", "cpcv"]
    fold: int
    train: tuple[int, int]
    test: tuple[int, int]
    member: int | None
    in_sample: float
    out_of_sample: float


@dataclass(frozen=True, eq=False)
class Paths:
    """Combinatorial purged cross-validation.

    Parameters
    ----------
    folds
        One a split.
    sharpe
        Annualised Sharpe ratio of each test path, shape ``(paths,)``, NaN where undefined.
    """

    folds: tuple[Fold, ...]
    sharpe: Float1D


def score(name: str, returns: Float2D, per_year: float, cash: Float1D | None = None) -> Float1D:
    """Return a metric of each row of daily returns, more is better, NaN where undefined.

    Parameters
    ----------
    name
        ``sharpe_ratio``, ``sortino_ratio``, ``cagr``, ``total_return`` or ``max_drawdown`` (negated).
    returns
        Shape ``(members, days)``.
    per_year
        Returns per year.
    cash
        What cash earned on the same days, of which the ratios are in excess, shape ``(days,)``; None or
        empty: nothing.
    """
    if name in _RATIOS:
        excess = np.ascontiguousarray(beyond_cash(returns, cash))
        found = [_RATIOS[name](row, row.size / per_year) for row in excess]
        return np.array([np.nan if value is None else value for value in found], dtype=np.float64)
    return _OF_NAV[name](returns, per_year)


def walk_forward(
    returns: Float2D, days: Time1D, settings: "WalkForward", *, cash: Float1D | None
) -> tuple[Fold, ...]:
    """Choose the best member of each in-sample window and follow it through the next window.

    Parameters
    ----------
    returns
        Daily returns of the members, shape ``(members, days)``.
    days
        Instants that end the days, shape ``(days,)``.
    settings
        Lengths of the windows and what chooses.
    cash
        As for `score`.
    """
    windows = walk_forward_windows(
        days, settings.in_sample_months, settings.out_sample_months, settings.step_months
    )
    sample = _Sample(returns, cash, settings.select_best_by, returns_per_year(days))
    folds = []
    for i, window in enumerate(windows):
        train = np.arange(window.train_first, window.test_first)
        test = np.arange(window.test_first, window.test_end)
        folds.append(_fold("walk_forward", i, sample, train, test))
    return tuple(folds)


def newest_choice(
    returns: Float2D, days: Time1D, settings: "WalkForward", *, cash: Float1D | None
) -> int | None:
    """Return the member that the in-sample window ending now would choose: what one would trade next."""
    since = days[-1].astype("datetime64[M]") - np.timedelta64(settings.in_sample_months, "M")
    rows = np.flatnonzero(days > since.astype(days.dtype))
    return _best(_Sample(returns, cash, settings.select_best_by, returns_per_year(days)).scores(rows))


def cross_validated(
    returns: Float2D, days: Time1D, settings: "CrossValidation", metric: str, *, cash: Float1D | None
) -> Paths:
    """Choose on the training days of every split, and join what was chosen into test paths.

    Parameters
    ----------
    returns, days
        As for `walk_forward`.
    settings
        Folds, label span and embargo in days.
    metric
        What chooses, as `score` names it.
    cash
        As for `score`.
    """
    spans = Spans.constant(days.size, settings.label_days)
    splits = combinatorial_splits(spans, settings.n_folds, settings.n_test_folds, settings.embargo_days)
    sample = _Sample(returns, cash, metric, returns_per_year(days))
    folds = tuple(
        _fold("cpcv", i, sample, split.train, np.concatenate(split.tests)) for i, split in enumerate(splits)
    )
    sharpe = []
    for path in paths_of(splits, settings.n_folds):
        joined = np.full((1, days.size), np.nan)
        for fold, number in enumerate(path):
            split, member = splits[number], folds[number].member
            rows = split.tests[split.folds.index(fold)]
            if member is not None:
                joined[0, rows] = returns[member, rows]
        sharpe.append(score("sharpe_ratio", joined, sample.per_year, cash)[0])
    return Paths(folds, np.array(sharpe))


def returns_per_year(days: Time1D) -> float:
    """Return how many of these days make a year of 365.25 days."""
    elapsed = (days[-1] - days[0]) / np.timedelta64(1, "D")
    return float((days.size - 1) / elapsed * 365.25) if elapsed > 0.0 else np.nan


@dataclass(frozen=True, eq=False)
class _Sample:
    """All members on all days, and what they are scored by."""

    returns: Float2D
    cash: Float1D | None
    metric: str
    per_year: float

    def scores(self, rows: Int1D, member: int | None = None) -> Float1D:
        """Return the scores of all members, or of one, on some of the days."""
        chosen = self.returns[:, rows] if member is None else self.returns[[member]][:, rows]
        earned = self.cash[rows] if self.cash is not None and self.cash.size else None
        return score(self.metric, chosen, self.per_year, earned)


def _fold(
    kind: Literal["walk_forward", "cpcv"], number: int, sample: _Sample, train: Int1D, test: Int1D
) -> Fold:
    known = sample.scores(train)
    member = _best(known)
    after = np.nan if member is None else sample.scores(test, member)[0]
    return Fold(
        kind,
        number,
        (int(train[0]), int(train[-1])),
        (int(test[0]), int(test[-1])),
        member,
        float("nan") if member is None else float(known[member]),
        float(after),
    )


def _best(values: Float1D) -> int | None:
    """Return the first of the best, None when none is known."""
    return None if np.isnan(values).all() else int(np.nanargmax(values))


def _total(returns: Float2D, _per_year: float) -> Float1D:
    return np.prod(1.0 + returns, axis=1) - 1.0


def _cagr(returns: Float2D, per_year: float) -> Float1D:
    return (1.0 + _total(returns, per_year)) ** (per_year / returns.shape[1]) - 1.0


def _shallowest(returns: Float2D, _per_year: float) -> Float1D:
    nav = np.cumprod(1.0 + returns, axis=1)
    peak = np.maximum(np.maximum.accumulate(nav, axis=1), 1.0)
    return -np.max(1.0 - nav / peak, axis=1)


_RATIOS: dict[str, Callable[[Float1D, float], float | None]] = {
    "sharpe_ratio": lambda excess, years: m.sharpe(excess, years).value,
    "sortino_ratio": m.sortino,
}
"""Of one series of excess returns over so many years."""
_OF_NAV: dict[str, Callable[[Float2D, float], Float1D]] = {
    "cagr": _cagr,
    "total_return": _total,
    "max_drawdown": _shallowest,
}


def stitched(
    folds: Sequence[Fold], days: Int1D, weights: Callable[[int], Float2D]
) -> tuple[Float2D, int, int] | None:
    """Return the target weights of an account that follows the choices of walk-forward folds.

    Parameters
    ----------
    folds
        Walk-forward folds in order; one that chose nobody stays in cash.
    days
        Rows of the decisions that end the days, shape ``(days,)``, in the panel that ``weights`` are for.
    weights
        From a member to its target weights, shape ``(bars, assets)``.

    Returns
    -------
    tuple or None
        Weights ``(bars, assets)``, the first row that decides and the row after the last; None without folds.
        The choice is made at the decision that ends the last in-sample day, with what was known then.
    """
    judged = [fold for fold in folds if fold.kind == "walk_forward"]
    if not judged:
        return None
    answer: Float2D | None = None
    for fold in judged:
        if fold.member is None:
            continue
        own = weights(fold.member)
        answer = np.zeros_like(own) if answer is None else answer
        first, last = days[fold.test[0] - 1], days[fold.test[1]]
        answer[first:last] = own[first:last]
    if answer is None:
        return None
    return answer, int(days[judged[0].test[0] - 1]), int(days[judged[-1].test[1]]) + 1
