"""Bad rows leave by name, what is missing is counted, nothing is repaired."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.calendar.known import known_at
from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.errors import DataError, SchemaError, TimestampError
from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA
from pipeline.market.findings import Severity
from pipeline.market.validation import Validation, validate_bars

DATA = Path(os.environ.get("EIGHTBELLS_DATA", Path(__file__).parents[3] / "shared" / "data"))
realdata = pytest.mark.realdata
has_data = pytest.mark.skipif(not DATA.exists(), reason="EIGHTBELLS_DATA names no folder")

H4 = timedelta(hours=4)
NAN, INF = float("nan"), float("inf")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START, END, NOW = utc("2024-07-01"), utc("2024-07-08"), utc("2024-07-20")
VICTIM = utc("2024-07-02T12:00")
EXPECTED = {"BTC/USD": expected_h4("24/7", START, END), "SPY": expected_h4("XNYS", START, END)}


def filled(expected: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Bars that move a little; the one of the victim has round prices."""
    moved = 1.0 + (pl.int_range(pl.len()) * (7919 + len(symbol)) % 101) / 1e5
    factor = pl.when(pl.col("ts") == VICTIM).then(1.0).otherwise(moved)
    return expected.with_columns(
        symbol=pl.lit(symbol), covered_minutes="minutes",
        open=100.0 * factor, high=102.0 * factor, low=99.0 * factor, close=101.0 * factor,
        volume=pl.int_range(pl.len()).cast(pl.Float64), adjustment=pl.lit("raw"), source=pl.lit("test"),
        venue=pl.lit(None, dtype=pl.String), vintage=pl.lit("as_published"), simulated=pl.lit(value=True),
        known_at="close_at",
    )  # fmt: skip


def bars_of(symbol: str) -> pl.DataFrame:
    return filled(EXPECTED[symbol], symbol)


GOOD = pl.concat([bars_of("BTC/USD"), bars_of("SPY")])


def validate(frame: pl.DataFrame, **options) -> Validation:
    return validate_bars(frame, **({"timeframe": "h4", "expected": EXPECTED, "now": NOW} | options))


def damaged(**values) -> pl.DataFrame:
    hit = (pl.col("symbol") == "BTC/USD") & (pl.col("ts") == VICTIM)
    return GOOD.with_columns(
        pl.when(hit).then(pl.lit(v, dtype=GOOD.schema[c])).otherwise(c).alias(c) for c, v in values.items()
    )


def test_good_bars_pass_untouched_and_nothing_is_found():
    got = validate(GOOD)
    assert got.clean.select(GOOD.columns).equals(GOOD.sort("symbol", "ts"))
    assert got.quarantined.is_empty()
    assert got.gaps.is_empty()
    assert got.findings == ()


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("not_finite", {"close": NAN}),
        ("not_finite", {"open": INF}),
        ("not_finite", {"high": None}),
        ("non_positive", {"low": 0.0}),
        ("non_positive", {"low": -1.0, "open": -1.0, "high": -1.0, "close": -1.0}),
        ("ohlc_order", {"high": 100.5}),
        ("ohlc_order", {"low": 100.5}),
        ("ohlc_order", {"high": 98.0, "low": 103.0}),
        ("bad_volume", {"volume": -1.0}),
        ("bad_volume", {"volume": INF}),
        ("off_grid", {"ts": VICTIM + timedelta(hours=1)}),
        ("off_grid", {"ts": VICTIM + timedelta(minutes=1)}),
        ("wrong_cell", {"close_at": VICTIM + H4 + timedelta(minutes=1), "known_at": VICTIM + 2 * H4}),
        ("wrong_cell", {"open_at": VICTIM - 2 * H4, "close_at": VICTIM}),
        ("straddle", {"open_at": VICTIM - timedelta(minutes=30)}),
        ("time_order", {"open_at": VICTIM + H4}),
        ("known_too_early", {"known_at": VICTIM + H4 - timedelta(seconds=1)}),
        ("future", {"known_at": NOW + timedelta(seconds=1)}),
        ("missing_value", {"known_at": None}),
        ("missing_value", {"ts": None}),
        ("missing_value", {"close_at": None}),
        ("missing_value", {"symbol": None}),
    ],
)
def test_each_damage_is_quarantined_under_its_rule_and_leaves_a_gap(rule, values):
    got = validate(damaged(**values))
    assert got.quarantined["rule"].to_list() == [rule]
    assert got.clean.height == GOOD.height - 1
    row = got.quarantined.row(0, named=True)
    assert row["dataset"] == "market.ohlcv_h4"
    assert row["reason"]
    came = {"open": 100.0, "high": 102.0, "low": 99.0, "close": 101.0, "volume": 9.0}
    stored = json.loads(row["row_json"])
    assert {c: str(stored[c]) for c in came} == {c: str(values.get(c, came[c])) for c in came}
    assert got.gaps.rows() == [("BTC/USD", "h4", VICTIM, VICTIM, 1)]
    assert {f.rule for f in got.findings} == {rule, "gap"}
    wanted = Severity.WARN if rule == "straddle" else Severity.ERROR
    assert next(f for f in got.findings if f.rule == rule).severity is wanted


def test_a_bar_on_a_holiday_is_outside_the_session():
    holiday = bars_of("SPY").head(1).with_columns(
        ts=utc("2024-07-04T12:00"), open_at=utc("2024-07-04T13:30"),
        close_at=utc("2024-07-04T16:00"), known_at=utc("2024-07-04T16:00"),
    )  # fmt: skip
    got = validate(pl.concat([GOOD, holiday.select(GOOD.columns)]))
    assert got.quarantined["rule"].to_list() == ["outside_session"]
    assert got.gaps.is_empty()


def test_a_straddling_bar_passes_where_the_mapping_allows_it():
    frame = damaged(open_at=VICTIM - timedelta(minutes=30))
    assert validate(frame, allow_straddle=True).quarantined.is_empty()


def test_a_session2_morning_may_close_after_its_cell_because_the_calendar_says_so():
    expected = {"SPY": expected_h4("XNYS", START, END, equity_bars="session2")}
    frame = filled(expected["SPY"], "SPY")
    got = validate(frame, expected=expected)
    assert got.quarantined.is_empty()
    assert got.clean.height == 7  # four sessions, one of them a half day


def test_the_same_row_twice_is_kept_once():
    twin = GOOD.filter(pl.col("ts") == VICTIM, pl.col("symbol") == "SPY")
    got = validate(pl.concat([GOOD, twin, twin]))
    assert_frame_equal(got.clean, validate(GOOD).clean)
    assert got.quarantined["rule"].to_list() == ["duplicate", "duplicate"]
    assert got.gaps.is_empty()


def test_two_different_rows_for_one_bar_are_both_refused_because_nobody_knows_which_is_right():
    other = GOOD.filter(pl.col("ts") == VICTIM, pl.col("symbol") == "SPY").with_columns(close=101.5)
    got = validate(pl.concat([GOOD, other]))
    assert got.quarantined["rule"].to_list() == ["conflict", "conflict"]
    assert got.gaps.rows() == [("SPY", "h4", VICTIM, VICTIM, 1)]
    assert "2 of them in quarantine" not in str(got.findings)
    assert next(f for f in got.findings if f.rule == "gap").reason.endswith("1 of them in quarantine")


def test_gaps_are_runs_of_expected_bars_with_first_last_and_count():
    lost = [
        utc("2024-07-02T04:00"),
        utc("2024-07-02T08:00"),
        utc("2024-07-03T00:00"),
        utc("2024-07-07T20:00"),
    ]
    got = validate(GOOD.filter(~(pl.col("ts").is_in(lost) & (pl.col("symbol") == "BTC/USD"))))
    assert got.gaps.rows() == [
        ("BTC/USD", "h4", lost[0], lost[1], 2),
        ("BTC/USD", "h4", lost[2], lost[2], 1),
        ("BTC/USD", "h4", lost[3], lost[3], 1),
    ]
    assert got.gaps.schema == pl.Schema(GAP_SCHEMA)
    assert [(f.ts, f.last, f.count, f.severity) for f in got.findings] == [
        (first, last, n, Severity.WARN) for _, _, first, last, n in got.gaps.rows()
    ]


def test_a_gap_across_a_weekend_counts_only_expected_bars():
    expected = {"SPY": expected_h4("XNYS", START, utc("2024-07-13"))}
    days = [utc("2024-07-05T16:00"), utc("2024-07-08T12:00")]
    frame = filled(expected["SPY"].filter(~pl.col("ts").is_in(days)), "SPY")
    assert validate(frame, expected=expected).gaps.rows() == [("SPY", "h4", *days, 2)]


def test_what_is_not_closed_yet_is_neither_data_nor_a_gap():
    now = utc("2024-07-05T02:00")
    got = validate(GOOD, now=now)
    assert set(got.quarantined["rule"]) == {"future"}
    assert got.clean["close_at"].max() <= now
    assert got.gaps.is_empty()
    assert validate(got.clean, now=now).quarantined.is_empty()


def test_a_symbol_without_any_row_is_one_long_gap():
    got = validate(bars_of("BTC/USD"))
    assert got.gaps["count"].to_list() == [EXPECTED["SPY"].height]


def test_rows_out_of_order_are_reported_and_come_out_sorted():
    got = validate(GOOD.reverse())
    assert got.clean.equals(validate(GOOD).clean)
    assert {(f.rule, f.symbol, f.severity) for f in got.findings} == {
        ("non_monotonic", "BTC/USD", Severity.WARN),
        ("non_monotonic", "SPY", Severity.WARN),
    }


def test_a_bar_that_its_source_covers_in_part_says_so():
    got = validate(damaged(covered_minutes=180))
    assert [(f.rule, f.severity, f.ts, f.count) for f in got.findings] == [
        ("partial", Severity.INFO, VICTIM, 1)
    ]


@pytest.mark.parametrize(("factor", "found"), [(100.0, 2), (0.2, 2), (4.9, 0), (0.21, 0)])
def test_prices_in_another_unit_are_pointed_out_where_they_begin_and_end(factor, found):
    one = bars_of("BTC/USD")
    strange = pl.int_range(pl.len()).is_between(10, 15)
    flat = one.with_columns(pl.lit(100.0).alias(price) for price in ("open", "high", "low", "close"))
    changed = flat.with_columns(
        pl.when(strange).then(pl.col(price) * factor).otherwise(price).alias(price)
        for price in ("open", "high", "low", "close")
    )
    got = validate_bars(changed, timeframe="h4", expected={"BTC/USD": EXPECTED["BTC/USD"]}, now=NOW)
    assert got.clean.height == one.height
    jumps = [(f.severity, f.ts, f.count) for f in got.findings if f.rule == "jump"]
    assert jumps == [(Severity.WARN, one["ts"][row], 1) for row in (10, 16)[:found]]


def test_no_rows_at_all_are_gaps_not_an_error():
    got = validate(GOOD.clear())
    assert got.gaps["count"].to_list() == [e.height for e in EXPECTED.values()]
    assert got.quarantined.schema == pl.Schema(QUARANTINE_SCHEMA)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DataError, match="SPY"):
        validate(GOOD, expected={"BTC/USD": EXPECTED["BTC/USD"]})
    with pytest.raises(TimestampError):
        validate(GOOD, now=datetime.fromisoformat("2024-07-20"))
    with pytest.raises(SchemaError, match="close"):
        validate(GOOD.drop("close"))


PRICE = st.sampled_from([NAN, INF, -1.0, 0.0, 98.0, 100.0, 101.5, 103.0, None])
SHIFT = st.sampled_from(
    [timedelta(0), timedelta(minutes=-30), timedelta(hours=1), H4, -H4, timedelta(days=30)]
)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_clean_and_quarantined_rows_together_are_the_rows_that_came_in(data):
    n = data.draw(st.integers(0, 12))
    frame = GOOD.sample(n, with_replacement=True, seed=data.draw(st.integers(0, 99))).with_columns(
        *(
            pl.Series(c, data.draw(st.lists(PRICE, min_size=n, max_size=n)), dtype=pl.Float64)
            for c in ("open", "close")
        ),
        pl.col("ts") + pl.Series(data.draw(st.lists(SHIFT, min_size=n, max_size=n)), dtype=pl.Duration("us")),
    )
    got = validate(frame)
    assert got.clean.height + got.quarantined.height == n
    kept = got.clean.select("symbol", "ts")
    assert kept.is_unique().all()
    stored = [json.loads(r) for r in got.quarantined["row_json"]]
    back = sorted((r["symbol"], r["ts"], str(r["open"])) for r in stored)
    clean = [(r["symbol"], r["ts"].isoformat(), str(r["open"])) for r in got.clean.iter_rows(named=True)]
    came = [(r["symbol"], r["ts"].isoformat(), str(r["open"])) for r in frame.iter_rows(named=True)]
    assert sorted(back + clean) == sorted(came)


def daily(name: str, symbol: str, rule: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    table = pl.read_parquet(DATA / "equities" / f"{name}.parquet")
    day = table["date"].cast(pl.Datetime("us"))
    ts = day.dt.replace_time_zone("UTC").alias("ts")
    frame = table.with_columns(
        ts,
        symbol=pl.lit(symbol),
        open_at=ts + timedelta(hours=13),
        close_at=ts + timedelta(hours=17),
        adjustment=pl.lit("raw"),
        source=pl.lit(name),
        vintage=pl.lit("as_published"),
        simulated=pl.lit(value=False),
        known_at=pl.Series(known_at(rule, day.to_numpy())).dt.replace_time_zone("UTC"),
    )
    first, last = frame["ts"][0], frame["ts"][-1]
    return frame, expected_daily("XNYS", first, last + timedelta(days=1))


@realdata
@has_data
def test_the_47_vix_rows_that_break_their_own_range_are_quarantined_by_name():
    frame, expected = daily("vix_daily", "VIX", "vix_settlement")
    got = validate_bars(frame, timeframe="daily", expected={"VIX": expected}, now=NOW)
    rules = dict(got.quarantined["rule"].value_counts().iter_rows())
    assert rules == {"ohlc_order": 47, "outside_session": 6}  # the six: index values on market holidays
    broken = got.quarantined.filter(pl.col("rule") == "ohlc_order")["ts"]
    assert (broken.min().year, broken.max().year) == (1992, 2006)
    assert got.clean.height == frame.height - 53


@realdata
@has_data
@pytest.mark.parametrize("name", ["spy_daily", "qqq_daily"])
def test_thirty_years_of_daily_bars_keep_every_rule(name):
    frame, expected = daily(name, "X", "session_close")
    got = validate_bars(frame, timeframe="daily", expected={"X": expected}, now=NOW)
    assert got.findings == ()
    assert got.clean.height == frame.height


@realdata
@has_data
def test_the_sixteen_bars_that_binance_lost_are_gaps_and_nothing_is_quarantined():
    raw = pl.read_parquet(DATA / "crypto" / "binance_btcusdt_4h.parquet").rename({"timestamp": "ts"})
    frame = raw.with_columns(
        symbol=pl.lit("BTC/USD"), open_at="ts", close_at=pl.col("ts") + H4, known_at=pl.col("ts") + H4,
        adjustment=pl.lit("raw"), source=pl.lit("binance"), vintage=pl.lit("as_published"), simulated=False,
    )  # fmt: skip
    expected = expected_h4("24/7", raw["ts"][0], utc("2023-01-01"))
    got = validate_bars(frame, timeframe="h4", expected={"BTC/USD": expected}, now=NOW)
    assert got.quarantined.is_empty()
    assert [(f"{first:%Y-%m-%d}", n) for _, _, first, _, n in got.gaps.rows()] == [
        ("2018-02-08", 7), ("2018-06-26", 2), ("2018-07-04", 1), ("2018-11-14", 1),
        ("2019-03-12", 1), ("2019-05-15", 2), ("2019-08-15", 1), ("2020-02-19", 1),
    ]  # fmt: skip
