"""Purged splits: equal to skfolio's where spans are constant, and right by hand where they are not."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV

from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.optimization.splits import (
    Spans,
    combinatorial_splits,
    folds_of,
    paths_of,
    walk_forward_windows,
)


@pytest.mark.parametrize(
    ("rows", "folds", "tests", "length", "embargo"),
    [(100, 6, 2, 1, 0), (103, 5, 2, 4, 3), (200, 10, 8, 3, 2), (97, 6, 3, 2, 5), (60, 3, 2, 1, 4)],
)
def test_constant_spans_give_the_splits_and_paths_of_skfolio(rows, folds, tests, length, embargo):
    theirs = CombinatorialPurgedCV(
        n_folds=folds, n_test_folds=tests, purged_size=length - 1, embargo_size=embargo
    )
    ours = combinatorial_splits(Spans.constant(rows, length), folds, tests, embargo)
    pairs = list(zip(theirs.split(np.zeros((rows, 1))), ours, strict=True))
    assert len(pairs) == comb(folds, tests)
    for (train, test), split in pairs:
        np.testing.assert_array_equal(train, split.train)
        for their, our in zip(test, split.tests, strict=True):
            np.testing.assert_array_equal(their, our)
    paths = paths_of(ours, folds)
    assert len(paths) == theirs.n_test_paths
    for number, split in enumerate(ours):
        own = [next(p for p, path in enumerate(paths) if path[fold] == number) for fold in split.folds]
        assert own == theirs.get_path_ids()[number].tolist()


@given(
    st.lists(st.integers(0, 30), min_size=40, max_size=40),
    st.integers(0, 5),
    st.integers(2, 3),
)
def test_no_training_label_overlaps_a_test_label_whatever_the_spans(lengths, embargo, tests):
    start = np.arange(40)
    spans = Spans(start, start + np.array(lengths))
    try:
        splits = combinatorial_splits(spans, 5, tests, embargo)
    except InsufficientDataError:
        return
    for split in splits:
        tested = np.concatenate(split.tests)
        assert not set(split.train) & set(tested)
        for row, other in itertools.product(split.train, tested):
            apart = spans.end[row] < spans.start[other] or spans.start[row] > spans.end[other]
            assert apart, f"label {row} overlaps that of test row {other}"


def test_a_long_label_before_a_test_fold_is_purged_and_a_short_one_is_not():
    start = np.arange(16)
    end = start.copy()
    end[1] = 9
    splits = combinatorial_splits(Spans(start, end), 4, 2)
    tested_last = next(split for split in splits if split.folds == (2, 3))
    assert tested_last.train.tolist() == [0, 2, 3, 4, 5, 6, 7], "row 1 spans into a test fold"


def test_the_embargo_counts_from_the_end_of_the_tested_labels():
    spans = Spans.constant(12, 2)
    split = next(s for s in combinatorial_splits(spans, 3, 2, 1) if s.folds == (0, 1))
    assert split.train.tolist() == [10, 11], "row 8 is inside the last test label, row 9 inside the embargo"


def test_each_path_covers_every_day_once():
    splits = combinatorial_splits(Spans.constant(61, 1), 6, 2)
    for path in paths_of(splits, 6):
        rows = [splits[number].tests[splits[number].folds.index(fold)] for fold, number in enumerate(path)]
        assert np.concatenate(rows).tolist() == list(range(61))


def test_spans_out_of_order_and_folds_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="out of order"):
        Spans(np.array([0, 1]), np.array([1, 0]))
    with pytest.raises(InsufficientDataError, match="too few days"):
        folds_of(5, 3)
    with pytest.raises(InsufficientDataError, match="no day to train"):
        combinatorial_splits(Spans.constant(12, 4), 3, 2, 9)


def days(first: str, count: int):
    return (np.datetime64(first) + np.arange(count)).astype("datetime64[us]")


def test_walk_forward_windows_go_by_calendar_months_and_do_not_overlap():
    axis = days("2020-01-01", 800)
    windows = walk_forward_windows(axis, 12, 3, 3)
    first = windows[0]
    assert axis[first.test_first] == np.datetime64("2021-01-01")
    assert axis[first.test_end] == np.datetime64("2021-04-01")
    assert all(a.test_end == b.test_first for a, b in itertools.pairwise(windows))
    assert windows[-1].test_end == axis.size, "the last one is cut by the end of the data"
    assert [axis[w.train_first].astype("datetime64[M]") for w in windows[:2]] == [
        np.datetime64("2020-01"),
        np.datetime64("2020-04"),
    ]


def test_a_window_from_the_31st_ends_with_the_month():
    axis = days("2020-01-31", 120)
    first = walk_forward_windows(axis, 1, 1, 1)[0]
    assert axis[first.test_first] == np.datetime64("2020-02-29")


def test_too_short_a_history_has_no_window():
    assert walk_forward_windows(days("2020-01-01", 100), 12, 3, 3) == ()
