"""A chain history holds consecutive days and knows when each was known."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline.errors import InsufficientDataError, SchemaError, TimestampError
from pipeline.valuation.history import DAY, ChainHistory


def frame(days, **columns):
    stamps = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in days]
    return pl.DataFrame(
        {
            "feed": ["files"] * len(stamps),
            "ts": stamps,
            "known_at": [each + timedelta(days=1, minutes=15) for each in stamps],
            "price_usd": [100.0 + day for day in days],
            **columns,
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC")},
    )


def history(days=5):
    return ChainHistory.from_frame(frame(range(days)))


def test_rows_come_in_any_order_and_a_day_left_out_is_unknown():
    read = ChainHistory.from_frame(frame([3, 0, 1], height=[30, None, 10]))
    assert [str(day) for day in read.date] == ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"]
    np.testing.assert_array_equal(read.column("price_usd"), [100.0, 101.0, np.nan, 103.0])
    np.testing.assert_array_equal(read.column("height"), [np.nan, 10.0, np.nan, 30.0])
    assert "feed" not in read.columns


def test_that_a_day_is_missing_is_known_when_a_later_one_came():
    read = ChainHistory.from_frame(frame([0, 1, 4]))
    came = np.datetime64("2020-01-06T00:15", "us")
    np.testing.assert_array_equal(read.known_at[2:], [came, came, came])
    assert read.known_at[1] == np.datetime64("2020-01-03T00:15", "us")
    assert read.known_by(came - 1).n == 2, "until then the history ends with the second day"


def test_a_day_twice_is_refused():
    with pytest.raises(TimestampError, match="stands twice"):
        ChainHistory.from_frame(frame([0, 1, 1]))


def test_no_rows_and_missing_times_are_refused():
    with pytest.raises(InsufficientDataError):
        ChainHistory.from_frame(frame([]))
    with pytest.raises(SchemaError, match="known_at"):
        ChainHistory.from_frame(frame([0]).drop("known_at"))


def test_days_must_be_consecutive_and_known_after_they_end():
    day = np.array(["2020-01-01", "2020-01-03"], "datetime64[D]")
    with pytest.raises(TimestampError, match="not consecutive"):
        ChainHistory(day, (day + DAY).astype("datetime64[us]"), {})
    with pytest.raises(TimestampError, match="before its day has ended"):
        ChainHistory(day[:1], day[:1].astype("datetime64[us]"), {})
    with pytest.raises(SchemaError):
        ChainHistory(day[:1], (day[:1] + DAY).astype("datetime64[us]"), {"price_usd": np.ones(2)})
    with pytest.raises(SchemaError):
        ChainHistory(day[:1], day[:1] + DAY, {})


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(SchemaError, match="mvrv"):
        history().column("mvrv")


@pytest.mark.parametrize(("day", "rows"), [("2019-06-01", 0), ("2020-01-03", 2), ("2021-01-01", 5)])
def test_before_a_day_are_the_rows_dated_before_it(day, rows):
    assert history().before(date.fromisoformat(day)).n == rows
    assert history().since(date.fromisoformat(day)).n == 5 - rows


def test_what_was_known_at_an_instant_leaves_out_what_came_later():
    early = history().known_by(datetime(2020, 1, 4, 0, 15, tzinfo=UTC))
    assert str(early.date[-1]) == "2020-01-03"
    minute_before = history().known_by(datetime(2020, 1, 4, 0, 14, tzinfo=UTC))
    assert str(minute_before.date[-1]) == "2020-01-02"
    assert history().known_by(datetime(2019, 1, 1, tzinfo=UTC)).n == 0


def test_a_row_that_came_late_is_unknown_in_between():
    whole = history()
    late = whole.known_at.copy()
    late[1] = np.datetime64("2020-03-01", "us")
    read = ChainHistory(whole.date, late, whole.columns)
    np.testing.assert_array_equal(
        read.at_origin(date(2020, 1, 5)).column("price_usd"), [100, np.nan, 102, 103]
    )
    np.testing.assert_array_equal(read.timely(whole.date + DAY), [True, False, True, True, True])


def test_the_states_of_origins_hold_what_was_known_then():
    whole = history()
    late = whole.known_at.copy()
    late[1] = np.datetime64("2020-01-05T12:00", "us")
    read = ChainHistory(whole.date, late, whole.columns)
    found = {
        int(place): state.column("price_usd")[: place + 1].tolist()
        for places, state in read.states(whole.date + DAY)
        for place in places
    }
    assert sorted(found) == [0, 2, 3, 4]
    for place, state in found.items():
        then = read.at_origin(whole.date[place] + DAY).column("price_usd")
        np.testing.assert_array_equal(state, then)
    assert np.isnan(found[3][1])
    assert found[4][1] == 101.0


def test_the_first_origin_has_no_row_before_it():
    assert not history().timely(np.array(["2020-01-01"], "datetime64[D]"))[0]
    assert history().at_origin(date(2020, 1, 1)).n == 0


def test_values_at_days_beyond_the_rows_are_unknown():
    days = np.array(["2019-12-31", "2020-01-02", "2020-02-01"], "datetime64[D]")
    np.testing.assert_array_equal(history().values_at("price_usd", days), [np.nan, 101.0, np.nan])


def test_an_infinite_number_and_a_price_that_is_not_above_zero_are_unknown():
    bad = [100.0, 0.0, -5.0, float("inf"), float("nan")]
    told = frame(range(5)).with_columns(
        price_usd=pl.Series(bad), supply_btc=pl.Series([1.0, 0.0, *bad[3:], 2.0])
    )
    found = ChainHistory.from_frame(told)
    np.testing.assert_array_equal(found.column("price_usd"), [100.0, *[np.nan] * 4])
    np.testing.assert_array_equal(found.column("supply_btc"), [1.0, 0.0, np.nan, np.nan, 2.0])
