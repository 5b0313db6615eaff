"""The simulated world only grows, shows nothing early, keeps to sessions; its days are its H4 bars."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from pipeline.errors import ConfigError, TimestampError
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA
from pipeline.market.sample.frames import TRUTH_SCHEMA
from pipeline.market.sample.parameters import STATES, WorldParameters
from pipeline.market.sample.world import World

ROOT = Path(__file__).parents[2]
SETTINGS = read_document(ROOT / "configs/sources/sample.yaml").data
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
NOW = datetime(2024, 8, 2, 14, 5, tzinfo=UTC)
EQUITIES = ("QQQ", "SPY")
PINNED = {
    ("BTC/USD", "2019-01-02"): 3908.6,
    ("BTC/USD", "2024-08-01"): 38002.4,
    ("ETH/USD", "2019-01-02"): 139.32,
    ("ETH/USD", "2024-08-01"): 338.6,
    ("QQQ", "2019-01-02"): 154.14,
    ("QQQ", "2024-08-01"): 224.78,
    ("SPY", "2019-01-02"): 248.48,
    ("SPY", "2024-08-01"): 395.31,
    ("VIX", "2019-01-02"): 12.54,
    ("VIX", "2024-08-01"): 10.7,
}
FRAMES = ("bars_h4", "bars_daily", "macro", "truth")


def a_world(**changes) -> World:
    return World(WorldParameters.model_validate(SETTINGS | changes), INSTRUMENTS)


@pytest.fixture(scope="module")
def world() -> World:
    return a_world()


@pytest.fixture(scope="module")
def h4(world):
    return world.bars_h4(NOW)


@pytest.fixture(scope="module")
def daily(world):
    return world.bars_daily(NOW)


@pytest.mark.parametrize(
    "earlier",
    [
        datetime(2019, 1, 1, 0, 0, tzinfo=UTC),
        datetime(2019, 1, 2, 14, 30, tzinfo=UTC),
        datetime(2019, 3, 10, 3, 59, 59, tzinfo=UTC),
        datetime(2020, 2, 29, 20, 0, tzinfo=UTC),
        datetime(2022, 11, 25, 18, 10, tzinfo=UTC),
        datetime(2024, 7, 3, 17, 0, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_longer_world_only_adds_rows_to_a_shorter_one(world, earlier):
    short = a_world()
    for name in FRAMES:
        long_rows = getattr(world, name)(NOW).filter(pl.col("known_at") <= earlier)
        assert getattr(short, name)(earlier).equals(long_rows), name


def test_the_inside_of_the_world_does_not_depend_on_its_length(world):
    rng = np.random.default_rng(1)
    longest = world.history(NOW)
    for days in rng.integers(1, 2000, size=6):
        short = a_world().history(NOW - timedelta(days=int(days)))
        steps = short.clock.at.size
        for scope, codes in short.regimes.items():
            assert np.array_equal(codes, longest.regimes[scope][: codes.size]), scope
        for symbol, path in short.paths.items():
            whole = longest.paths[symbol]
            assert np.array_equal(path.log_price, whole.log_price[: steps + 1]), symbol
            assert np.array_equal(path.garch, whole.garch[: path.garch.size]), symbol


def test_nothing_is_shown_before_it_is_known(world):
    for name in FRAMES:
        frame = getattr(world, name)(NOW)
        assert frame.filter(pl.col("known_at") > NOW).is_empty()
        assert frame.filter(pl.col("known_at") <= pl.col("ts")).is_empty(), name


def test_the_running_bar_and_the_last_minutes_of_lag_are_hidden():
    at_close = datetime(2024, 7, 1, 20, 0, tzinfo=UTC)
    session = datetime(2024, 7, 1, tzinfo=UTC)

    def days(now):
        return a_world().bars_daily(now).filter(pl.col("ts") == session)["symbol"].to_list()

    def last_h4(now):
        frame = a_world().bars_h4(now).filter(pl.col("symbol") == "SPY")
        return frame["ts"].max()

    assert last_h4(at_close - timedelta(seconds=1)) == datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert last_h4(at_close) == datetime(2024, 7, 1, 16, tzinfo=UTC)
    assert days(at_close) == []
    assert days(at_close + timedelta(minutes=15)) == ["QQQ", "SPY"]
    assert days(at_close + timedelta(minutes=30)) == ["QQQ", "SPY", "VIX"]
    assert days(datetime(2024, 7, 2, tzinfo=UTC)) == ["BTC/USD", "ETH/USD", "QQQ", "SPY", "VIX"]


def test_activity_is_released_on_the_first_session_of_the_next_month(world):
    pmi = world.macro(NOW).filter(pl.col("series") == "SIM_PMI")
    june = pmi.filter(pl.col("ts") == datetime(2024, 6, 1, tzinfo=UTC))
    assert june["known_at"].to_list() == [datetime(2024, 7, 1, 14, 15, tzinfo=UTC)]
    assert pmi["ts"].max() == datetime(2024, 7, 1, tzinfo=UTC)  # released on 1 August


def test_everything_is_labelled_simulated(world):
    for name in FRAMES:
        frame = getattr(world, name)(NOW)
        assert frame.height > 0
        assert frame["simulated"].all()


def test_frames_have_exactly_the_columns_of_the_tables(world):
    schemas = (BAR_SCHEMA, BAR_SCHEMA, MACRO_SCHEMA, TRUTH_SCHEMA)
    for name, schema in zip(FRAMES, schemas, strict=True):
        assert dict(getattr(world, name)(NOW).schema) == dict(schema)


def test_all_symbols_have_five_years_and_no_missing_cell(h4, daily):
    assert set(h4["symbol"].unique()) == {"BTC/USD", "ETH/USD", "QQQ", "SPY"}
    assert set(daily["symbol"].unique()) == {"BTC/USD", "ETH/USD", "QQQ", "SPY", "VIX"}
    btc = h4.filter(pl.col("symbol") == "BTC/USD")["ts"]
    assert btc.min() == datetime(2019, 1, 1, tzinfo=UTC)
    assert set(btc.diff().drop_nulls()) == {timedelta(hours=4)}
    assert NOW - h4["ts"].min() > timedelta(days=5 * 365)


@pytest.mark.parametrize(
    ("day", "minutes"),
    [
        ("2024-07-01", [150, 240]),
        ("2024-01-03", [90, 240, 60]),
        ("2023-11-24", [90, 120]),
        ("2024-07-03", [150, 60]),
        ("2024-07-04", []),
        ("2024-03-30", []),
    ],
)
def test_equities_trade_in_sessions_only(h4, day, minutes):
    of_day = pl.col("ts").dt.date() == datetime.fromisoformat(day).date()
    for symbol in EQUITIES:
        bars = h4.filter((pl.col("symbol") == symbol) & of_day)
        assert bars["minutes"].to_list() == minutes
        assert bars["covered_minutes"].to_list() == minutes


def test_daily_bars_are_what_the_h4_bars_add_up_to(h4, daily):
    made = {}
    for bar in h4.iter_rows(named=True):
        made.setdefault((bar["symbol"], bar["ts"].date()), []).append(bar)
    checked = 0
    for day in daily.filter(pl.col("symbol") != "VIX").iter_rows(named=True):
        bars = made[day["symbol"], day["ts"].date()]
        assert day["open"] == bars[0]["open"]
        assert day["close"] == bars[-1]["close"]
        assert day["high"] == max(bar["high"] for bar in bars)
        assert day["low"] == min(bar["low"] for bar in bars)
        assert day["volume"] == pytest.approx(sum(bar["volume"] for bar in bars), rel=1e-12)
        assert day["minutes"] == sum(bar["minutes"] for bar in bars)
        assert (day["open_at"], day["close_at"]) == (bars[0]["open_at"], bars[-1]["close_at"])
        checked += 1
    assert checked > 6000


def test_prices_keep_their_order_and_their_tick(h4, daily):
    for frame in (h4, daily):
        assert frame.filter(
            (pl.col("low") > pl.min_horizontal("open", "close"))
            | (pl.col("high") < pl.max_horizontal("open", "close"))
            | (pl.col("low") <= 0)
        ).is_empty()
        for (symbol,), bars in frame.group_by("symbol"):
            decimals = {0.01: 2, 0.1: 1}[INSTRUMENTS[symbol].tick]
            for price in ("open", "high", "low", "close"):
                assert (bars[price] == bars[price].round(decimals)).all(), (symbol, price)


def test_a_penny_stock_never_falls_below_one_tick():
    assets = SETTINGS["assets"] | {"SPY": {"price": 0.006, "scale": 1.0, "volume": 1e6}}
    bars = a_world(assets=assets).bars_h4(datetime(2021, 1, 1, tzinfo=UTC))
    assert bars.filter(pl.col("symbol") == "SPY")["low"].min() == 0.01


def test_crypto_is_continuous_and_equities_gap_over_night(h4):
    def gaps(symbol):
        bars = h4.filter(pl.col("symbol") == symbol)
        return (bars["open"] / bars["close"].shift(1)).log().drop_nulls()

    assert gaps("BTC/USD").abs().max() == 0.0
    overnight = gaps("SPY").filter(gaps("SPY") != 0.0)
    sessions = h4.filter(pl.col("symbol") == "SPY")["ts"].dt.date().n_unique()
    assert overnight.len() > 0.95 * sessions
    assert 0.002 < overnight.std() < 0.02


def test_volume_has_a_shape_over_the_day_and_rises_with_volatility(h4):
    spy = h4.filter((pl.col("symbol") == "SPY") & (pl.col("volume") > 0))
    per_minute = spy.group_by("minutes").agg((pl.col("volume") / pl.col("minutes")).mean().alias("rate"))
    rate = dict(per_minute.iter_rows())
    assert rate[90] > 1.3 * rate[240]  # the opening hour and a half against the middle of the day
    assert rate[60] > 1.1 * rate[240]  # the closing hour
    assert (spy["volume"] == spy["volume"].round(0)).all()
    span = (spy["high"] / spy["low"]).log()
    same_cell = spy.with_columns(span=span).filter(pl.col("minutes") == 240)
    assert same_cell.select(pl.corr("span", "volume", method="spearman")).item() > 0.3


def test_the_volatility_index_follows_volatility_and_opposes_returns(world, daily):
    truth = world.truth(NOW).filter(pl.col("scope") == "volatility").select("ts", "label")
    vix = daily.filter(pl.col("symbol") == "VIX").join(truth, on="ts")
    level = dict(vix.group_by("label").agg(pl.col("close").median()).iter_rows())
    assert 10 < level["low"] < level["normal"] < level["high"] < 45
    both = vix.join(daily.filter(pl.col("symbol") == "SPY"), on="ts", suffix="_spy").sort("ts")
    moves = both.select(pl.col("close").log().diff(), pl.col("close_spy").log().diff()).drop_nulls()
    assert moves.select(pl.corr("close", "close_spy")).item() < -0.3
    assert vix["volume"].null_count() == vix.height


def test_macro_values_follow_their_regime(world):
    truth = world.truth(NOW).filter(pl.col("scope") == "macro").select("ts", "label")
    slope = world.macro(NOW).filter(pl.col("series") == "T10Y2Y").join(truth, on="ts")
    median = dict(slope.group_by("label").agg(pl.col("value").median()).iter_rows())
    assert median["contraction"] < 0 < median["expansion"] < 0.03  # fractions, not percents


def test_every_state_is_planted_and_lasts_at_least_as_long_as_said(world):
    truth = world.truth(datetime(2026, 11, 1, tzinfo=UTC))
    for scope, states in STATES.items():
        labels = truth.filter(pl.col("scope") == scope)["label"]
        assert set(labels) == set(states)
        spells = labels.rle().struct.unnest()
        for length, state in spells[:-1].iter_rows():
            assert length >= SETTINGS["regimes"][scope]["states"][state]["least_days"]


def test_another_seed_makes_another_world_of_the_same_shape(h4):
    other = a_world(seed=9).bars_h4(NOW)
    assert other.select("symbol", "ts", "minutes").equals(h4.select("symbol", "ts", "minutes"))
    assert not other["close"].equals(h4["close"])
    assert a_world(seed=9).version != a_world().version


def test_adding_an_asset_leaves_the_others_as_they_are(h4):
    instruments = INSTRUMENTS | {"DIA": INSTRUMENTS["SPY"].model_copy(update={"symbol": "DIA"})}
    assets = SETTINGS["assets"] | {"DIA": {"price": 100.0, "scale": 0.9, "volume": 1e6}}
    more = World(WorldParameters.model_validate(SETTINGS | {"assets": assets}), instruments).bars_h4(NOW)
    assert more.filter(pl.col("symbol") != "DIA").equals(h4)


@pytest.mark.contract
def test_the_shipped_world_is_pinned(daily):
    closes = {
        (row["symbol"], row["ts"].date().isoformat()): row["close"] for row in daily.iter_rows(named=True)
    }
    assert {key: closes[key] for key in PINNED} == PINNED


def test_before_its_start_the_world_is_empty(world):
    for name in FRAMES:
        assert getattr(a_world(), name)(datetime(2018, 12, 31, tzinfo=UTC)).is_empty()
    with pytest.raises(TimestampError):
        world.bars_h4(datetime(2024, 1, 1))  # noqa: DTZ001 - that is the point


def test_symbols_without_a_fitting_instrument_are_refused():
    def refused(match, **changes):
        with pytest.raises(ConfigError, match=match):
            a_world(**changes)

    refused("no instrument", assets=SETTINGS["assets"] | {"GLD": SETTINGS["assets"]["SPY"]})
    refused("equities and crypto only", assets=SETTINGS["assets"] | {"VIX": SETTINGS["assets"]["SPY"]})
    refused("no equity", volatility_index=SETTINGS["volatility_index"] | {"reference": "BTC/USD"})


def test_correlations_that_do_not_fit_together_are_refused():
    world = a_world(correlation={"equity": 0.9, "crypto": -0.9, "across": 0.8})
    with pytest.raises(ConfigError, match="do not fit together"):
        world.bars_h4(NOW)


def test_eight_years_of_everything_take_less_than_two_seconds(world):
    started = time.perf_counter()
    fresh = a_world()
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rows = sum(getattr(fresh, name)(now).height for name in FRAMES)
    assert rows > 60_000
    assert time.perf_counter() - started < 2.0
