"""The folder of real data through the shipped mapping: the figures are in its SOURCES.md or counted."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from resources.market.files import FilesSource
from resources.market.mapping import FilesMapping
from resources.market.registry import open_source

pytestmark = pytest.mark.realdata

ROOT = Path(__file__).parents[2]
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLY = datetime(1980, 1, 1, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
OUTAGES = {
    "2018-02-08": 5,
    "2018-02-09": 2,
    "2018-06-26": 2,
    "2018-07-04": 1,
    "2018-11-14": 1,
    "2019-03-12": 1,
    "2019-05-15": 2,
    "2019-08-15": 1,
    "2020-02-19": 1,
}


@pytest.fixture(scope="module")
def source(real_data):
    return open_source("files", root=ROOT, data_dir=real_data, instruments=INSTRUMENTS)


@pytest.fixture(scope="module")
def h4(source):
    return source.bars("h4", EARLY, NOW, now=NOW)


@pytest.fixture(scope="module")
def daily(source):
    return source.bars("daily", EARLY, NOW, now=NOW)


def of(fetched, symbol):
    return fetched.frame.filter(pl.col("symbol") == symbol)


def test_all_rows_of_the_files_arrive(h4, daily):
    counts = {symbol: of(h4, symbol).height for symbol in ("BTC/USD", "ETH/USD", "SPY")}
    assert counts["BTC/USD"] == 11_761
    assert counts["ETH/USD"] == 8_761
    assert {symbol: of(daily, symbol).height for symbol in ("SPY", "QQQ")} == {"SPY": 7536, "QQQ": 5994}
    assert not h4.frame["simulated"].any()
    assert not daily.frame["simulated"].any()


def test_the_sixteen_missing_bitcoin_bars_are_reported_exactly(h4):
    missing: dict[str, int] = {}
    gaps = h4.gaps.filter(pl.col("symbol") == "BTC/USD")
    for gap in gaps.iter_rows(named=True):
        for number in range(gap["count"]):
            day = (gap["first"] + number * timedelta(hours=4)).date().isoformat()
            missing[day] = missing.get(day, 0) + 1
        assert gap["last"] == gap["first"] + (gap["count"] - 1) * timedelta(hours=4)
    assert missing == OUTAGES
    assert gaps["count"].sum() == 16


def test_a_whole_hour_stamp_of_nine_covers_the_half_hour_after_the_open(real_data, h4):
    raw = pl.read_parquet(real_data / "equities/spy_1h_2015_2020.parquet")
    raw = raw.with_columns(ny=pl.col("timestamp").dt.convert_time_zone("America/New_York"))
    spy = of(h4, "SPY")
    # A summer day by hand: 12:00 UTC cell = 09, 10, 11 New York, 16:00 cell = 12 to 15.
    for day, cells in {
        "2019-07-01": {12: (9, 11), 16: (12, 15)},
        "2019-01-03": {12: (9, 10), 16: (11, 14), 20: (15, 15)},
    }.items():
        date = datetime.fromisoformat(day).date()
        for hour, (first, last) in cells.items():
            rows = raw.filter(
                (pl.col("ny").dt.date() == date) & pl.col("ny").dt.hour().is_between(first, last)
            )
            label = datetime(date.year, date.month, date.day, hour, tzinfo=UTC)
            bar = spy.filter(pl.col("ts") == label).row(0, named=True)
            assert bar["open"] == rows["open"][0]
            assert bar["high"] == rows["high"].max()
            assert bar["low"] == rows["low"].min()
            assert bar["close"] == rows["close"][-1]
            assert bar["volume"] == pytest.approx(rows["volume"].sum())
            assert bar["covered_minutes"] == bar["minutes"]
    opened = spy.filter(pl.col("ts").dt.hour() == 12)["open_at"].dt.convert_time_zone("America/New_York")
    assert set(opened.dt.strftime("%H:%M")) == {"09:30"}


def test_days_rebuilt_from_h4_agree_with_the_daily_file(h4, daily):
    rebuilt = (
        of(h4, "SPY")
        .group_by(pl.col("ts").dt.truncate("1d"))
        .agg(pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last())
    )
    both = rebuilt.join(of(daily, "SPY"), on="ts", suffix="_day")
    assert both.height > 1500
    for price in ("open", "high", "low", "close"):
        off = (both[price] / both[f"{price}_day"] - 1.0).abs()
        assert off.median() < 0.0005, price


def test_no_daily_bar_is_known_at_its_session_date(daily):
    known = daily.frame.with_columns(wait=pl.col("known_at") - pl.col("ts"))
    assert known["wait"].min() > timedelta(hours=12)
    spy = of(daily, "SPY").filter(pl.col("ts") == datetime(2020, 3, 16, tzinfo=UTC)).row(0, named=True)
    assert spy["known_at"] == datetime(2020, 3, 16, 20, 15, tzinfo=UTC)
    vix = of(daily, "VIX").filter(pl.col("ts") == datetime(2020, 3, 16, tzinfo=UTC)).row(0, named=True)
    assert vix["known_at"].astimezone(NEW_YORK).strftime("%H:%M") == "16:30"
    btc = of(daily, "BTC/USD").filter(pl.col("ts") == datetime(2020, 3, 16, tzinfo=UTC)).row(0, named=True)
    assert btc["known_at"] == datetime(2020, 3, 17, tzinfo=UTC)


def test_bitcoin_days_without_their_last_bar_have_no_close(h4, daily):
    days = set(of(daily, "BTC/USD")["ts"].dt.date())
    last_bars = set(of(h4, "BTC/USD").filter(pl.col("ts").dt.hour() == 20)["ts"].dt.date())
    assert days == last_bars
    gaps = daily.gaps.filter(pl.col("symbol") == "BTC/USD")["first"].dt.date().to_list()
    assert gaps == [datetime(2018, 2, 8, tzinfo=UTC).date()]


def test_the_47_odd_rows_of_the_volatility_index_are_set_aside_by_name(daily):
    odd = daily.quarantined.filter((pl.col("symbol") == "VIX") & (pl.col("rule") == "ohlc_order"))
    assert odd.height == 47
    assert odd["ts"].dt.year().is_between(1992, 2006).all()
    rest = daily.quarantined.filter((pl.col("symbol") == "VIX") & (pl.col("rule") != "ohlc_order"))
    assert set(rest["rule"]) <= {"outside_session"}
    assert of(daily, "VIX").height + odd.height + rest.height == 8317


@pytest.mark.parametrize("symbol", ["spy", "qqq"])
def test_the_hourly_files_of_2024_straddle_and_are_set_aside(real_data, symbol):
    entry = {
        "path": f"equities/{symbol}_1h_2024.parquet",
        "symbol": symbol.upper(),
        "timeframe": "1h",
        "stamp": "open",
        "covers": "session",
    }
    for allowed, straddlers in ((False, 335), (True, 0)):
        mapping = FilesMapping.model_validate({"entries": [entry | {"allow_straddle": allowed}]})
        got = FilesSource(mapping, real_data, INSTRUMENTS).bars("h4", EARLY, NOW, now=NOW)
        assert got.quarantined.filter(pl.col("rule") == "straddle").height == straddlers
    early = got.frame.filter(pl.col("known_at") < pl.col("close_at"))
    assert early.is_empty()  # a straddling bar is known when its last part has closed
    whole = entry | {"covers": "timeframe"}
    mapping = FilesMapping.model_validate({"entries": [whole]})
    got = FilesSource(mapping, real_data, INSTRUMENTS).bars("h4", EARLY, NOW, now=NOW)
    assert got.quarantined.filter(pl.col("rule") == "straddle").height == 499


def test_macro_series_are_fractions_known_at_their_release(source, real_data):
    macro = source.macro(EARLY, NOW, now=NOW)
    assert list(macro.findings) == []
    frame = macro.frame
    daily, monthly = (
        {"DGS10", "DGS2", "T10Y2Y", "VIXCLS"},
        set(LATEST) | {"CFNAI", "M2SL", "FEDFUNDS", "USREC"},
    )
    assert {name for name in frame["series"].unique() if not name.startswith("ISM_")} == {
        *daily,
        *monthly,
        "PMI",
        "NMI",
    }
    assert frame["series"].n_unique() == 4 + 8 + 22
    assert set(frame["vintage"]) == {"latest_revision"}
    raw = pl.read_parquet(real_data / "macro/fred_daily.parquet").filter(pl.col("series") == "T10Y2Y")
    slope = frame.filter(pl.col("series") == "T10Y2Y")
    assert slope.height == raw.height
    assert slope["value"].to_numpy() == pytest.approx(raw.sort("date")["value"].to_numpy() / 100.0)
    december = frame.filter((pl.col("series") == "PMI") & (pl.col("ts") == datetime(2019, 12, 1, tzinfo=UTC)))
    assert december.select("value", "known_at").row(0) == (47.8, datetime(2020, 1, 2, 15, 15, tzinfo=UTC))
    assert frame.filter(pl.col("known_at") <= pl.col("ts") + timedelta(days=1)).is_empty()


LATEST = {
    # The latest publication of a month, by the publishers' calendars of the two long shutdowns.
    "UNRATE": {(2013, 9): datetime(2013, 10, 22, 12, 30, tzinfo=UTC)},
    "PAYEMS": {(2013, 9): datetime(2013, 10, 22, 12, 30, tzinfo=UTC)},
    "CPIAUCSL": {
        (1995, 12): datetime(1996, 2, 1, 13, 30, tzinfo=UTC),
        (2013, 9): datetime(2013, 10, 30, 12, 30, tzinfo=UTC),
    },
    "INDPRO": {(2013, 9): datetime(2013, 10, 28, 13, 15, tzinfo=UTC)},
}
RULED = {
    # First month of what the NBER's committee announced, and the day of the announcement.
    (1980, 2): datetime(1980, 6, 3, tzinfo=UTC),
    (1980, 8): datetime(1981, 7, 8, tzinfo=UTC),
    (1981, 8): datetime(1982, 1, 6, tzinfo=UTC),
    (1982, 12): datetime(1983, 7, 8, tzinfo=UTC),
    (1990, 8): datetime(1991, 4, 25, tzinfo=UTC),
    (1991, 4): datetime(1992, 12, 22, tzinfo=UTC),
    (2001, 4): datetime(2001, 11, 26, tzinfo=UTC),
    (2001, 12): datetime(2003, 7, 17, tzinfo=UTC),
    (2008, 1): datetime(2008, 12, 1, tzinfo=UTC),
    (2009, 7): datetime(2010, 9, 20, tzinfo=UTC),
    (2020, 3): datetime(2020, 6, 8, tzinfo=UTC),
    (2020, 5): datetime(2021, 7, 19, tzinfo=UTC),
}


def known_of(source, series):
    frame = source.macro(EARLY, NOW, now=NOW).frame.filter(pl.col("series") == series).sort("ts")
    return {(ts.year, ts.month): known for ts, known in frame.select("ts", "known_at").iter_rows()}


@pytest.mark.parametrize("series", sorted(LATEST))
def test_a_month_that_a_shutdown_delayed_is_not_known_before_it_was_published(source, series):
    known = known_of(source, series)
    for month, published in LATEST[series].items():
        assert known[month] >= published


def test_no_recession_is_known_before_the_committee_announced_it(source):
    frame = source.macro(EARLY, NOW, now=NOW).frame.filter(pl.col("series") == "USREC").sort("ts")
    turns = frame.filter(pl.col("value") != pl.col("value").shift(1))
    assert {(ts.year, ts.month) for ts in turns["ts"]} == set(RULED)
    known = known_of(source, "USREC")
    assert all(known[month] >= announced for month, announced in RULED.items())


def test_in_the_past_only_what_was_known_is_shown(source):
    then = datetime(2019, 7, 1, 20, 5, tzinfo=UTC)
    for timeframe in ("h4", "daily"):
        got = source.bars(timeframe, datetime(2019, 6, 1, tzinfo=UTC), then, now=then)
        assert got.frame["known_at"].max() <= then
        assert set(got.quarantined["rule"]) <= {"future"}  # bars still forming then
    assert source.macro(EARLY, then, now=then).frame["known_at"].max() <= then
    assert source.truth(EARLY, NOW, now=NOW).is_empty()


def test_the_backtest_window_has_bars_of_both_kinds(source, h4):
    window = source.backtest
    for symbol in ("SPY", "BTC/USD"):
        bars = of(h4, symbol)["ts"]
        assert bars.min() <= window.start
        assert bars.max() >= window.end - timedelta(days=1)
    assert not source.simulated


def test_the_whole_folder_loads_in_five_seconds(real_data):
    started = time.perf_counter()
    fresh = open_source("files", root=ROOT, data_dir=real_data, instruments=INSTRUMENTS)
    rows = sum(fresh.bars(t, EARLY, NOW, now=NOW).frame.height for t in ("h4", "daily"))
    rows += fresh.macro(EARLY, NOW, now=NOW).frame.height
    assert rows > 80_000
    assert time.perf_counter() - started < 5.0


def test_the_long_file_of_stocks_trades_like_a_named_instrument(real_data):
    entry = {
        "path": "equities/stocks_daily_half_a_2010_2022.parquet",
        "like": "SPY",
        "timeframe": "1d",
        "stamp": "session_date",
        "columns": {"time": "date", "symbol": "symbol"},
        "adjustment": "split_dividend",
        "vintage": "latest_revision",
    }
    source = FilesSource(FilesMapping.model_validate({"entries": [entry]}), real_data, INSTRUMENTS)
    start, end = datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)
    got = source.bars("daily", start, end, now=NOW)
    listed = pl.read_parquet(real_data / entry["path"], columns=["symbol"])["symbol"]
    assert source.instruments() == tuple(listed.unique().sort())
    sessions = got.frame.filter(pl.col("symbol") == "A").height
    assert sessions == 252
    assert got.quarantined.is_empty()
