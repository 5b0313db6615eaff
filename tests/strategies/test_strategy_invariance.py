"""No strategy sees the future: on small random markets, on the sample world and on real bars."""

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
from pipeline.features.registry import parse
from pipeline.market.panel import build_panel
from pipeline.market.sample.parameters import WorldParameters
from pipeline.market.sample.world import World
from pipeline.regimes.vocabulary import DIMENSIONS
from pipeline.strategies.context import Context
from pipeline.strategies.registry import STRATEGIES, parameters, strategy
from resources.market.registry import open_source
from resources.market.settings import read_settings
from tests.support.invariance import noise_violations, prefix_violations
from tests.support.small_market import CALENDARS, small_market

ROOT = Path(__file__).parents[2]
SHORT = {
    "EquityTrend": {
        "sma_days": 8,
        "momentum_short_days": 3,
        "momentum_long_days": 10,
        "exit_sma_days": 4,
        "momentum_long_above": -0.2,
    },
    "IndexMeanReversion": {
        "rsi_bars": 3,
        "oversold": 45.0,
        "overbought": 60.0,
        "band_bars": 4,
        "band_deviations": 0.3,
        "max_bars": 5,
    },
    "CryptoMomentum": {"momentum_short_days": 3, "momentum_long_days": 6},
}
"""Parameters under which each strategy trades often in a market of ninety days."""


def computation(name, universe, values, expected):
    """Weights of a strategy from bars and closes, features included."""
    chosen = strategy(name, universe)
    params = parameters(chosen, values)
    specs = [parse(feature) for feature in chosen.features(params)]

    def compute(panel, daily):
        features = features_at_decisions(panel, daily, specs, expected=expected)
        return {name: chosen.weights(Context(panel, features, weekly_regimes(panel)), params)}

    return compute


def weekly_regimes(panel):
    """Every dimension in another state each week."""
    weeks = panel.ts.astype("datetime64[D]").astype(np.int64) // 7
    return {name: (weeks % len(labels)).astype(np.int8) for name, labels in DIMENSIONS.items()}


@pytest.fixture(scope="module")
def markets():
    return [small_market(seed) for seed in range(3)]


def test_every_strategy_is_tried():
    assert set(SHORT) == set(STRATEGIES)


@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_are_the_same_when_the_future_is_cut_off_or_noise(name, markets):
    @settings(max_examples=12, deadline=None)
    @given(which=st.integers(0, 2), cut=st.integers(0, 538), seed=st.integers(0, 2**32))
    def check(which, cut, seed):
        market = markets[which]
        compute = computation(name, tuple(CALENDARS), SHORT[name], market.expected)
        assert prefix_violations(compute, market.panel, market.daily, [cut]) == []
        assert noise_violations(compute, market.panel, market.daily, [cut], seed) == []

    check()


@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_move_in_the_small_markets(name, markets):
    for market in markets:
        compute = computation(name, tuple(CALENDARS), SHORT[name], market.expected)
        weights = compute(market.panel, market.daily)[name]
        assert ((weights[1:] != weights[:-1]).sum(axis=0) > 5).all()


def test_a_strategy_that_reads_the_next_close_is_caught(markets):
    market = markets[0]

    def clairvoyant(panel, _daily):
        later = np.vstack([panel.close[1:], panel.close[-1:]])
        return {"clairvoyant": np.where(later > panel.close, 1.0, 0.0)}

    assert prefix_violations(clairvoyant, market.panel, market.daily, range(100, 110)) != []
    assert noise_violations(clairvoyant, market.panel, market.daily, range(100, 110), 1) != []


def sample_market(symbols, days):
    settings_ = read_settings(ROOT / "configs/sources/sample.yaml", WorldParameters, root=ROOT)
    start = settings_.start
    end = start + timedelta(days=days)
    world = World(settings_, instruments())
    panel = build_panel(world.bars_h4(end), symbols, start, end)
    return panel, world.bars_daily(end), closes_expected(symbols, start, end)


def instruments():
    table = read_document(ROOT / "configs/base/instruments.yaml").data
    return {symbol: Instrument(symbol=symbol, **row) for symbol, row in table.items()}


def closes_expected(symbols, start, end):
    days = expected_daily("XNYS", start, end)
    ts = days["ts"].dt.replace_time_zone(None).to_numpy()
    due = (days["close_at"] + timedelta(minutes=15)).dt.replace_time_zone(None).to_numpy()
    return {symbol: ExpectedCloses(ts, due) for symbol in symbols}


@pytest.fixture(scope="module")
def sample():
    return sample_market(("SPY", "QQQ"), 700)


@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_see_no_future_of_the_sample_world(name, sample):
    panel, daily, expected = sample
    compute = computation(name, ("SPY", "QQQ"), {}, expected)
    cuts = [1600, 2_345, 3_001, panel.n_bars - 2]
    assert prefix_violations(compute, panel, daily, cuts) == []
    assert noise_violations(compute, panel, daily, cuts, 2) == []


def test_equity_trend_changes_a_weight_at_most_once_per_session_of_the_sample_world(sample):
    panel, daily, expected = sample
    weights = computation("EquityTrend", ("SPY", "QQQ"), SHORT["EquityTrend"], expected)(panel, daily)
    moved = (np.diff(weights["EquityTrend"], axis=0) != 0.0).any(axis=1)
    closes = daily.filter(pl.col("symbol") == "SPY")["known_at"].dt.replace_time_zone(None).to_numpy()
    session = np.searchsorted(closes, panel.decisions[1:][moved], side="right")
    assert moved.sum() > 20
    assert np.unique(session).size == session.size


@pytest.mark.realdata
@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_see_no_future_of_real_spy(name, real_data):
    start, end = datetime(2015, 1, 5, tzinfo=UTC), datetime(2017, 1, 2, tzinfo=UTC)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    source = open_source("files", root=ROOT, data_dir=real_data, instruments=instruments())
    bars, daily = (
        source.bars(frame, since, end, now=now).frame.filter(pl.col("symbol") == "SPY")
        for frame, since in (("h4", start), ("daily", datetime(2013, 6, 3, tzinfo=UTC)))
    )
    panel = build_panel(bars, ("SPY",), start, end)
    expected = closes_expected(("SPY",), datetime(2013, 6, 3, tzinfo=UTC), end)
    compute = computation(name, ("SPY",), {}, expected)
    weights = compute(panel, daily)[name]
    assert 0.0 < weights.mean() < 1.0
    cuts = [500, 1_777, 3_002, panel.n_bars - 2]
    assert prefix_violations(compute, panel, daily, cuts) == []
    assert noise_violations(compute, panel, daily, cuts, 3) == []
