"""Hold-out windows: unseen before, refused while closed, opened once."""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import ComponentNotFoundError, ConfigError, RefusedError
from pipeline.lifecycle.holdouts import (
    Event,
    Kind,
    Window,
    closed,
    require_declarable,
    require_unseen,
    window_to_open,
)

START, END = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
WINDOW = Window("EquityTrend", START, END)
OURS, THEIRS = ("config", "code"), ("other", "code")
DECLARED = Event(Kind.DECLARED, WINDOW, THEIRS)
OPENED = Event(Kind.OPENED, WINDOW, OURS)
SHOWN = Event(Kind.SHOWN, WINDOW, OURS)

OFF_GRID = Window("EquityTrend", datetime(2023, 1, 1, 2, tzinfo=UTC), datetime(2023, 6, 1, 20, 1, tzinfo=UTC))


def test_a_window_that_begins_or_ends_inside_a_cell_holds_the_whole_cell():
    assert OFF_GRID.start == datetime(2023, 1, 1, tzinfo=UTC)
    assert OFF_GRID.end == datetime(2023, 6, 2, tzinfo=UTC)
    assert (WINDOW.start, WINDOW.end) == (START, END), "on the grid it stays as it is"
    declared = Event(Kind.DECLARED, OFF_GRID, THEIRS)
    with pytest.raises(RefusedError, match="would see"):
        require_unseen(
            [declared], ["EquityTrend"], datetime(2022, 6, 1, tzinfo=UTC), datetime(2023, 1, 1, 2, tzinfo=UTC)
        )
    with pytest.raises(RefusedError, match="would see"):
        require_unseen([declared], ["EquityTrend"], datetime(2023, 6, 1, 20, 1, tzinfo=UTC), END)
    require_unseen([declared], ["EquityTrend"], datetime(2022, 6, 1, tzinfo=UTC), OFF_GRID.start)
    require_unseen([declared], ["EquityTrend"], OFF_GRID.end, END)


days = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(days, days)
def test_a_run_is_refused_exactly_when_it_shares_an_instant_with_a_closed_window(one, other):
    assume(one != other)
    start, end = sorted((one, other))
    shares = max(start, START) < min(end, END)
    if shares:
        with pytest.raises(RefusedError) as refused:
            require_unseen([DECLARED], ["CryptoMomentum", "EquityTrend"], start, end)
        assert refused.value.exit_code == 5
    else:
        require_unseen([DECLARED], ["EquityTrend"], start, end)
    require_unseen([DECLARED], ["CryptoMomentum"], start, end)
    require_unseen([DECLARED, OPENED], ["EquityTrend"], start, end)


def test_windows_that_touch_share_nothing():
    require_unseen([DECLARED], ["EquityTrend"], datetime(2022, 1, 1, tzinfo=UTC), START)
    require_unseen([DECLARED], ["EquityTrend"], END, datetime(2025, 1, 1, tzinfo=UTC))


def test_days_that_a_run_has_seen_cannot_be_held_out():
    require_declarable([], WINDOW, 0)
    with pytest.raises(RefusedError, match=r"runs with EquityTrend have seen.*, 3 in"):
        require_declarable([], WINDOW, 3)


def test_one_window_at_a_time():
    later = Window("EquityTrend", END, datetime(2025, 1, 1, tzinfo=UTC))
    with pytest.raises(RefusedError, match="is not opened"):
        require_declarable([DECLARED], later, 0)
    require_declarable([DECLARED, OPENED, SHOWN], later, 0)


def test_a_window_is_opened_once():
    assert window_to_open([DECLARED], "EquityTrend", OURS) == (WINDOW, False)
    for events in ([DECLARED, OPENED, SHOWN], [DECLARED, OPENED]):
        with pytest.raises(RefusedError, match="opened before"):
            window_to_open(events, "EquityTrend", THEIRS)
    with pytest.raises(RefusedError, match="opened before"):
        window_to_open([DECLARED, OPENED, SHOWN], "EquityTrend", OURS)


def test_an_opening_that_was_cut_short_goes_on_with_the_same_configuration():
    assert window_to_open([DECLARED, OPENED], "EquityTrend", OURS) == (WINDOW, True)


def test_nothing_is_opened_that_was_not_declared():
    with pytest.raises(ComponentNotFoundError):
        window_to_open([], "EquityTrend", OURS)


def test_a_second_window_is_opened_after_the_first():
    later = Window("EquityTrend", END, datetime(2025, 1, 1, tzinfo=UTC))
    events = [DECLARED, OPENED, SHOWN, Event(Kind.DECLARED, later, THEIRS)]
    assert closed(events) == [later]
    assert window_to_open(events, "EquityTrend", OURS) == (later, False)


def test_an_empty_window_is_no_window():
    with pytest.raises(ConfigError):
        Window("EquityTrend", END, START)
