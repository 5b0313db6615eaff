"""CryptoMomentum 1.0 against the rule read aloud, one parameter at a time."""

import math

import numpy as np
import pytest

from pipeline.errors import ComponentNotFoundError
from pipeline.strategies import kernel
from pipeline.strategies.context import Context
from pipeline.strategies.crypto_momentum import CryptoMomentum, CryptoMomentumParameters
from tests.support.random_books import random_panel

BARS = 500
SYMBOLS = ("BTC/USD", "SOL/USD", "ETH/USD", "SPY", "ADA/USD")
UNIVERSE = ("ADA/USD", "BTC/USD", "ETH/USD", "SOL/USD")
DEFAULT = CryptoMomentumParameters()
CHANGES = {
    "momentum_short_days": 10,
    "momentum_long_days": 90,
    "only_in_risk_on": False,
    "equal_weight": True,
    "max_positions": 1,
    "max_missed_closes": 1,
}


def known(seed=1):
    """A context with everything that some parameters below ask for, with holes and equal scores."""
    rng = np.random.default_rng(seed)
    panel = random_panel(np.random.default_rng(3), bars=BARS, assets=5)
    object.__setattr__(panel, "symbols", SYMBOLS)
    shape = (BARS, 5)
    drawn = {f"momentum_{days}d": rng.normal(0.02, 0.2, shape).round(1) for days in (10, 30, 60, 90)}
    drawn["closes_missed_d"] = rng.integers(0, 5, shape).astype(float)
    for values in drawn.values():
        values[rng.random(shape) < 0.05] = math.nan
    return Context(panel, drawn, {"crypto": rng.integers(0, 2, BARS).astype(np.int8)})


def aloud(context, p):
    """The rule, bar by bar."""
    weights = np.zeros(context.shape)
    for t in range(BARS):
        if p.only_in_risk_on and context.regime("crypto")[t] != 1:
            continue
        scores = {}
        for a, symbol in enumerate(SYMBOLS):
            short, long, missed = (
                context.feature(name)[t, a]
                for name in (
                    f"momentum_{p.momentum_short_days}d",
                    f"momentum_{p.momentum_long_days}d",
                    "closes_missed_d",
                )
            )
            score = (short + long) / 2
            if symbol in UNIVERSE and score > 0 and missed < p.max_missed_closes:
                scores[a] = score
        best = sorted(scores, key=lambda a: (-scores[a], a))[: p.max_positions]
        total = sum(scores[a] for a in sorted(best))
        for a in best:
            weights[t, a] = 1 / len(best) if p.equal_weight else scores[a] / total
    return weights


@pytest.mark.parametrize("changed", [{}, *({name: value} for name, value in CHANGES.items())], ids=str)
def test_weights_equal_the_rule_read_aloud(changed):
    params, context = DEFAULT.model_copy(update=changed), known()
    weights = CryptoMomentum(UNIVERSE).weights(context, params)
    np.testing.assert_array_equal(weights, aloud(context, params))
    assert (np.count_nonzero(weights, axis=1) <= params.max_positions).all()
    assert weights.sum(axis=1).max() <= 1.0 + 1e-12


def test_every_parameter_changes_a_weight():
    assert set(CHANGES) == set(CryptoMomentumParameters.model_fields)
    params = [DEFAULT, *(DEFAULT.model_copy(update={name: value}) for name, value in CHANGES.items())]
    first, *others = CryptoMomentum(UNIVERSE).weights_many(known(), params)
    for name, other in zip(CHANGES, others, strict=True):
        assert (first != other).any(), name


def test_two_coins_share_the_budget_by_score_and_one_takes_it_whole():
    panel = random_panel(np.random.default_rng(3), bars=1, assets=2)
    object.__setattr__(panel, "symbols", ("BTC/USD", "ETH/USD"))
    features = {"closes_missed_d": [0.0, 0.0], "momentum_30d": [0.2, 0.1], "momentum_60d": [0.4, 0.1]}
    context = Context(
        panel,
        {name: np.array([values]) for name, values in features.items()},
        {"crypto": np.ones(1, np.int8)},
    )
    weights = CryptoMomentum().weights(context, DEFAULT)
    np.testing.assert_allclose(weights, [[0.75, 0.25]], rtol=1e-15)
    one = DEFAULT.model_copy(update={"max_positions": 1})
    assert CryptoMomentum().weights(context, one).tolist() == [[1.0, 0.0]]


def test_a_run_without_regimes_is_refused_unless_gating_is_off():
    context = Context(known().panel, known().features)
    with pytest.raises(ComponentNotFoundError, match="crypto"):
        CryptoMomentum(UNIVERSE).weights(context, DEFAULT)
    free = DEFAULT.model_copy(update={"only_in_risk_on": False})
    assert CryptoMomentum(UNIVERSE).weights(context, free).any()


def test_it_asks_for_exactly_the_features_that_it_reads():
    for params in (DEFAULT, DEFAULT.model_copy(update={"momentum_long_days": 30})):
        asked = CryptoMomentum().features(params)
        assert len(set(asked)) == len(asked)
        context = known()
        features = {name: context.feature(name) for name in asked}
        for name in asked:
            less = {other: values for other, values in features.items() if other != name}
            with pytest.raises(ComponentNotFoundError, match=name):
                CryptoMomentum(UNIVERSE).weights(Context(context.panel, less, context.regimes), params)


@pytest.mark.parametrize("changed", [{}, {"equal_weight": True, "max_positions": 3}], ids=str)
def test_the_compiled_rule_is_the_rule_that_is_written(changed):
    params, context = DEFAULT.model_copy(update=changed), known()
    short, long, missed = (
        context.feature(name) for name in ("momentum_30d", "momentum_60d", "closes_missed_d")
    )
    inside = np.array([symbol in UNIVERSE for symbol in SYMBOLS])
    out = np.empty(context.shape)
    kernel.momentum.py_func(
        short, long, missed, context.regime("crypto") == 1, inside,
        params.max_positions, params.equal_weight, params.max_missed_closes, out,
    )  # fmt: skip
    np.testing.assert_array_equal(CryptoMomentum(UNIVERSE).weights(context, params), out)
