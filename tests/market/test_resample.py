"""H4 and daily bars from finer ones, against a plain loop, the exchange's own 4h file and daily files."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calendar.grid import CELL, cell_of_close
from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.errors import SchemaError
from pipeline.market.bars import BAR_SCHEMA, QUARANTINE_SCHEMA
from pipeline.market.resample import to_daily, to_h4

DATA = Path(os.environ.get("EIGHTBELLS_DATA", Path(__file__).parents[3] / "shared" / "data"))
realdata = pytest.mark.realdata
has_data = pytest.mark.skipif(not DATA.exists(), reason="EIGHTBELLS_DATA names no folder")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def row(open_at: datetime, close_at: datetime, price: float = 100.0, **changes) -> dict:
    return {
        "symbol": "X", "open_at": open_at, "close_at": close_at, "open": price, "high": price + 2,
        "low": price - 1, "close": price + 1, "volume": 10.0, "known_at": close_at,
    } | changes  # fmt: skip


def hours(start: str, n: int, **changes) -> list[dict]:
    return [row(utc(start) + i * HOUR, utc(start) + (i + 1) * HOUR, 100.0 + i, **changes) for i in range(n)]


def frame(rows: list[dict]) -> pl.DataFrame:
    times = {c: BAR_SCHEMA[c] for c in ("open_at", "close_at", "known_at")}
    return pl.DataFrame(rows, schema_overrides={**times, "volume": pl.Float64()})


def test_four_hours_make_one_bar():
    bars, quarantined = to_h4(frame(hours("2024-07-01T08:00", 4)), "24/7")
    assert quarantined.is_empty()
    assert bars.to_dicts() == [
        {
            "symbol": "X", "ts": utc("2024-07-01T08:00"), "open_at": utc("2024-07-01T08:00"),
            "close_at": utc("2024-07-01T12:00"), "minutes": 240, "covered_minutes": 240, "open": 100.0,
            "high": 105.0, "low": 99.0, "close": 104.0, "volume": 40.0, "state": "final",
            "known_at": utc("2024-07-01T12:00"),
        }
    ]  # fmt: skip


def test_a_session_gets_the_calendar_s_minutes_and_says_what_it_covers():
    rows = [row(utc("2024-01-03T14:30"), utc("2024-01-03T15:00")), *hours("2024-01-03T15:00", 6)]
    bars, quarantined = to_h4(frame(rows), "XNYS")
    assert quarantined.is_empty()
    assert bars.select("minutes", "covered_minutes").rows() == [(90, 90), (240, 240), (60, 60)]
    assert bars["open_at"].to_list() == [utc(f"2024-01-03T{t}") for t in ("14:30", "16:00", "20:00")]
    assert bars["close_at"].to_list() == [utc(f"2024-01-03T{t}") for t in ("16:00", "20:00", "21:00")]
    partial, _ = to_h4(frame(rows[:1] + rows[2:4]), "XNYS")
    assert partial.select("minutes", "covered_minutes").rows() == [(90, 30), (240, 120)]


def test_an_interval_that_ends_without_rows_is_known_at_its_end_not_at_its_last_row():
    rows = [r | {"known_at": r["close_at"] + 5 * MINUTE} for r in hours("2024-07-01T08:00", 2)]
    bars, _ = to_h4(frame(rows), "24/7")
    assert bars["close_at"].to_list() == [utc("2024-07-01T12:00")]
    assert bars["known_at"].to_list() == [utc("2024-07-01T12:05")]
    assert bars["covered_minutes"].to_list() == [120]


def test_a_row_known_late_holds_up_its_bar():
    rows = hours("2024-07-01T08:00", 4)
    rows[1]["known_at"] = utc("2024-07-01T18:00")
    bars, _ = to_h4(frame(rows), "24/7")
    assert bars["known_at"].to_list() == [utc("2024-07-01T18:00")]


def test_an_unknown_volume_makes_the_bar_s_volume_unknown():
    rows = hours("2024-07-01T08:00", 8)
    rows[1]["volume"] = None
    bars, _ = to_h4(frame(rows), "24/7")
    assert bars["volume"].to_list() == [None, 40.0]


def test_a_bar_that_straddles_a_cell_is_quarantined_by_name():
    rows = [row(utc("2024-07-01T13:30") + i * HOUR, utc("2024-07-01T14:30") + i * HOUR) for i in range(6)]
    bars, quarantined = to_h4(frame(rows), "XNYS")
    assert quarantined.select("rule", "severity", "dataset").rows() == [
        ("straddle", "warn", "market.ohlcv_h4")
    ]
    assert "15:30" in quarantined["reason"][0]
    assert bars["covered_minutes"].to_list() == [120, 180]


def test_an_allowed_straddler_goes_to_the_cell_of_its_close_and_opens_before_it():
    rows = [row(utc("2024-07-01T13:30") + i * HOUR, utc("2024-07-01T14:30") + i * HOUR) for i in range(6)]
    bars, quarantined = to_h4(frame(rows), "XNYS", allow_straddle=True)
    assert quarantined.is_empty()
    assert bars["open_at"].to_list() == [utc("2024-07-01T13:30"), utc("2024-07-01T15:30")]
    assert bars["known_at"].to_list() == [utc("2024-07-01T16:00"), utc("2024-07-01T20:00")]
    assert bars["covered_minutes"].to_list() == [120, 210]  # half an hour of the straddler is the cell's


def test_rows_outside_the_session_are_dropped_and_counted():
    rows = [
        row(utc("2024-07-01T12:30"), utc("2024-07-01T13:30")),  # before the open
        *hours("2024-07-03T16:00", 2),  # the second after a half day's close
        row(utc("2024-07-04T14:00"), utc("2024-07-04T15:00")),  # holiday
        row(utc("2024-07-06T14:00"), utc("2024-07-06T15:00")),  # Saturday
    ]
    bars, quarantined = to_h4(frame(rows), "XNYS")
    assert quarantined["rule"].to_list() == ["outside_session"] * 4
    assert bars["ts"].to_list() == [utc("2024-07-03T16:00")]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("not_finite", {"high": float("nan")}),
        ("non_positive", {"low": 0.0}),
        ("ohlc_order", {"high": 90.0}),
        ("bad_volume", {"volume": -5.0}),
        ("known_too_early", {"known_at": utc("2024-07-01T09:00")}),
        ("missing_value", {"close_at": None}),
        ("time_order", {"open_at": utc("2024-07-01T10:00")}),
        ("overlap", {"open_at": utc("2024-07-01T08:30")}),
    ],
)
def test_a_bad_row_is_quarantined_before_a_sum_could_hide_it(rule, changes):
    rows = hours("2024-07-01T08:00", 4)
    rows[1] |= changes
    bars, quarantined = to_h4(frame(rows), "24/7")
    assert quarantined["rule"].to_list() == [rule]
    assert bars.select("covered_minutes", "volume").rows() == [(180, 30.0)]


def test_a_row_given_twice_counts_once_and_two_versions_of_an_hour_count_not_at_all():
    rows = hours("2024-07-01T08:00", 4)
    bars, quarantined = to_h4(frame([*rows, rows[2]]), "24/7")
    assert quarantined["rule"].to_list() == ["duplicate"]
    assert bars["volume"].to_list() == [40.0]
    bars, quarantined = to_h4(frame([*rows, rows[2] | {"close": 102.5}]), "24/7")
    assert quarantined["rule"].to_list() == ["conflict", "conflict"]
    assert bars["volume"].to_list() == [30.0]


def test_session2_cuts_hours_at_half_past_one_in_new_york():
    half_hours = [
        row(utc(day) + i * 30 * MINUTE, utc(day) + (i + 1) * 30 * MINUTE)
        for day in ("2024-07-01T13:30", "2024-01-03T14:30")
        for i in range(13)
    ]
    bars, quarantined = to_h4(frame(half_hours), "XNYS", equity_bars="session2")
    assert quarantined.is_empty()
    assert bars.select("minutes", "covered_minutes").rows() == [(240, 240), (150, 150)] * 2
    whole_hours = hours("2024-07-01T14:00", 6)
    _, quarantined = to_h4(frame(whole_hours), "XNYS", equity_bars="session2")
    assert quarantined["rule"].to_list() == ["straddle"]  # 13:00 to 14:00 New York


def test_provenance_is_carried_where_given():
    rows = hours(
        "2024-07-01T08:00",
        4,
        source="f",
        venue="v",
        adjustment="raw",
        vintage="as_published",
        simulated=False,
    )
    bars, _ = to_h4(frame(rows), "24/7")
    assert bars.schema == pl.Schema(BAR_SCHEMA)
    assert bars.select("source", "venue", "adjustment", "vintage", "simulated").rows() == [
        ("f", "v", "raw", "as_published", False)
    ]


@pytest.mark.parametrize(
    ("states", "made"),
    [
        (["final", "final", "provisional", "final"], "provisional"),
        (["provisional", "imputed", "final", "final"], "imputed"),
        (["final"] * 4, "final"),
    ],
)
def test_a_bar_is_as_complete_as_the_least_complete_of_its_rows(states, made):
    rows = [row | {"state": s} for row, s in zip(hours("2024-07-01T08:00", 4), states, strict=True)]
    bars, _ = to_h4(frame(rows), "24/7")
    assert bars["state"].to_list() == [made]


def test_nothing_gives_nothing_and_a_missing_column_is_named():
    bars, quarantined = to_h4(frame(hours("2024-07-01T08:00", 4)).clear(), "24/7")
    assert bars.is_empty()
    assert quarantined.schema == pl.Schema(QUARANTINE_SCHEMA)
    with pytest.raises(SchemaError, match="known_at"):
        to_h4(frame(hours("2024-07-01T08:00", 4)).drop("known_at"), "24/7")


def loop(rows: list[dict]) -> list[tuple]:
    """The same for hours around the clock, one bar after the other."""
    bars: dict[datetime, list[dict]] = {}
    for r in sorted(rows, key=lambda r: r["open_at"]):
        bars.setdefault(cell_of_close(r["close_at"]), []).append(r)
    return [
        (
            ts, part[0]["open"], max(r["high"] for r in part), min(r["low"] for r in part), part[-1]["close"],
            sum(r["volume"] for r in part), 60 * len(part), max(ts + CELL, *(r["known_at"] for r in part)),
        )
        for ts, part in sorted(bars.items())
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 71), max_size=60), st.randoms(use_true_random=False))
def test_any_hours_in_any_order_give_what_a_plain_loop_gives(present, random):
    rows = []
    for i in present:
        a, b = random.uniform(50, 60), random.uniform(50, 60)
        rows.append(
            row(utc("2024-02-28") + i * HOUR, utc("2024-02-28") + (i + 1) * HOUR)
            | {"open": a, "close": b, "high": max(a, b) + 1, "low": min(a, b) - 1, "volume": float(i)}
        )
    random.shuffle(rows)
    bars, quarantined = to_h4(frame(rows) if rows else frame(hours("2024-02-28", 1)).clear(), "24/7")
    assert quarantined.is_empty()
    columns = ("ts", "open", "high", "low", "close", "volume", "covered_minutes", "known_at")
    assert bars.select(columns).rows() == loop(rows)


def test_a_day_is_its_bars_and_a_day_without_its_last_bar_has_no_close():
    h4, _ = to_h4(frame(hours("2024-07-01T00:00", 71)), "24/7")
    short = h4.filter(pl.col("ts") != utc("2024-07-02T20:00"))
    days, quarantined = to_daily(short, "24/7")
    assert quarantined.is_empty()
    assert days["ts"].to_list() == [utc("2024-07-01"), utc("2024-07-03")]
    assert days["close_at"].to_list() == [utc("2024-07-02"), utc("2024-07-04")]
    assert days.select("minutes", "covered_minutes").rows() == [(1440, 1440), (1440, 1380)]
    first = days.row(0, named=True)
    assert (first["open"], first["high"], first["low"], first["close"]) == (100.0, 125.0, 99.0, 124.0)
    assert first["volume"] == 240.0
    assert first["known_at"] == utc("2024-07-02")


def test_a_day_without_its_first_bars_still_has_its_close():
    h4, _ = to_h4(frame(hours("2024-07-01T08:00", 16)), "24/7")
    days, _ = to_daily(h4, "24/7")
    assert days.select("ts", "covered_minutes").rows() == [(utc("2024-07-01"), 960)]


def test_a_session_day_is_labelled_by_its_date_and_known_at_its_close():
    rows = [row(utc("2024-01-03T14:30"), utc("2024-01-03T15:00")), *hours("2024-01-03T15:00", 6)]
    h4, _ = to_h4(frame(rows), "XNYS")
    days, _ = to_daily(h4, "XNYS")
    assert days.select("ts", "close_at", "known_at", "minutes").rows() == [
        (utc("2024-01-03"), utc("2024-01-03T21:00"), utc("2024-01-03T21:00"), 390)
    ]
    assert to_daily(h4.head(2), "XNYS")[0].is_empty()  # the close is missing


def real(name: str, symbol: str) -> pl.DataFrame:
    return pl.read_parquet(DATA / f"{name}.parquet").with_columns(
        symbol=pl.lit(symbol), open_at="timestamp", close_at=pl.col("timestamp") + HOUR
    )


@realdata
@has_data
def test_binance_hours_make_exactly_its_own_4h_bars():
    # Prices are equal to the last bit; three bars of 11,761 differ in volume, in the source itself.
    fine = real("crypto/binance_btcusdt_1h", "BTC/USD").with_columns(known_at="close_at")
    bars, quarantined = to_h4(fine, "24/7")
    own = pl.read_parquet(DATA / "crypto/binance_btcusdt_4h.parquet").rename({"timestamp": "ts"})
    both = bars.join(own, on="ts", suffix="_own")
    assert quarantined.is_empty()
    assert bars.height == own.height == both.height == 11_761
    for price in ("open", "high", "low", "close"):
        assert (both[price] == both[f"{price}_own"]).all()
    off = both.filter((pl.col("volume") / pl.col("volume_own") - 1).abs() > 1e-9)
    assert [f"{t:%Y-%m-%d %H}" for t in off["ts"]] == ["2017-09-06 16", "2019-06-07 20", "2021-02-11 00"]
    days, _ = to_daily(bars, "24/7")
    lost = expected_daily("24/7", utc("2017-08-17"), utc("2023-01-01")).join(days, on="ts", how="anti")
    assert [f"{t:%Y-%m-%d}" for t in lost["ts"]] == ["2018-02-08"]


@realdata
@has_data
@pytest.mark.parametrize("name", ["equities/spy_1h_2024", "equities/qqq_1h_2024"])
def test_the_2024_hours_straddle_as_often_as_the_definitions_say(name):
    fine = real(name, "X")
    whole = fine.with_columns(known_at="close_at")
    _, quarantined = to_h4(whole, "XNYS")
    assert fine.height == 1_745
    assert (quarantined["rule"] == "straddle").sum() == 499
    last = pl.col("open_at").dt.convert_time_zone("America/New_York").dt.hour() == 15
    ends = pl.when(last).then(pl.col("open_at") + HOUR / 2).otherwise("close_at")
    _, quarantined = to_h4(fine.with_columns(close_at=ends, known_at=ends), "XNYS")
    assert quarantined["rule"].to_list() == ["straddle"] * 335


@realdata
@has_data
def test_whole_hour_stamps_of_spy_make_every_expected_bar_and_the_daily_closes():
    first = pl.col("open_at").dt.convert_time_zone("America/New_York").dt.hour() == 9
    fine = real("equities/spy_1h_2015_2020", "SPY").with_columns(
        open_at=pl.when(first).then(pl.col("open_at") + HOUR / 2).otherwise("open_at"), known_at="close_at"
    )
    bars, quarantined = to_h4(fine, "XNYS")
    expected = expected_h4("XNYS", utc("2015-01-01"), utc("2021-01-01"))
    assert quarantined.is_empty()
    assert bars["ts"].equals(expected["ts"])
    assert (bars["covered_minutes"] == bars["minutes"]).all()
    days, _ = to_daily(bars, "XNYS")
    daily = pl.read_parquet(DATA / "equities/spy_daily.parquet").with_columns(
        ts=pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    both = days.join(daily, on="ts", suffix="_daily")
    assert both.height == days.height == 1_511
    assert (both["close"] / both["close_daily"] - 1).abs().max() < 0.002
