"""EquityTrend 1.0 against the rule read aloud, one parameter at a time."""

import math

import numpy as np
import pytest

from pipeline.backtest.engine import backtest
from pipeline.backtest.result import Provenance
from pipeline.backtest.rules import Rules, Tradable
from pipeline.strategies.context import Context
from pipeline.strategies.equity_trend import EquityTrend, EquityTrendParameters
from tests.support.random_books import random_panel

BARS = 600
SYMBOLS = ("SPY", "QQQ", "GLD")
DEFAULT = EquityTrendParameters()


def panel():
    made = random_panel(np.random.default_rng(3), bars=BARS, assets=3)
    object.__setattr__(made, "symbols", SYMBOLS)
    return made


def known(seed=1):
    """Features of every name that some parameters below ask for, with holes."""
    rng = np.random.default_rng(seed)
    shape = (BARS, 3)
    drawn = {"close_d": rng.normal(100, 3, shape), "closes_missed_d": rng.integers(0, 5, shape).astype(float)}
    drawn |= {f"sma_{days}d": rng.normal(99, 3, shape) for days in (50, 100, 200)}
    drawn |= {f"momentum_{days}d": rng.normal(0.01, 0.06, shape) for days in (60, 126, 252, 300)}
    for values in drawn.values():
        values[rng.random(shape) < 0.05] = math.nan
    return drawn


def aloud(features, symbols, universe, p):
    """The rule, bar by bar."""
    weights = np.zeros((BARS, len(symbols)))
    for t in range(BARS):
        longs = []
        for a, symbol in enumerate(symbols):
            seen = {name: values[t, a] for name, values in features.items()}
            close = seen["close_d"]
            facts = [
                close, seen[f"sma_{p.sma_days}d"], seen["closes_missed_d"],
                seen[f"momentum_{p.momentum_short_days}d"], seen[f"momentum_{p.momentum_long_days}d"],
            ]  # fmt: skip
            if symbol not in universe or any(map(math.isnan, facts)) or facts[2] >= p.max_missed_closes:
                continue
            trend = (
                close > facts[1] and facts[3] > p.momentum_short_above and facts[4] > p.momentum_long_above
            )
            if trend and (p.exit_sma_days is None or close > seen[f"sma_{p.exit_sma_days}d"]):
                longs.append(a)
        for a in longs:
            weights[t, a] = 1 / len(longs)
    return weights


CHANGES = {
    "sma_days": 100,
    "momentum_short_days": 60,
    "momentum_long_days": 300,
    "momentum_short_above": 0.02,
    "momentum_long_above": 0.0,
    "exit_sma_days": 50,
    "max_missed_closes": 1,
}


@pytest.mark.parametrize("changed", [{}, *({name: value} for name, value in CHANGES.items())], ids=str)
def test_weights_equal_the_rule_read_aloud(changed):
    params, features = DEFAULT.model_copy(update=changed), known()
    weights = EquityTrend().weights(Context(panel(), features), params)
    np.testing.assert_array_equal(weights, aloud(features, SYMBOLS, ("SPY", "QQQ"), params))


def test_the_changes_cover_every_parameter():
    assert set(CHANGES) == set(EquityTrendParameters.model_fields)


@pytest.mark.parametrize("name", CHANGES)
def test_every_parameter_reaches_the_result(name):
    assets = tuple(Tradable(symbol, "equity", always_open=i != 1) for i, symbol in enumerate(SYMBOLS))
    context = Context(panel(), known())

    def digest(params):
        return backtest(
            context,
            EquityTrend(),
            params,
            rules=Rules(),
            assets=assets,
            provenance=Provenance("sample", simulated=True),
        ).digest

    assert digest(DEFAULT) != digest(DEFAULT.model_copy(update={name: CHANGES[name]}))


def test_it_asks_for_exactly_the_features_that_it_reads():
    params = DEFAULT.model_copy(update={"exit_sma_days": 50})
    for chosen in (DEFAULT, params):
        asked = EquityTrend().features(chosen)
        assert len(set(asked)) == len(asked)
        features = {name: values for name, values in known().items() if name in asked}
        assert set(features) == set(asked)
        EquityTrend().weights(Context(panel(), features), chosen)
        for name in asked:
            less = {other: values for other, values in features.items() if other != name}
            with pytest.raises(Exception, match=name):
                EquityTrend().weights(Context(panel(), less), chosen)


def test_one_long_takes_the_whole_budget_and_none_takes_nothing():
    features = {name: np.full((BARS, 3), math.nan) for name in EquityTrend().features(DEFAULT)}
    values = {"close_d": 110.0, "closes_missed_d": 0.0, "sma_200d": 100.0, "momentum_126d": 0.1}
    for name, value in (values | {"momentum_252d": 0.1}).items():
        features[name][:, 0] = value
    weights = EquityTrend().weights(Context(panel(), features), DEFAULT)
    assert (weights == [1.0, 0.0, 0.0]).all()
    features["momentum_252d"][:, 0] = -0.05
    assert not EquityTrend().weights(Context(panel(), features), DEFAULT).any()


def test_a_series_is_flat_from_the_third_missed_close_on():
    features = {name: np.full((BARS, 3), 1.0) for name in EquityTrend().features(DEFAULT)}
    features["close_d"][:] = 2.0
    features["closes_missed_d"][:] = np.arange(BARS)[:, None]
    weights = EquityTrend().weights(Context(panel(), features), DEFAULT)
    assert (weights[:3, :2] == 0.5).all()
    assert not weights[3:].any()
