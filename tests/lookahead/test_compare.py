"""Comparison is of bits, counts what one side lacks, and looks at nothing that was not known."""

from datetime import UTC, datetime, timedelta

import polars as pl

from pipeline.lookahead.compare import compare

START = datetime(2024, 1, 1, tzinfo=UTC)
AT = START + timedelta(days=2)


def frame(values, **columns):
    """Return one row a day, known on its day."""
    ts = pl.Series([START + timedelta(days=i) for i in range(len(values))], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"ts": ts, "value": pl.Series(values, dtype=pl.Float64), **columns, "known_at": ts})


def changed(before, after):
    return compare(before, after, ("ts",), AT)


def test_equal_frames_have_no_changed_cell_and_count_every_known_one():
    assert changed(frame([1.0, 2.0, 3.0, 4.0]), frame([1.0, 2.0, 3.0, 5.0])).changed == 0
    assert changed(frame([1.0, 2.0, 3.0, 4.0]), frame([1.0, 2.0, 3.0])).cells == 6


def test_all_nan_are_alike_and_null_is_not_nan():
    nan, null = frame([float("nan")]), frame([None])
    assert changed(nan, nan).changed == 0
    assert changed(null, null).changed == 0
    assert changed(nan, null).changed == 1


def test_zero_and_minus_zero_differ_and_so_does_the_last_bit():
    assert changed(frame([0.0]), frame([-0.0])).changed == 1
    assert changed(frame([1.0]), frame([1.0 + 2.0**-52])).changed == 1


def test_a_changed_cell_is_named_with_both_values():
    (place,) = changed(frame([1.0, 2.0]), frame([1.0, 2.5])).places
    assert place == {
        "row": {"ts": START + timedelta(days=1)}, "column": "value", "before": 2.0, "after": 2.5,
    }  # fmt: skip


def test_a_row_that_one_side_lacks_counts_with_all_its_cells():
    found = changed(frame([1.0, 2.0]), frame([1.0]))
    assert (found.changed, found.cells) == (2, 4)
    assert found.places[0]["column"] is None


def test_a_row_known_too_early_in_one_world_is_a_change():
    early = frame([1.0, 2.0, 3.0, 4.0]).with_columns(known_at=pl.col("ts").clip(upper_bound=AT))
    assert changed(frame([1.0, 2.0, 3.0, 4.0]), early).changed == 2


def test_words_are_compared_too():
    assert changed(frame([1.0], label=["bull"]), frame([1.0], label=["bear"])).changed == 1
