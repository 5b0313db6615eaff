"""Short gaps are filled only by the policy, marked, and known when they have ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.config.load import load_settings
from pipeline.errors import InsufficientDataError
from pipeline.market.bars import BarState
from pipeline.market.imputation import Imputation
from resources.market.checked import checked_bars, expected_bars
from resources.market.imputing import Imputing
from resources.market.port import Window
from tests.damage.room import CODE
from tests.market.test_series_rules import walk

H4 = timedelta(hours=4)
NOW = datetime(2023, 1, 1, tzinfo=UTC)
LAG = timedelta(minutes=7)
SETTINGS = load_settings(root=CODE, environ={}).settings
BTC = SETTINGS.instruments["BTC/USD"]


def fetched(*gone: int, rows: int = 60):
    bars = walk()[:rows].with_columns(
        open_at="ts", close_at=pl.col("ts") + H4, known_at=pl.col("ts") + H4 + LAG,
        minutes=pl.lit(240), covered_minutes=pl.lit(240), adjustment=pl.lit("raw"), source=pl.lit("test"),
        venue=pl.lit("test"), vintage=pl.lit("as_published"), simulated=pl.lit(value=True),
    )  # fmt: skip
    expected = expected_bars(BTC, "h4", Window(bars["ts"][0], bars["ts"][-1] + H4), now=NOW)
    kept = bars.filter(~pl.int_range(pl.len()).is_in(list(gone)))
    return checked_bars(kept, timeframe="h4", expected={"BTC/USD": expected}, now=NOW)


def imputing(max_bars: int = 3) -> Imputing:
    return Imputing(Imputation(max_bars), {"BTC/USD": BTC})


def test_by_default_nothing_is_filled():
    assert Imputing.from_settings(SETTINGS) is None


def test_a_short_gap_stands_at_the_last_close_and_says_so():
    clean, got = fetched(), imputing()(fetched(20, 21), "h4", now=NOW)
    made = got.frame.filter(pl.col("state") == BarState.IMPUTED)
    before = clean.frame.row(19, named=True)
    assert made["ts"].to_list() == clean.frame["ts"].to_list()[20:22]
    assert all(made[price].to_list() == [before["close"]] * 2 for price in ("open", "high", "low", "close"))
    assert made["volume"].to_list() == [0.0, 0.0]
    ended = clean.frame.row(22, named=True)
    assert made["known_at"].to_list() == [ended["known_at"]] * 2
    assert got.gaps.is_empty()
    assert [(f.rule, f.count) for f in got.findings] == [("imputed", 2)]
    assert got.frame.height == clean.frame.height


def test_a_gap_is_not_filled_before_it_is_known_to_be_short():
    whole = imputing()(fetched(20, 21), "h4", now=NOW).frame
    until = whole.filter(pl.col("state") == BarState.IMPUTED)["known_at"][0] - timedelta(microseconds=1)
    short = fetched(*range(20, fetched().frame.height))
    cut = imputing()(short, "h4", now=NOW).frame
    assert whole.filter(pl.col("known_at") <= until).equals(cut.filter(pl.col("known_at") <= until))


def test_a_longer_gap_stays_a_gap():
    whole = fetched(20, 21, 22, 23)
    got = imputing()(whole, "h4", now=NOW)
    assert got.frame.equals(whole.frame)
    assert [f.rule for f in got.findings] == ["gap"]


def test_a_symbol_without_a_calendar_keeps_its_gaps():
    whole = fetched(20)
    assert Imputing(Imputation(3), {})(whole, "h4", now=NOW) == whole


def test_what_would_be_known_later_than_now_is_not_there_yet():
    whole = fetched(20)
    early = whole.frame["ts"].to_list()[19] + 2 * H4
    cut = replace(whole, frame=whole.frame[:20])
    assert imputing()(cut, "h4", now=early + LAG - timedelta(minutes=8)).frame.height == 20


def test_a_series_of_which_more_is_missing_than_there_is_refused():
    with pytest.raises(InsufficientDataError, match="more of BTC/USD is missing"):
        imputing()(fetched(1, 2, 3, 5, 6, 7, rows=9), "h4", now=NOW)
