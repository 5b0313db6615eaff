"""The weights of a population are those of its members, and no parameter of a strategy is dead."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.compute import features_at_decisions
from pipeline.features.registry import parse
from pipeline.market.panel import build_panel
from pipeline.market.sample.parameters import WorldParameters
from pipeline.market.sample.world import World
from pipeline.strategies import kernel
from pipeline.strategies.asking import features_of, weights_many_of, weights_of
from pipeline.strategies.columns import room
from pipeline.strategies.context import Context
from pipeline.strategies.equity_trend import EquityTrend, EquityTrendParameters
from pipeline.strategies.practice import practice_context
from pipeline.strategies.registry import STRATEGIES, parameters, strategy
from resources.market.settings import read_settings
from tests.strategies.test_strategy_invariance import closes_expected, instruments
from tests.support.small_market import SmallMarket

ROOT = Path(__file__).parents[2]
CHANGES = {
    "EquityTrend": {
        "sma_days": 100,
        "momentum_short_days": 60,
        "momentum_long_days": 200,
        "momentum_short_above": 0.02,
        "momentum_long_above": 0.0,
        "exit_sma_days": 50,
        "max_missed_closes": 1,
    },
    "IndexMeanReversion": {
        "rsi_bars": 10,
        "oversold": 35.0,
        "overbought": 40.0,
        "band_bars": 15,
        "band_deviations": 1.5,
        "max_bars": 5,
    },
    "CryptoMomentum": {
        "momentum_short_days": 20,
        "momentum_long_days": 90,
        "only_in_risk_on": False,
        "equal_weight": True,
        "max_positions": 1,
        "max_missed_closes": 1,
    },
}
UNIVERSE = {"CryptoMomentum": ("BTC/USD", "ETH/USD")}


@pytest.fixture(scope="module")
def world():
    """Three years of the sample world; some closes come days late, so that staleness has something to do."""
    settings = read_settings(ROOT / "configs/sources/sample.yaml", WorldParameters, root=ROOT)
    start, end = settings.start, settings.start + timedelta(days=1095)
    made = World(settings, instruments())
    symbols = ("SPY", "QQQ", "BTC/USD", "ETH/USD")
    panel = build_panel(made.bars_h4(end), symbols, start, end)
    daily = made.bars_daily(end)
    outage = daily["ts"].dt.month().is_in([6, 11]) & daily["ts"].dt.day().is_between(3, 9)
    return SmallMarket(panel, daily.filter(~outage), closes_expected(symbols, start, end))


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_parameter_of_the_defaults_changes_a_weight_in_the_sample_world(name, world):
    chosen = strategy(name, UNIVERSE.get(name, ("SPY", "QQQ")))
    default = parameters(chosen)
    assert set(CHANGES[name]) == set(chosen.params_model.model_fields)
    members = [default, *(parameters(chosen, {key: value}) for key, value in CHANGES[name].items())]
    context = practice_context(chosen, members, world.panel, world.daily, world)
    first, *others = weights_many_of(context, chosen, members)
    assert first.any()
    dead = [key for key, other in zip(CHANGES[name], others, strict=True) if (first == other).all()]
    assert dead == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_of_many_are_the_weights_of_each_to_the_bit(name, world):
    chosen, rng = strategy(name, UNIVERSE.get(name, ("SPY", "QQQ"))), np.random.default_rng(7)
    members = []
    for _ in range(25):
        mixed = {key: value for key, value in CHANGES[name].items() if rng.random() < 0.5}
        members.append(parameters(chosen, mixed))
    features = features_at_decisions(
        world.panel,
        world.daily,
        [parse(n) for n in features_of(chosen, members)],
        expected=world.expected,
    )
    regimes = {"crypto": (np.arange(world.panel.n_bars) // 40 % 2).astype(np.int8)}
    context = Context(world.panel, features, regimes).only(chosen.universe)
    memory = np.full((25, *context.shape), np.nan)
    assert chosen.weights_many(context, members, memory) is memory
    for each, weights in zip(members, memory, strict=True):
        alone = chosen.weights(context, each)
        assert alone.tobytes() == weights.tobytes()
        assert weights_of(context, chosen, each).tobytes() == weights.tobytes()
    assert memory.any()


def test_the_compiled_trend_is_the_one_that_is_written():
    rng = np.random.default_rng(3)
    shape = (400, 3)
    close, mean, exit_mean = (rng.normal(100, 3, shape) for _ in range(3))
    short, long = (rng.normal(0.01, 0.1, shape) for _ in range(2))
    missed = rng.integers(0, 5, shape).astype(float)
    for values in (close, mean, exit_mean, short, long, missed):
        values[rng.random(shape) < 0.05] = np.nan
    ours, written = np.empty(shape), np.empty(shape)
    rest = (np.array([True, True, False]), 0.0, -0.05, 3)
    kernel.trend(close, mean, exit_mean, short, long, missed, *rest, ours)
    kernel.trend.py_func(close, mean, exit_mean, short, long, missed, *rest, written)
    np.testing.assert_array_equal(ours, written)
    assert 0 < np.count_nonzero(ours) < ours.size


def test_memory_that_does_not_fit_is_refused(world):
    context = Context(world.panel, {})
    members = [EquityTrendParameters()] * 2
    for wrong in (np.empty((1, *context.shape)), np.empty((2, *context.shape), np.float32)):
        with pytest.raises(Exception, match="the output does not fit"):
            EquityTrend().weights_many(context, members, wrong)
    assert room(context, members, None).shape == (2, *context.shape)
