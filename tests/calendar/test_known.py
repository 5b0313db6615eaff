"""When things are known: stated examples, and bounds that use none of the same code."""

import ast
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.calendar import bounds, known
from pipeline.calendar.bounds import known_after_stored, known_at_lower_bound, known_too_early
from pipeline.calendar.known import KnownRule, bar_known_at, known_at
from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.errors import ComponentNotFoundError, ConfigError, SchemaError, TimestampError
from resources.venues.fred_known import known_by_vintage

HOUR = np.timedelta64(1, "h")


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "label", "instant"),
    [
        ("session_close", "2024-07-01", "2024-07-01T20:15"),
        ("session_close", "2024-01-03", "2024-01-03T21:15"),
        ("session_close", "2024-11-29", "2024-11-29T18:15"),
        ("utc_day", "2024-02-28", "2024-02-29T00:00"),
        ("vix_settlement", "2024-07-01", "2024-07-01T20:30"),
        ("vix_settlement", "2024-01-03", "2024-01-03T21:30"),
        ("fred_daily", "2024-07-01", "2024-07-02T20:30"),
        ("fred_daily", "2024-07-03", "2024-07-05T20:30"),  # Independence Day
        ("fred_daily", "2024-03-28", "2024-04-01T20:30"),  # Good Friday, a weekend
        ("fred_daily", "2024-10-11", "2024-10-15T20:30"),  # Columbus Day: New York trades, FRED waits
        ("fred_daily", "2024-11-08", "2024-11-12T21:30"),  # Veterans Day, after the clocks changed
        ("monthly_release", "2024-06-01", "2024-07-01T14:15"),
        ("monthly_release", "2023-12-01", "2024-01-02T15:15"),
        ("monthly_release", "2019-08-15", "2019-09-03T14:15"),  # Labor Day
    ],
)
def test_each_rule_gives_the_instant_the_definitions_name(rule, label, instant):
    assert known_at(rule, times(label))[0] == np.datetime64(instant, "us")


def test_a_bar_is_known_at_its_close_plus_the_lag():
    close_at = times("2024-07-01T16:00")
    assert bar_known_at(close_at)[0] == close_at[0]
    assert bar_known_at(close_at, timedelta(minutes=15))[0] == np.datetime64("2024-07-01T16:15", "us")


def test_a_lag_of_the_source_replaces_the_default():
    assert known_at("session_close", times("2024-07-01"), lag=timedelta(hours=2))[0] == np.datetime64(
        "2024-07-01T22:00", "us"
    )


def test_a_day_without_a_session_is_never_known_rather_than_known_early():
    assert np.isnat(known_at("session_close", times("2024-07-04", "2024-07-06"))).all()


def test_the_daily_rule_of_a_market_without_sessions_is_the_end_of_its_utc_day():
    day = times("2024-07-06")
    assert known_at("session_close", day, calendar="24/7", lag=timedelta(0))[0] == day[0] + 24 * HOUR


def test_wrong_rules_lags_and_labels_are_refused():
    with pytest.raises(ComponentNotFoundError, match="fred_daily"):
        known_at("weekly", times("2024-07-01"))
    with pytest.raises(ComponentNotFoundError, match="session_close"):
        known_at_lower_bound("weekly", times("2024-07-01"))
    with pytest.raises(ConfigError):
        bar_known_at(times("2024-07-01"), timedelta(seconds=-1))
    with pytest.raises(TimestampError):
        known_at("utc_day", times("NaT"))
    with pytest.raises(TimestampError):
        known_at("fred_daily", times("1939-05-01"))
    with pytest.raises(SchemaError, match="known_at"):
        known_too_early(pl.DataFrame({"ts": [utc("2024-07-01")]}), "utc_day")


# --- the independent bounds -------------------------------------------------------------------------

WEEKDAYS = np.arange("1985-01-01", "2040-01-01", dtype="datetime64[D]")
WEEKDAYS = WEEKDAYS[np.is_busday(WEEKDAYS)].astype("datetime64[us]")


@pytest.mark.parametrize(
    ("rule", "exact"),
    [("session_close", 0.98), ("vix_settlement", 0.98), ("fred_daily", 0.98), ("monthly_release", 0.97)],
)
def test_no_bound_is_above_the_rule_and_nearly_all_are_tight(rule, exact):
    labels = WEEKDAYS[:-60]
    instants = known_at(rule, labels, lag=timedelta(0))
    session = ~np.isnat(instants)
    margin = (instants - known_at_lower_bound(rule, labels))[session]
    assert margin.min() >= np.timedelta64(0)
    assert (margin == np.timedelta64(0)).mean() >= exact


def test_no_h4_bound_is_above_the_close_of_its_bar_and_nearly_all_are_tight():
    bars = expected_h4("XNYS", utc("1990-01-01"), utc("2030-01-01"))
    ts, close_at = (bars[c].dt.replace_time_zone(None).to_numpy() for c in ("ts", "close_at"))
    margin = close_at - known_at_lower_bound("cell_new_york", ts)
    assert margin.min() >= np.timedelta64(0)
    assert (margin == np.timedelta64(0)).mean() > 0.98
    assert (known_at_lower_bound("cell", ts) == ts + 4 * HOUR).all()
    assert (known_at_lower_bound("utc_day", times("2024-02-29")) == times("2024-03-01")).all()


def test_before_hours_settled_the_bound_is_noon_and_below_every_close():
    days = expected_daily("XNYS", utc("1950-01-01"), utc("1985-01-01"))
    ts, close_at = (days[c].dt.replace_time_zone(None).to_numpy() for c in ("ts", "close_at"))
    assert (known_at_lower_bound("session_close", ts) <= close_at).all()


def frame(ts: str, known: str, **more) -> pl.DataFrame:
    return pl.DataFrame({"ts": [utc(ts)], "known_at": [utc(known)], **more})


def test_the_bound_catches_a_daily_bar_stamped_at_its_session_date():
    assert known_too_early(frame("2024-07-01", "2024-07-01T00:00"), "session_close").height == 1
    assert known_too_early(frame("2024-07-01", "2024-07-01T05:00"), "session_close").height == 1
    assert known_too_early(frame("2024-07-01", "2024-07-01T20:15"), "session_close").height == 0


def test_the_bound_catches_a_macro_value_stamped_by_its_reference_period():
    caught = known_too_early(frame("2024-06-01", "2024-06-01T00:00"), "monthly_release")
    assert caught["lower_bound"].to_list() == [utc("2024-07-01T14:00")]
    assert known_too_early(frame("2024-07-01", "2024-07-01T20:30"), "fred_daily").height == 1


def test_no_observation_bound_is_above_any_rule_of_a_published_series():
    labels = WEEKDAYS[:-60]
    for rule in ("fred_daily", "monthly_release", "vix_settlement"):
        instants = known_at(rule, labels, lag=timedelta(0))
        assert (instants >= known_at_lower_bound("observation", labels)).all()
    assert known_too_early(frame("2024-07-01", "2024-07-01T05:00"), "observation").height == 1


def test_a_vintage_is_no_older_than_its_date_in_new_york_and_an_action_no_older_than_its_open():
    assert known_too_early(frame("2024-07-05", "2024-07-05T00:00"), "vintage").height == 1
    assert known_too_early(frame("2024-07-05", "2024-07-06T05:00"), "vintage").height == 0
    opens = expected_daily("XNYS", utc("1990-01-01"), utc("2030-01-01"))
    ts, open_at = (opens[c].dt.replace_time_zone(None).to_numpy() for c in ("ts", "open_at"))
    assert (open_at >= known_at_lower_bound("ex_date", ts)).all()
    assert known_too_early(frame("2024-06-10", "2024-06-10T00:00"), "ex_date").height == 1


def test_no_vintage_of_fred_is_stamped_below_its_bound():
    since = pl.Series(pl.date_range(utc("2010-01-01"), utc("2024-12-31"), eager=True))
    stamped = known_by_vintage(since.dt.offset_by("-1d"), since, None)
    rows = pl.DataFrame(
        {"ts": since.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), "known_at": stamped}
    )
    assert known_too_early(rows, "vintage").is_empty()
    early = rows.with_columns(known_at=pl.col("ts"))
    assert known_too_early(early, "vintage").height == rows.height


def test_a_row_that_is_known_only_after_it_was_stored_is_named():
    stored = {"recorded_at": [utc("2024-07-01T20:15")]}
    assert known_after_stored(frame("2024-07-01", "2024-07-01T20:16", **stored)).height == 1
    assert known_after_stored(frame("2024-07-01", "2024-07-01T20:15", **stored)).height == 0


def test_the_bound_catches_winter_hours_used_in_summer_clock():
    # 16:00 New York is 21:00 UTC in winter: a source that always says 20:00 is an hour early.
    assert known_too_early(frame("2024-01-03", "2024-01-03T20:15"), "session_close").height == 1


def test_a_live_row_cannot_have_been_known_long_before_it_was_first_seen():
    seen = {"recorded_at": [utc("2024-07-01T22:00")], "live": [True]}
    row = frame("2024-07-01", "2024-07-01T20:15", **seen)
    assert known_too_early(row, "session_close", poll=timedelta(hours=1)).height == 1
    assert known_too_early(row, "session_close", poll=timedelta(hours=4)).height == 0
    backfill = row.with_columns(live=pl.lit(value=False))
    assert known_too_early(backfill, "session_close", poll=timedelta(hours=1)).height == 0


def test_the_bounds_import_nothing_that_the_ingest_stamps_with():
    tree = ast.parse(Path(bounds.__file__).read_text("utf-8"))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert not {m for m in imported if m and ("calendar" in m or "pandas" in m)}
    assert set(KnownRule) <= set(bounds._BOUNDS)
    assert set(KnownRule) == set(known.DEFAULT_LAG)


def test_federal_holidays_of_one_year_as_published():
    assert sorted(bounds._federal_holidays(2021)) == [
        date(2021, 1, 1), date(2021, 1, 18), date(2021, 2, 15), date(2021, 5, 31), date(2021, 6, 18),
        date(2021, 7, 5), date(2021, 9, 6), date(2021, 10, 11), date(2021, 11, 11), date(2021, 11, 25),
        date(2021, 12, 24), date(2021, 12, 31),
    ]  # fmt: skip
