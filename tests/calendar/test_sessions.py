"""Sessions on the H4 grid, against the vectors of the definitions and New York wall-clock arithmetic."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pipeline.calendar.sessions import expected_daily, expected_h4, is_open, next_open
from pipeline.errors import ComponentNotFoundError, TimestampError

NEW_YORK = ZoneInfo("America/New_York")
DATA = Path(os.environ.get("EIGHTBELLS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str, **kwargs) -> list[tuple[int, int]]:
    start = at(text)
    bars = expected_h4("XNYS", start, start + timedelta(days=1), **kwargs)
    return [(ts.hour, minutes) for ts, minutes in bars.select("ts", "minutes").iter_rows()]


@pytest.mark.parametrize(
    ("session", "cells"),
    [
        ("2024-07-01", [(12, 150), (16, 240)]),
        ("2024-01-03", [(12, 90), (16, 240), (20, 60)]),
        ("2024-11-29", [(12, 90), (16, 120)]),
        ("2024-07-03", [(12, 150), (16, 60)]),
        ("2024-03-08", [(12, 90), (16, 240), (20, 60)]),  # Friday before the clocks change
        ("2024-03-11", [(12, 150), (16, 240)]),  # Monday after
        ("2024-11-01", [(12, 150), (16, 240)]),
        ("2024-11-04", [(12, 90), (16, 240), (20, 60)]),
        ("2024-07-04", []),
        ("2024-07-06", []),
        ("1990-12-24", [(12, 90), (16, 180)]),  # closed at 14:00 New York in those years
        ("1991-07-01", [(12, 150), (16, 240)]),
        ("2006-04-03", [(12, 150), (16, 240)]),  # the clocks changed in April before 2007
    ],
)
def test_a_session_meets_the_grid_as_the_definitions_say(session, cells):
    assert day(session) == cells


def test_new_york_has_587_6_bars_a_year():
    bars = expected_h4("XNYS", at("2010-01-01"), at("2025-01-01"))
    assert bars.height == 15 * 587.6


@pytest.mark.parametrize(
    ("session", "bars"),
    [
        ("2024-07-01", [("09:30", "13:30"), ("13:30", "16:00")]),
        ("2024-01-03", [("09:30", "13:30"), ("13:30", "16:00")]),
        ("2024-11-29", [("09:30", "13:00")]),
    ],
)
def test_session2_cuts_the_session_by_new_york_time_in_every_season(session, bars):
    start = at(session)
    frame = expected_h4("XNYS", start, start + timedelta(days=1), equity_bars="session2")
    clock = [
        tuple(f"{t.astimezone(NEW_YORK):%H:%M}" for t in row)
        for row in frame.select("open_at", "close_at").iter_rows()
    ]
    assert clock == bars
    assert frame["ts"].is_unique().all()


def test_session2_gives_every_bar_a_cell_of_its_own_over_the_years():
    frame = expected_h4("XNYS", at("1993-01-01"), at("2025-01-01"), equity_bars="session2")
    assert frame["ts"].is_unique().all()
    assert frame["ts"].is_sorted()
    late = frame.filter(pl.col("close_at") > pl.col("ts") + timedelta(hours=4))
    assert late.height > 0  # the summer mornings, honest by known_at only
    assert (late["close_at"] - late["ts"]).max() == timedelta(hours=5, minutes=30)


def test_every_expected_bar_closes_in_its_cell_and_sessions_add_up():
    start, end = at("1990-01-01"), at("2030-01-01")
    bars, days = expected_h4("XNYS", start, end), expected_daily("XNYS", start, end)
    inside = (pl.col("ts") < pl.col("close_at")) & (pl.col("close_at") <= pl.col("ts") + timedelta(hours=4))
    assert bars.select(inside.all()).item()
    assert bars["ts"].is_unique().all()
    assert bars["ts"].is_sorted()
    assert bars["minutes"].sum() == days["minutes"].sum()
    whole = days.filter(pl.col("minutes") == 390)
    opens = {f"{t.astimezone(NEW_YORK):%H:%M}" for t in whole["open_at"]}
    assert opens == {"09:30"}


def test_a_window_cuts_by_label_and_windows_add_up():
    start, mid, end = at("2024-01-01"), at("2024-07-01T16:00"), at("2025-01-01")
    for calendar in ("XNYS", "24/7"):
        for expected in (expected_h4, expected_daily):
            whole = expected(calendar, start, end)
            parts = pl.concat([expected(calendar, start, mid), expected(calendar, mid, end)])
            assert parts.equals(whole)


def test_around_the_clock_every_cell_and_every_utc_day_is_expected():
    cells = expected_h4("24/7", at("2024-03-09T01:00"), at("2024-03-11"))
    assert cells["ts"][0] == at("2024-03-09T04:00")
    assert cells.height == 11
    assert cells["minutes"].unique().to_list() == [240]
    days = expected_daily("24/7", at("2024-03-09T01:00"), at("2024-03-12"))
    assert [t.day for t in days["ts"]] == [10, 11]
    assert days["close_at"].to_list() == [at("2024-03-11"), at("2024-03-12")]
    assert days["minutes"].unique().to_list() == [1440]


def test_a_daily_bar_is_labelled_by_its_session_date_and_closes_hours_later():
    bar = expected_daily("XNYS", at("2024-01-03"), at("2024-01-04")).row(0, named=True)
    assert bar == {
        "ts": at("2024-01-03"),
        "open_at": at("2024-01-03T14:30"),
        "close_at": at("2024-01-03T21:00"),
        "minutes": 390,
    }


def test_next_open_waits_for_the_session_and_the_weekend():
    assert next_open("XNYS", at("2024-07-05T20:00")) == at("2024-07-08T13:30")
    assert next_open("XNYS", at("2024-07-08T13:30")) == at("2024-07-08T13:30")
    assert next_open("XNYS", at("2024-07-08T13:31")) == at("2024-07-09T13:30")
    assert next_open("24/7", at("2024-07-06T20:00")) == at("2024-07-06T20:00")


def test_is_open_from_the_open_to_before_the_close():
    assert is_open("XNYS", at("2024-11-29T14:30"))
    assert is_open("XNYS", at("2024-11-29T17:59"))
    assert not is_open("XNYS", at("2024-11-29T18:00"))
    assert not is_open("XNYS", at("2024-11-28T16:00"))
    assert not is_open("XNYS", at("2024-11-29T14:29"))
    assert is_open("24/7", at("2024-11-28T16:00"))


def test_five_years_take_less_than_50_ms_once_the_calendar_is_loaded():
    expected_h4("XNYS", at("2019-01-01"), at("2019-02-01"))
    best = min(_seconds() for _ in range(3))
    assert best < 0.05


def _seconds() -> float:
    began = perf_counter()
    expected_h4("XNYS", at("2019-01-01"), at("2024-01-01"))
    return perf_counter() - began


def test_an_unknown_calendar_is_refused_naming_those_there_are():
    for call in (
        lambda: expected_h4("NYSE", at("2024-01-01"), at("2024-02-01")),
        lambda: is_open("x", at("2024-01-01")),
    ):
        with pytest.raises(ComponentNotFoundError, match="XNYS"):
            call()


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime.fromisoformat("2024-01-01"), at("2024-02-01")),
        (at("2024-02-01"), at("2024-01-01")),
        (at("1939-01-01"), at("2024-01-01")),
        (at("2024-01-01"), at("2050-01-01")),
    ],
)
def test_bounds_that_are_naive_reversed_or_beyond_the_calendar_are_refused(start, end):
    with pytest.raises(TimestampError):
        expected_h4("XNYS", start, end)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="EIGHTBELLS_DATA names no folder")
@pytest.mark.parametrize("name", ["spy_daily", "qqq_daily"])
def test_the_calendar_has_exactly_the_days_on_which_new_york_traded(name):
    dates: list[date] = pl.read_parquet(DATA / "equities" / f"{name}.parquet")["date"].to_list()
    start = datetime(dates[0].year, dates[0].month, dates[0].day, tzinfo=UTC)
    expected = expected_daily("XNYS", start, at("2023-01-01"))
    assert [t.date() for t in expected["ts"]] == dates
