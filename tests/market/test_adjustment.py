"""Adjustment by corporate actions against published prices, a slow reference, and the order of time."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.market.actions import ACTION_SCHEMA, actions_known_at
from pipeline.market.adjustment import (
    dividend_factors,
    restated_closes,
    split_adjusted,
    split_factors,
    total_return_adjusted,
    unadjusted,
)
from pipeline.market.bars import PRICES

LATER = datetime(2023, 1, 1, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def actions(*rows: tuple) -> pl.DataFrame:
    """Actions of (symbol, ex-date, kind, value) and perhaps the day they were declared."""
    frame = pl.DataFrame(
        [
            {
                "symbol": symbol, "ts": day(ex), "kind": kind, "value": value, "currency": "USD",
                "declared_at": day(declared[0]) if declared else None, "source": "test", "simulated": False,
            }
            for symbol, ex, kind, value, *declared in rows
        ],
        schema={name: dtype for name, dtype in ACTION_SCHEMA.items() if name != "known_at"},
    )  # fmt: skip
    return frame.with_columns(actions_known_at(frame["ts"], frame["declared_at"], "XNYS"))


def bars(symbol: str, closes: dict[str, float], *, adjustment: str = "raw") -> pl.DataFrame:
    """Daily bars by date, whose prices are all the close and whose volume is a million."""
    return pl.DataFrame(
        {
            "symbol": symbol,
            "ts": [day(date) for date in closes],
            **{price: list(closes.values()) for price in PRICES},
            "volume": 1e6,
            "adjustment": adjustment,
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )


SPLITS = actions(
    ("AAPL", "2014-06-09", "split", 7.0),
    ("AAPL", "2020-08-31", "split", 4.0),
    ("TSLA", "2020-08-31", "split", 5.0),
    ("TSLA", "2022-08-25", "split", 3.0),
    ("GE", "2021-08-02", "split", 0.125),
)
"""Published facts: Apple 7:1 and 4:1, Tesla 5:1 and 3:1, General Electric eight shares into one."""


@pytest.mark.parametrize(
    ("symbol", "date", "raw", "adjusted"),
    [
        ("AAPL", "2014-06-06", 645.57, 23.056),  # closes as printed then, and as charts show them in 2023
        ("AAPL", "2020-08-28", 499.23, 124.8075),
        ("AAPL", "2020-08-31", 129.04, 129.04),
        ("TSLA", "2020-08-28", 2213.40, 147.56),
        ("TSLA", "2020-08-31", 498.32, 166.1067),
        ("TSLA", "2022-08-24", 891.29, 297.0967),
        ("TSLA", "2022-08-25", 296.07, 296.07),
        ("GE", "2021-07-30", 12.95, 103.60),
        ("GE", "2021-08-02", 103.03, 103.03),
        ("MSFT", "2020-08-28", 228.91, 228.91),
    ],
)
def test_published_closes_are_adjusted_as_charts_show_them(symbol, date, raw, adjusted):
    got = split_adjusted(bars(symbol, {date: raw}), SPLITS, LATER)
    assert got["close"][0] == pytest.approx(adjusted, abs=5e-4)
    assert got["close"][0] * got["volume"][0] == pytest.approx(raw * 1e6, rel=1e-12)
    assert got["adjustment"].to_list() == ["split"]


def test_factors_are_steps_that_multiply_backwards():
    got = split_factors(SPLITS.filter(pl.col("symbol") == "TSLA"), LATER)
    assert got.rows() == [("TSLA", day("2020-08-31"), 15.0), ("TSLA", day("2022-08-25"), 3.0)]
    assert split_factors(SPLITS.clear(), LATER).rows() == []


@pytest.mark.parametrize(
    ("at", "close"),
    [
        ("2020-08-28T20:00", 499.23),
        ("2020-08-31T13:29", 499.23),
        ("2020-08-31T13:30", 124.8075),
        ("2014-06-06T20:00", 499.23),
    ],
)
def test_a_split_counts_from_the_open_of_its_ex_date(at, close):
    got = split_adjusted(bars("AAPL", {"2020-08-28": 499.23}), SPLITS, day(at))
    assert got["close"][0] == close


def test_a_declared_split_waits_for_its_ex_date_and_a_late_one_for_its_news():
    early = actions(("AAPL", "2020-08-31", "split", 4.0, "2020-07-30"))
    late = actions(("AAPL", "2020-08-31", "split", 4.0, "2020-09-15"))
    raw = bars("AAPL", {"2020-08-28": 400.0})
    closes = {
        at: [split_adjusted(raw, told, day(at))["close"][0] for told in (early, late)]
        for at in ("2020-08-30", "2020-08-31", "2020-09-14", "2020-09-15")
    }
    assert closes == {
        "2020-08-30": [400.0, 400.0],
        "2020-08-31": [100.0, 400.0],
        "2020-09-14": [100.0, 400.0],
        "2020-09-15": [100.0, 100.0],
    }


def test_h4_bars_of_the_day_before_are_divided_and_those_of_the_ex_date_are_not():
    cells = [day("2020-08-28T12:00"), day("2020-08-28T16:00"), day("2020-08-31T12:00")]
    raw = bars("AAPL", dict.fromkeys(["2020-08-26", "2020-08-27", "2020-08-28"], 400.0))
    got = split_adjusted(raw.with_columns(pl.Series("ts", cells)), SPLITS, LATER)
    assert got["close"].to_list() == [100.0, 100.0, 400.0]


def test_an_unknown_volume_stays_unknown():
    raw = bars("AAPL", {"2020-08-28": 400.0}).with_columns(volume=pl.lit(None, pl.Float64))
    assert split_adjusted(raw, SPLITS, LATER)["volume"].to_list() == [None]


@pytest.mark.parametrize("adjustment", ["split", "split_dividend", None])
def test_what_is_adjusted_already_is_not_adjusted_again(adjustment):
    done = bars("AAPL", {"2020-08-28": 400.0}, adjustment=adjustment)
    with pytest.raises(DataError, match="adjustment"):
        split_adjusted(done, SPLITS, LATER)


def test_raw_bars_cannot_be_unadjusted():
    with pytest.raises(DataError, match="adjustment"):
        unadjusted(bars("AAPL", {"2020-08-28": 400.0}), SPLITS, LATER)


def test_a_download_is_taken_back_by_the_splits_that_had_come_by_then():
    chart = bars("TSLA", {"2020-08-28": 442.68}, adjustment="split")
    assert unadjusted(chart, SPLITS, day("2021-01-01"))["close"][0] == pytest.approx(2213.40)
    chart = bars("TSLA", {"2020-08-28": 147.56}, adjustment="split")
    assert unadjusted(chart, SPLITS, LATER)["close"][0] == pytest.approx(2213.40)


DAYS = [day("2020-01-01") + timedelta(days=n) for n in range(0, 400, 7)]
RATIOS = st.sampled_from([2.0, 3.0, 1.5, 0.1, 0.125, 7.0, 1.281, 20.0])
SOME_SPLITS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 399), RATIOS, st.integers(-60, 60)),
    max_size=8,
    unique_by=lambda split: split[:2],
)


def some(splits: list[tuple[str, int, float, int]]) -> pl.DataFrame:
    rows = []
    for symbol, number, ratio, declared in splits:
        ex = day("2020-01-01") + timedelta(days=number)
        rows.append((symbol, f"{ex:%Y-%m-%d}", "split", ratio, f"{ex + timedelta(days=declared):%Y-%m-%d}"))
    return actions(*rows)


def walk() -> pl.DataFrame:
    closes = {f"{ts:%Y-%m-%d}": 100.0 + 7.3 * (n % 11) for n, ts in enumerate(DAYS)}
    return pl.concat([bars(symbol, closes) for symbol in "AB"]).sample(fraction=1.0, shuffle=True, seed=3)


@given(SOME_SPLITS)
def test_adjusting_and_taking_back_gives_the_raw_prices(splits):
    raw, told = walk(), some(splits)
    known = told.with_columns(known_at=pl.col("ts"))
    back = unadjusted(split_adjusted(raw, known, LATER), known, LATER)
    assert back.columns == raw.columns
    for column in (*PRICES, "volume"):
        assert ((back[column] / raw[column] - 1.0).abs() < 1e-12).all()
    assert back.drop(*PRICES, "volume").equals(raw.drop(*PRICES, "volume"))


@given(SOME_SPLITS, st.integers(0, 460))
def test_a_slow_reference_adjusts_alike(splits, when):
    raw, told, at = walk(), some(splits), day("2020-01-01") + timedelta(days=when)
    got = split_adjusted(raw, told, at)
    for row, (symbol, ts, close) in zip(
        got["close"], raw.select("symbol", "ts", "close").iter_rows(), strict=True
    ):
        expected = close
        for split in told.iter_rows(named=True):
            if split["symbol"] == symbol and ts < split["ts"] <= at and split["known_at"] <= at:
                expected /= split["value"]
        assert row == pytest.approx(expected, rel=1e-12)


@given(SOME_SPLITS, st.integers(0, 460))
def test_later_actions_change_nothing_that_was_known_before(splits, when):
    raw, told, at = walk(), some(splits), day("2020-01-01") + timedelta(days=when)
    known_then = told.filter(pl.max_horizontal("ts", "known_at") <= at)
    assert split_adjusted(raw, told, at).equals(split_adjusted(raw, known_then, at))


APPLE = actions(
    ("AAPL", "2020-08-07", "dividend", 0.82),
    ("AAPL", "2020-08-31", "split", 4.0),
    ("AAPL", "2020-11-06", "dividend", 0.205),
)
APPLE_RAW = bars(
    "AAPL",
    {
        "2020-08-06": 455.61,
        "2020-08-07": 444.45,
        "2020-08-28": 499.23,
        "2020-08-31": 129.04,
        "2020-11-05": 119.03,
    },
)


def test_apples_dividends_multiply_what_came_before_them():
    got = total_return_adjusted(APPLE_RAW, APPLE, LATER)
    november = 1.0 - 0.205 / 119.03
    august = 1.0 - 0.82 / 455.61
    expected = [
        455.61 / 4 * august * november,
        444.45 / 4 * november,
        499.23 / 4 * november,
        129.04 * november,
    ]
    assert got["close"].to_list() == pytest.approx([*expected, 119.03 * november], rel=1e-12)
    assert got["volume"].to_list() == [4e6, 4e6, 4e6, 1e6, 1e6]
    assert got["adjustment"].unique().to_list() == ["split_dividend"]


def test_the_total_return_over_an_ex_date_is_price_and_dividend():
    got = total_return_adjusted(APPLE_RAW, APPLE, LATER)["close"]
    bought_back = 444.45 / (455.61 - 0.82)
    assert got[1] / got[0] == pytest.approx(bought_back, rel=1e-12)


def test_a_dividend_on_the_day_of_a_split_is_for_the_new_shares():
    told = actions(("X", "2020-08-31", "split", 4.0), ("X", "2020-08-31", "dividend", 0.25))
    got = dividend_factors(bars("X", {"2020-08-28": 400.0}), told, LATER)
    assert got.rows() == [("X", day("2020-08-31"), pytest.approx(1.0 - 1.0 / 400.0, rel=1e-15))]


def test_a_dividend_before_the_first_bar_or_in_the_future_multiplies_nothing():
    told = actions(("X", "2020-01-02", "dividend", 1.0), ("X", "2020-12-01", "dividend", 1.0, "2020-01-01"))
    assert dividend_factors(bars("X", {"2020-06-01": 50.0}), told, day("2020-07-01")).is_empty()


def test_a_dividend_as_large_as_the_price_is_refused():
    told = actions(("X", "2020-08-31", "dividend", 82.0))
    with pytest.raises(DataError, match="as large as its price") as caught:
        dividend_factors(bars("X", {"2020-08-28": 50.0}), told, LATER)
    assert caught.value.field == "2020-08-31"


def versions(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """Closes of AAA: label, when this version was known, close."""
    when = datetime.fromisoformat
    return pl.DataFrame(
        [("AAA", day(ts), when(known).replace(tzinfo=UTC), close) for ts, known, close in rows],
        schema={"symbol": pl.String, "ts": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC"),
                "close": pl.Float64},
        orient="row",
    )  # fmt: skip


def as_seen(rows: pl.DataFrame, at: str) -> list[float]:
    known = rows.filter(pl.col("known_at") <= datetime.fromisoformat(at).replace(tzinfo=UTC))
    return known.unique("ts", keep="last", maintain_order=True).sort("ts")["close"].to_list()


def test_every_reader_sees_all_closes_in_the_shares_of_his_own_instant():
    told = actions(("AAA", "2020-03-04", "split", 4.0), ("AAA", "2020-03-06", "split", 0.5))
    found = restated_closes(
        versions(
            ("2020-03-02", "2020-03-02T21:15", 400.0),
            (
                "2020-03-02",
                "2020-03-05T12:00",
                404.0,
            ),  # corrected after the first split, in shares of the day
            ("2020-03-03", "2020-03-03T21:15", 408.0),
            ("2020-03-04", "2020-03-04T21:15", 103.0),
            ("2020-03-05", "2020-03-05T21:15", 104.0),
            ("2020-03-06", "2020-03-06T21:15", 210.0),
        ),
        told,
    )
    assert as_seen(found, "2020-03-03T23:00") == [400.0, 408.0]
    assert as_seen(found, "2020-03-04T14:29") == [400.0, 408.0], "the open is at 14:30"
    assert as_seen(found, "2020-03-04T14:30") == [100.0, 102.0]
    assert as_seen(found, "2020-03-05T13:00") == [101.0, 102.0, 103.0]
    assert as_seen(found, "2020-03-06T15:00") == [202.0, 204.0, 206.0, 208.0]
    assert as_seen(found, "2020-03-07T00:00") == [202.0, 204.0, 206.0, 208.0, 210.0]


@given(st.integers(0, 10**6))
def test_closes_restated_as_known_are_those_of_bars_adjusted_at_that_instant(seed):
    import random

    rng = random.Random(seed)
    days = [day("2020-01-01") + timedelta(days=n) for n in range(30)]
    known = [at + timedelta(days=rng.choice([1, 1, 1, 4])) for at in days]
    rows = [("AAA", at, when, rng.uniform(50.0, 500.0)) for at, when in zip(days, known, strict=True)]
    rows += [("AAA", at, when + timedelta(days=5), close * 1.5) for _, at, when, close in rows[::7]]
    schema = {"symbol": pl.String, "ts": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC")}
    closes = pl.DataFrame(rows, schema={**schema, "close": pl.Float64}, orient="row")
    exes = rng.sample(days[2:], 3)
    splits = pl.DataFrame(
        [
            ("AAA", ex, ex + timedelta(days=rng.choice([-3, 0, 2, 6])), rng.choice([4.0, 3.0, 0.1]))
            for ex in exes
        ],
        schema={**schema, "value": pl.Float64},
        orient="row",
    ).with_columns(kind=pl.lit("split"))
    found = restated_closes(closes, splits)
    for at in [days[0] + timedelta(hours=17 * n) for n in range(60)]:
        newest = closes.filter(pl.col("known_at") <= at).sort("ts", "known_at").unique("ts", keep="last")
        whole = newest.with_columns(
            **dict.fromkeys(("open", "high", "low"), pl.col("close")),
            volume=pl.lit(1.0),
            adjustment=pl.lit("raw"),
        )
        expected = split_adjusted(whole, splits, at).sort("ts")["close"].to_list()
        seen = (
            found.filter(pl.col("known_at") <= at).unique("ts", keep="last", maintain_order=True).sort("ts")
        )
        assert seen["close"].to_list() == pytest.approx(expected, rel=1e-12)
