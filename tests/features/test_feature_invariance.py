"""No feature sees the future, wherever the history ends and whatever comes after."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calendar.sessions import expected_daily
from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from pipeline.features.compute import ExpectedCloses, features_at_decisions
from pipeline.features.registry import KINDS, STANDARD, FeatureSpec, spec
from pipeline.market.panel import build_panel
from pipeline.market.sample.parameters import WorldParameters
from pipeline.market.sample.world import World
from resources.market.settings import read_settings
from tests.support.invariance import noise_violations, prefix_violations
from tests.support.small_market import SmallMarket, small_market

ROOT = Path(__file__).parents[2]


def of_every_kind() -> list[FeatureSpec]:
    """One feature of every kind and timeframe: a new kind is covered as soon as it is registered."""
    return [
        spec(
            kind,
            *((7,) if family.shortest is not None else ()),
            *((1.5,) if family.widths else ()),
            timeframe=timeframe,
        )
        for kind, family in KINDS.items()
        for timeframe in family.timeframes
    ]


def computation(market: SmallMarket, *specs: FeatureSpec):
    return lambda panel, daily: features_at_decisions(panel, daily, specs, expected=market.expected)


@pytest.fixture(scope="module")
def markets() -> list[SmallMarket]:
    return [small_market(seed) for seed in range(3)]


@pytest.mark.parametrize("feature", of_every_kind(), ids=lambda feature: feature.name)
def test_a_feature_is_the_same_when_the_future_is_cut_off(feature, markets):
    @settings(max_examples=6, deadline=None)
    @given(which=st.integers(0, 2), cut=st.integers(0, 539))
    def check(which: int, cut: int) -> None:
        market = markets[which]
        assert prefix_violations(computation(market, feature), market.panel, market.daily, [cut]) == []

    check()


@pytest.mark.parametrize("feature", of_every_kind(), ids=lambda feature: feature.name)
def test_a_feature_is_the_same_when_the_future_is_noise(feature, markets):
    @settings(max_examples=6, deadline=None)
    @given(which=st.integers(0, 2), cut=st.integers(0, 538), seed=st.integers(0, 2**32))
    def check(which: int, cut: int, seed: int) -> None:
        market = markets[which]
        compute = computation(market, feature)
        assert noise_violations(compute, market.panel, market.daily, [cut], seed) == []

    check()


def test_every_feature_has_a_value_somewhere_in_the_small_market(markets):
    values = features_at_decisions(
        markets[0].panel, markets[0].daily, of_every_kind(), expected=markets[0].expected
    )
    assert [name for name, array in values.items() if np.isnan(array).all(axis=0).any()] == []


def centred_mean(panel, _daily):
    """The planted leak: the mean of the last two closes and of the next one."""
    close = panel.close
    following = np.vstack([close[1:], np.full((1, close.shape[1]), np.nan)])
    before = np.vstack([np.full((1, close.shape[1]), np.nan), close[:-1]])
    return {"centred": np.nanmean(np.stack([before, close, following]), axis=0)}


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_a_planted_centred_mean_is_caught_by_both_tests(markets):
    market = markets[0]
    cut = prefix_violations(centred_mean, market.panel, market.daily, [100])
    noise = noise_violations(centred_mean, market.panel, market.daily, [100], 1)
    assert [text[:15] for text in cut + noise] == ["centred at bar "] * 2


def test_a_close_that_is_read_by_its_session_date_is_caught(markets):
    market = markets[0]

    def by_label(panel, daily):
        """The leak of daily bars: joined on the session date, at which nobody knew the close."""
        days = daily.filter(pl.col("symbol") == "SPY").sort("ts")
        labels = days["ts"].dt.replace_time_zone(None).to_numpy()
        latest = np.searchsorted(labels, panel.ts, side="right")
        return {"close": np.concatenate([[np.nan], days["close"].to_numpy()])[latest]}

    noon = [i for i, ts in enumerate(market.panel.ts) if ts.astype("datetime64[h]").astype(int) % 24 == 12]
    assert noise_violations(by_label, market.panel, market.daily, noon[40:45], 1) != []


def test_no_standard_feature_sees_the_future_of_the_sample_world():
    market = sample_market()
    cuts = [200, 1_234, 2_001, market.panel.n_bars - 2]
    compute = computation(market, *STANDARD)
    assert prefix_violations(compute, market.panel, market.daily, cuts) == []
    assert noise_violations(compute, market.panel, market.daily, cuts, 2) == []


@pytest.mark.realdata
def test_no_standard_feature_sees_the_future_of_real_markets(real_data):
    market = real_market(real_data)
    cuts = [200, 1_000, 1_499, 2_100]
    compute = computation(market, *STANDARD)
    assert prefix_violations(compute, market.panel, market.daily, cuts) == []
    assert noise_violations(compute, market.panel, market.daily, cuts, 3) == []


def sample_market() -> SmallMarket:
    """One year of two assets of the embedded sample world."""
    parameters = read_settings(ROOT / "configs/sources/sample.yaml", WorldParameters, root=ROOT)
    table = read_document(ROOT / "configs/base/instruments.yaml").data
    instruments = {symbol: Instrument(symbol=symbol, **row) for symbol, row in table.items()}
    world = World(parameters, instruments)
    start = parameters.start
    end = start + timedelta(days=364)
    expected = {
        symbol: closes_expected(instruments[symbol].calendar, start, end, timedelta(minutes=15))
        for symbol in ("SPY", "BTC/USD")
    }
    panel = build_panel(world.bars_h4(end), tuple(expected), start, end)
    return SmallMarket(panel, world.bars_daily(end), expected)


def real_market(folder) -> SmallMarket:
    """BTC/USD over the outage of February 2018, daily bars as our own UTC-day closes."""
    start, end = datetime(2017, 12, 1, tzinfo=UTC), datetime(2018, 12, 1, tzinfo=UTC)
    h4 = (
        pl.read_parquet(folder / "crypto" / "binance_btcusdt_4h.parquet")
        .rename({"timestamp": "ts"})
        .filter(pl.col("ts").is_between(start, end, closed="left"))
        .with_columns(
            symbol=pl.lit("BTC/USD"),
            open_at=pl.col("ts"),
            close_at=pl.col("ts") + timedelta(hours=4),
            known_at=pl.col("ts") + timedelta(hours=4),
        )
    )
    daily = (
        h4.group_by(pl.col("ts").dt.truncate("1d"), "symbol")
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("known_at").max(),
        )
        .sort("ts")
    )
    expected = {"BTC/USD": closes_expected("24/7", start, end, timedelta(0))}
    return SmallMarket(build_panel(h4, ("BTC/USD",), start, end), daily, expected)


def closes_expected(calendar: str, start: datetime, end: datetime, lag: timedelta) -> ExpectedCloses:
    days = expected_daily(calendar, start, end)
    ts, due = (times.dt.replace_time_zone(None).to_numpy() for times in (days["ts"], days["close_at"] + lag))
    return ExpectedCloses(ts, due)
