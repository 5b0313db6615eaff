"""Coverage is counted by the calendar; its pictures stay small whatever the number of symbols and gaps."""

import io
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.market.coverage import COVERAGE_SCHEMA, coverage_by_month
from pipeline.market.coverage_pictures import coverage_map, gap_calendar
from pipeline.market.validation import all_gaps
from pipeline.pictures import BAD

START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
SPAN = (START, END)
COMPLETE = "#8fb9c9"


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pixels(png, colour):
    """How many pixels have a colour, give or take the palette."""
    wanted = np.round(255 * np.array(to_rgb(colour))).astype(int)
    return int((np.abs(opened(png) - wanted).max(axis=2) <= 6).sum())


def world(symbols, lacking=()):
    """Daily bars of many symbols, and what is expected of them; ``lacking`` miss every tenth session."""
    days = expected_daily("XNYS", START, END)
    expected = dict.fromkeys(symbols, days)
    parts = [
        days.select(pl.lit(s).alias("symbol"), "ts").filter(
            (pl.int_range(pl.len()) % 10 != 3) | pl.lit(s not in lacking)
        )
        for s in symbols
    ]
    return pl.concat(parts), expected


def drawn(bars, expected, **options):
    return coverage_map(coverage_by_month(bars, expected), "title", simulated=False, **options)


def test_a_month_counts_what_its_calendar_expects():
    cells = expected_h4("24/7", datetime(2020, 2, 27, tzinfo=UTC), datetime(2020, 3, 3, tzinfo=UTC))
    gone = (datetime(2020, 2, 29, 8, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC))
    bars = cells.select(pl.lit("BTC/USD").alias("symbol"), "ts").filter(~pl.col("ts").is_in(gone))
    stranger = bars.with_columns(ts=pl.col("ts") + timedelta(minutes=1))
    found = coverage_by_month(pl.concat([bars, stranger]), {"BTC/USD": cells})
    assert found.rows() == [("BTC/USD", date(2020, 2, 1), 18, 17), ("BTC/USD", date(2020, 3, 1), 12, 11)]
    assert dict(found.schema) == dict(COVERAGE_SCHEMA)


def test_nothing_expected_is_no_row():
    bars, _ = world(["A"])
    assert coverage_by_month(bars, {}).is_empty()


@pytest.mark.parametrize("count", [1, 3, 16, 17, 260])
def test_pictures_of_any_number_of_symbols_stay_small(count):
    symbols = [f"S{n:03}" for n in range(count)]
    bars, expected = world(symbols, lacking=symbols[::3])
    covered = drawn(bars, expected)
    gaps = gap_calendar(all_gaps(bars, "daily", expected, NOW), "title", span=SPAN, simulated=False)
    for png in (covered, gaps):
        height, width, _ = opened(png).shape
        assert len(png) < 100_000
        assert width == 720
        assert height <= 800


def test_a_complete_series_has_one_colour_and_a_lacking_one_others():
    whole, expected = world(["AAA"])
    lacking, _ = world(["AAA"], lacking=["AAA"])
    assert pixels(drawn(lacking, expected), COMPLETE) < pixels(drawn(whole, expected), COMPLETE) / 2


def test_the_worst_series_are_named_and_the_others_are_one_block():
    symbols = [f"S{n:03}" for n in range(100)]
    bars, expected = world(symbols, lacking=symbols[50:53])
    named = opened(drawn(bars, expected)).shape[0]
    more, _ = world(symbols, lacking=symbols[50:60])
    assert opened(drawn(more, expected)).shape[0] > named


def test_a_calendar_without_gaps_says_so_and_marks_nothing():
    bars, expected = world(["A", "B"])
    none = gap_calendar(all_gaps(bars, "daily", expected, NOW), "title", span=SPAN, simulated=False)
    assert pixels(none, BAD) == 0
    bars, expected = world(["A", "B"], lacking=["B"])
    some = gap_calendar(all_gaps(bars, "daily", expected, NOW), "title", span=SPAN, simulated=False)
    assert pixels(some, BAD) > 100


def test_a_longer_gap_is_a_larger_mark():
    days = expected_daily("XNYS", START, END)
    bars = days.select(pl.lit("A").alias("symbol"), "ts")

    def marked(length):
        kept = bars.filter(~pl.int_range(pl.len()).is_between(100, 99 + length))
        gaps = all_gaps(kept, "daily", {"A": days}, NOW)
        return gap_calendar(gaps, "title", span=SPAN, simulated=False)

    through = tuple(0.75 * channel + 0.25 for channel in to_rgb(BAD))
    assert pixels(marked(60), through) > 2 * pixels(marked(2), through)


def test_equal_frames_give_equal_bytes_and_simulated_ones_say_so():
    bars, expected = world(["A"], lacking=["A"])
    coverage = coverage_by_month(bars, expected)
    once = coverage_map(coverage, "title", simulated=True)
    assert once == coverage_map(coverage, "title", simulated=True)
    assert once != coverage_map(coverage, "title", simulated=False)
    nothing = coverage_map(coverage.clear(), "title", simulated=False)
    assert opened(nothing).shape[1] == 720
