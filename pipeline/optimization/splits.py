"""Purged splits of rows whose labels span time: combinatorial folds, and calendar windows that walk forward.

A row's label is known only when its span ends; a row whose span meets the span of a test fold, or that
begins within the embargo after one, does not train (Lopez de Prado 2018, chapters 7 and 12).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Int1D, Time1D
from pipeline.errors import ConfigError, InsufficientDataError


@dataclass(frozen=True, eq=False)
class Spans:
    """When the label of each row begins and ends, both inclusive, in units that only need an order.

    Parameters
    ----------
    start, end
        Shape ``(rows,)``; ``start`` does not fall and ``start <= end``.
    """

    start: Int1D
    end: Int1D

    def __post_init__(self) -> None:
        if (
            self.start.shape != self.end.shape
            or (self.end < self.start).any()
            or (np.diff(self.start) < 0).any()
        ):
            raise ConfigError(
                "label spans are out of order",
                "spans",
                constraint="starts that do not fall, each at or before its end",
            )

    @classmethod
    def constant(cls, rows: int, length: int) -> "Spans":
        """Return spans of ``length`` rows each, the row itself included."""
        first = np.arange(rows)
        return cls(first, first + length - 1)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.start.size


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that train, and rows of each test fold, folds in order."""

    train: Int1D
    tests: tuple[Int1D, ...]
    folds: tuple[int, ...]


def folds_of(rows: int, n: int) -> tuple[Int1D, ...]:
    """Return ``n`` consecutive folds of equal size, the last one with what is left.

    Raises
    ------
    InsufficientDataError
        With fewer than two rows a fold.
    """
    size = rows // n
    if size < 2:  # noqa: PLR2004 - one row is no sample
        raise InsufficientDataError(
            "too few days for the folds",
            "cross_validation.n_folds",
            n,
            f"at most {rows // 2} folds of {rows} days",
            "lower n_folds or lengthen the window",
        )
    edges = [*(size * i for i in range(n)), rows]
    return tuple(np.arange(a, b) for a, b in itertools.pairwise(edges))


def combinatorial_splits(
    spans: Spans, n_folds: int, n_test_folds: int, embargo: int = 0
) -> tuple[Split, ...]:
    """Return every choice of test folds with the rows that may train beside it.

    Parameters
    ----------
    spans
        Of the labels.
    n_folds, n_test_folds
        ``C(n_folds, n_test_folds)`` splits in lexicographic order.
    embargo
        Units of the spans after the end of a test fold's labels in which no training label may begin.

    Raises
    ------
    InsufficientDataError
        When a split leaves nothing to train on, or a fold has fewer than two rows.
    """
    folds = folds_of(spans.rows, n_folds)
    splits = []
    for chosen in itertools.combinations(range(n_folds), n_test_folds):
        trains = np.ones(spans.rows, dtype=np.bool_)
        for first, last in _runs(chosen):
            begins, ends = folds[first][0], folds[last][-1]
            low, high = spans.start[begins], spans.end[begins : ends + 1].max()
            trains &= (spans.end < low) | (spans.start > high + embargo)
            trains[begins : ends + 1] = False
        if not trains.any():
            raise InsufficientDataError(
                "purging leaves no day to train on",
                "cross_validation",
                chosen,
                "folds longer than label and embargo",
                "lower embargo_days or n_folds, or lengthen the window",
            )
        splits.append(Split(np.flatnonzero(trains), tuple(folds[i] for i in chosen), chosen))
    return tuple(splits)


def paths_of(splits: Sequence[Split], n_folds: int) -> tuple[tuple[int, ...], ...]:
    """Return the test paths: for each path, by fold, the number of the split that tests it there.

    Path ``p`` takes in every fold the ``p``-th split that tests it, so each path covers all rows once.
    """
    testing = [[i for i, split in enumerate(splits) if fold in split.folds] for fold in range(n_folds)]
    return tuple(tuple(own[p] for own in testing) for p in range(len(testing[0])))


@dataclass(frozen=True)
class Window:
    """Rows ``[train_first, test_first)`` choose, rows ``[test_first, test_end)`` judge."""

    train_first: int
    test_first: int
    test_end: int


def walk_forward_windows(
    days: Time1D, in_months: int, out_months: int, step_months: int
) -> tuple[Window, ...]:
    """Return the windows that fit into the days, by calendar months from the first day on.

    The last test window may be cut short by the end of the days; one without two training days is left out.

    Parameters
    ----------
    days
        Instants that end the days, rising, shape ``(days,)``.
    in_months, out_months, step_months
        Length of the windows and the distance between them.
    """
    windows = []
    start = days[0].astype("datetime64[D]")
    for k in itertools.count():
        begins = _later(start, k * step_months)
        split = _later(start, k * step_months + in_months)
        ends = _later(start, k * step_months + in_months + out_months)
        first, middle, last = (int(np.searchsorted(days, edge)) for edge in (begins, split, ends))
        if middle >= days.size:
            return tuple(windows)
        if middle - first >= 2 and last > middle:  # noqa: PLR2004 - a ratio needs two
            windows.append(Window(first, middle, last))
    return tuple(windows)


def _later(day: np.datetime64, months: int) -> np.datetime64:
    """Return the same day of a later month, or the month's last day."""
    month = day.astype("datetime64[M]")
    into = day - month.astype("datetime64[D]")
    target = month + np.timedelta64(months, "M")
    last = (target + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    return min(target.astype("datetime64[D]") + into, last).astype("datetime64[us]")


def _runs(chosen: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last of each stretch of neighbouring folds."""
    runs: list[tuple[int, int]] = []
    for fold in chosen:
        if runs and runs[-1][1] == fold - 1:
            runs[-1] = (runs[-1][0], fold)
        else:
            runs.append((fold, fold))
    return runs
