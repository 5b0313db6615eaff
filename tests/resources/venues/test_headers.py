"""Headers of answers: the venue's time, and how long it asks to wait."""

from datetime import UTC, datetime, timedelta

import pytest

from resources.venues.headers import date_of, retry_after_s, skew_finding

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
DATE = "Fri, 01 Mar 2024 12:00:00 GMT"


@pytest.mark.parametrize("text", [DATE, "Friday, 01-Mar-24 12:00:00 GMT", "Fri, 01 Mar 2024 13:00:00 +0100"])
def test_dates_are_instants_in_utc(text):
    assert date_of({"Date": text}) == NOW


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "yesterday"}, {"Date": "Fri, 99 Mar 2024"}])
def test_a_date_that_is_none_tells_nothing(headers):
    assert date_of(headers) is None


def test_an_answer_from_a_cache_is_as_old_as_its_making_so_that_its_last_bar_still_counts_as_forming():
    assert date_of({"Date": DATE, "Age": "30"}) == NOW


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "Fri, 01 Mar 2024 12:00:09 GMT"}, 9.0),
        ({"Retry-After": "Fri, 01 Mar 2024 11:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers, seconds):
    assert retry_after_s(headers, NOW) == seconds


def test_a_retry_date_counts_from_the_venues_own_clock():
    skewed = {"Date": "Fri, 01 Mar 2024 15:00:00 GMT", "Retry-After": "Fri, 01 Mar 2024 15:00:04 GMT"}
    assert retry_after_s(skewed, NOW) == 4.0


@pytest.mark.parametrize(("seconds", "word"), [(6, "6 s ahead of"), (-90, "90 s behind")])
def test_a_skewed_clock_is_told_with_its_direction(seconds, word):
    finding = skew_finding(NOW + timedelta(seconds=seconds), NOW, "SPY", "alpaca")
    assert (finding.rule, finding.symbol) == ("clock_skew", "SPY")
    assert word in finding.reason


@pytest.mark.parametrize("at", [None, NOW + timedelta(seconds=5), NOW - timedelta(seconds=5)])
def test_five_seconds_and_an_unknown_clock_are_no_finding(at):
    assert skew_finding(at, NOW, "SPY", "alpaca") is None


@pytest.mark.parametrize("count", ["\u00b2", "9" * 20, "9" * 5000, "1.5", "+7"])
def test_a_count_of_seconds_that_is_none_tells_nothing(count):
    assert retry_after_s({"Retry-After": count}, NOW) is None


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_a_date_beyond_every_calendar_tells_nothing(date):
    assert date_of({"Date": date}) is None
    assert retry_after_s({"Retry-After": date}, NOW) is None
