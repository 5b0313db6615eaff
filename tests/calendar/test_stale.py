"""Staleness counts expected values, so weekends and holidays are not stale."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calendar.known import known_at
from pipeline.calendar.sessions import expected_daily
from pipeline.calendar.stale import Staleness, closes_missed, next_due, staleness
from pipeline.errors import TimestampError

DAY = np.timedelta64(1, "D")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spy(start: str, end: str) -> tuple[np.ndarray, np.ndarray]:
    ts = expected_daily("XNYS", utc(start), utc(end))["ts"].dt.replace_time_zone(None).to_numpy()
    return ts, known_at("session_close", ts)


EXPECTED = spy("2024-06-01", "2024-08-01")


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        ("2024-07-05T21:00", Staleness.FRESH),
        ("2024-07-08T13:00", Staleness.FRESH),  # Monday before the open, 65 hours after the last close
        ("2024-07-08T20:15", Staleness.FRESH),  # Monday's close is due now
        ("2024-07-10T20:14", Staleness.FRESH),  # 47:59 overdue
        ("2024-07-10T20:16", Staleness.GIVE_UP),  # and three closes missed
    ],
)
def test_friday_s_close_goes_stale_only_by_missed_sessions(now, verdict):
    assert staleness(*spy("2024-06-01", "2024-07-06"), *EXPECTED, utc(now)) is verdict


@pytest.mark.parametrize(
    ("now", "verdict"),
    [("2024-02-01T15:20", "fresh"), ("2024-02-03T15:14", "fresh"), ("2024-02-03T15:16", "warn"),
     ("2024-03-02T00:00", "warn"), ("2024-03-31T00:00", "warn"), ("2024-04-01T14:16", "give_up")],
)  # fmt: skip
def test_a_monthly_series_warns_after_48_hours_and_is_given_up_after_three_releases(now, verdict):
    months = np.arange("2023-10", "2024-09", dtype="datetime64[M]").astype("datetime64[us]")
    due = known_at("monthly_release", months)
    assert staleness(months[:3], due[:3], months, due, utc(now)) is Staleness(verdict)


def test_nothing_ever_known_is_unknown_not_fresh():
    nothing = np.array([], "datetime64[us]")
    assert staleness(nothing, nothing, *EXPECTED, utc("2024-07-01")) is Staleness.UNKNOWN
    assert staleness(*EXPECTED, *EXPECTED, utc("2024-05-01")) is Staleness.UNKNOWN
    assert next_due(nothing, nothing, nothing, nothing, utc("2024-07-01")) is None


def test_the_next_close_is_due_at_its_own_instant():
    known_until_friday = spy("2024-06-01", "2024-07-06")
    assert next_due(*known_until_friday, *EXPECTED, utc("2024-07-06")) == utc("2024-07-08T20:15")


def naive_missed(ts, known, expected_ts, expected_known, decision) -> float:
    seen = [t for t, k in zip(ts, known, strict=True) if k <= decision]
    if not seen:
        return float("nan")
    newest = max(seen)
    return sum(e > newest and k <= decision for e, k in zip(expected_ts, expected_known, strict=True))


@given(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.lists(st.integers(0, 60 * 24), max_size=20),
    st.data(),
)
def test_closes_missed_equals_counting_one_by_one(exists, hours, data):
    expected_ts = np.datetime64("2024-01-01", "us") + np.arange(len(exists)) * DAY
    due = expected_ts + DAY
    late = data.draw(st.lists(st.integers(0, 5), min_size=len(exists), max_size=len(exists)))
    ts, known = expected_ts[exists], (due + np.array(late) * DAY)[exists]
    decisions = np.datetime64("2024-01-01", "us") + np.array(hours, "timedelta64[h]")
    got = closes_missed(ts, known, expected_ts, due, decisions)
    want = [naive_missed(ts, known, expected_ts, due, d) for d in decisions]
    np.testing.assert_array_equal(got, want)


def test_a_correction_of_an_old_close_does_not_make_the_series_older_or_newer():
    ts, due = spy("2024-06-03", "2024-06-08")
    again = np.append(ts, ts[0]), np.append(due, due[-1] + DAY)
    decision = np.array([due[-1] + 2 * DAY])
    assert closes_missed(*again, *EXPECTED, decision) == closes_missed(ts, due, *EXPECTED, decision)


def test_missing_instants_are_refused():
    ts, due = spy("2024-06-03", "2024-06-08")
    with pytest.raises(TimestampError):
        closes_missed(ts, due[:-1], *EXPECTED, due)
    with pytest.raises(TimestampError):
        closes_missed(ts, np.full(ts.shape, np.datetime64("NaT", "us")), *EXPECTED, due)
    with pytest.raises(TimestampError):
        staleness(ts, due, *EXPECTED, datetime.fromisoformat("2024-07-01"))
