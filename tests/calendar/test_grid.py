"""The H4 grid, against arithmetic on hours written the slow way."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calendar import grid
from pipeline.errors import TimestampError

INSTANTS = st.datetimes(
    datetime.fromisoformat("1950-01-01"), datetime.fromisoformat("2100-01-01"), timezones=st.just(UTC)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slow_label(instant: datetime) -> datetime:
    label = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    while label + timedelta(hours=4) <= instant:
        label += timedelta(hours=4)
    return label


@given(INSTANTS)
def test_an_instant_lies_in_exactly_the_cell_that_starts_at_or_before_it(instant):
    assert grid.cell_label(instant) == slow_label(instant)


@given(INSTANTS)
def test_a_bar_belongs_to_the_cell_that_holds_its_close(close_at):
    ts = grid.cell_of_close(close_at)
    assert ts < close_at <= ts + grid.CELL
    assert grid.is_on_grid(ts)


@given(st.lists(INSTANTS, max_size=20))
def test_arrays_agree_with_single_instants_before_and_after_1970(instants):
    array = np.array([i.replace(tzinfo=None) for i in instants], "datetime64[us]")
    assert [grid.from_time64(t) for t in grid.cell_labels(array)] == [grid.cell_label(i) for i in instants]
    assert [grid.from_time64(t) for t in grid.cells_of_close(array)] == [
        grid.cell_of_close(i) for i in instants
    ]
    assert grid.on_grid(array).tolist() == [grid.is_on_grid(i) for i in instants]


def test_a_close_on_the_grid_ends_its_cell_and_a_microsecond_later_starts_the_next():
    assert grid.cell_of_close(at("2024-07-01T16:00")) == at("2024-07-01T12:00")
    assert grid.cell_of_close(at("2024-07-01T16:00:00.000001")) == at("2024-07-01T16:00")
    assert grid.cell_label(at("2024-07-01T16:00")) == at("2024-07-01T16:00")


def test_the_label_of_an_instant_in_new_york_is_in_utc():
    new_york = datetime(2024, 7, 1, 9, 30, tzinfo=timezone(timedelta(hours=-4)))
    assert grid.cell_label(new_york) == at("2024-07-01T12:00")
    assert grid.cell_label(new_york).utcoffset() == timedelta(0)


def test_cells_are_all_labels_from_start_to_before_end():
    labels = grid.cells(at("2024-02-28T20:00"), at("2024-03-01T04:00"))
    assert [str(t)[5:13] for t in labels] == [
        "02-28T20", "02-29T00", "02-29T04", "02-29T08", "02-29T12", "02-29T16", "02-29T20", "03-01T00",
    ]  # fmt: skip
    assert labels.dtype == np.dtype("datetime64[us]")


def test_a_day_has_six_cells_and_a_close_at_midnight_ends_the_day_before():
    assert grid.cells(at("2024-07-01"), at("2024-07-02")).size == grid.CELLS_PER_DAY
    closes = np.array(["2024-07-02T00:00", "2024-07-02T00:00:01"], "datetime64[us]")
    assert [str(d)[:10] for d in grid.utc_days_of_close(closes)] == ["2024-07-01", "2024-07-02"]
    assert [str(d)[:10] for d in grid.utc_days(closes)] == ["2024-07-02", "2024-07-02"]


def test_the_decision_of_a_cell_is_at_its_end():
    assert grid.decision_at(at("2024-07-01T20:00")) == at("2024-07-02T00:00")
    assert str(grid.decisions_at(np.array(["2024-07-01T20"], "datetime64[us]"))[0])[:13] == "2024-07-02T00"


def test_missing_instants_stay_missing_and_are_not_on_the_grid():
    nat = np.array(["NaT"], "datetime64[us]")
    assert np.isnat(grid.cell_labels(nat)).all()
    assert np.isnat(grid.cells_of_close(nat)).all()
    assert not grid.on_grid(nat).any()


NAIVE, OFF = datetime.fromisoformat("2024-07-01T12:00"), at("2024-07-01T13:00")


@pytest.mark.parametrize(
    "call",
    [
        lambda: grid.cell_label(NAIVE),
        lambda: grid.cell_of_close(NAIVE),
        lambda: grid.is_on_grid(NAIVE),
        lambda: grid.decision_at(NAIVE),
        lambda: grid.decision_at(OFF),
        lambda: grid.cells(OFF, at("2024-07-02")),
        lambda: grid.cells(at("2024-07-01"), OFF),
        lambda: grid.cells(at("2024-07-02"), at("2024-07-01")),
        lambda: grid.to_time64("2024-07-01"),
        lambda: grid.decisions_at(np.array(["2024-07-01T13"], "datetime64[us]")),
        lambda: grid.decisions_at(np.array(["NaT"], "datetime64[us]")),
        lambda: grid.cell_labels(np.array([1, 2])),
        lambda: grid.from_time64(np.datetime64("NaT")),
    ],
)
def test_naive_or_off_grid_input_is_refused_with_a_reason(call):
    with pytest.raises(TimestampError) as caught:
        call()
    assert caught.value.exit_code == 2
    assert caught.value.field
    assert caught.value.constraint
