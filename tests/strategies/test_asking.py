"""Whatever a strategy answers, the desk gets weights that fit, or a refusal that names the place."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pipeline.backtest.engine import backtest
from pipeline.backtest.result import Provenance
from pipeline.backtest.rules import Rules, Tradable
from pipeline.errors import BellsError, ComponentNotFoundError, ConfigError, ModelError
from pipeline.strategies.asking import confidence_of, features_of, weights_many_of, weights_of
from pipeline.strategies.context import Context
from pipeline.strategies.crypto_momentum import CryptoMomentum, CryptoMomentumParameters
from pipeline.strategies.hints import hints_of, signal_at
from pipeline.strategies.port import Parameters
from tests.support.random_books import random_panel

BARS = 60
SYMBOLS = ("SPY", "BTC/USD", "QQQ", "ETH/USD")


class Level(Parameters):
    level: float = 0.25


@dataclass(frozen=True)
class Says:
    """A strategy that answers what the test tells it to."""

    answer: Any
    universe: tuple[str, ...] = ("QQQ", "SPY")
    name = "Says"
    version = "2.1.0"
    params_model = Level
    regimes = ()

    def features(self, params):
        return (f"sma_{int(100 * params.level)}", "close")

    def weights(self, context, params):
        return self.answer(context, params) if callable(self.answer) else self.answer


class Sure(Says):
    urgency = "low"

    def confidence(self, context, params):
        values = np.full(context.shape, 0.5)
        values[:, 0] = np.nan
        return values


class ThinksInBulk(Says):
    def weights_many(self, context, params, out=None):
        return np.stack([self.answer(context, each) for each in params])


def level(context, params):
    return np.full(context.shape, params.level)


@pytest.fixture
def context():
    panel = random_panel(np.random.default_rng(1), bars=BARS, assets=4)
    object.__setattr__(panel, "symbols", SYMBOLS)
    close = np.arange(BARS * 4.0).reshape(BARS, 4)
    return Context(panel, {"close": close}, {"crypto": np.ones(BARS, np.int8)})


def at(row, column, value):
    weights = np.full((BARS, 2), 0.3)
    weights[row, column] = value
    return weights


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        (np.zeros((BARS, 4)), "weights", "does not fit"),
        (np.zeros(BARS), "weights", "does not fit"),
        (None, "weights", "does not fit"),
        ([["a", "b"]] * BARS, "weights", "does not fit"),
        (at(7, 1, np.nan), "weights[7, 1]", "SPY"),
        (at(8, 0, np.inf), "weights[8, 0]", "QQQ"),
        (at(9, 0, -0.01), "weights[9, 0]", "short sales"),
        (at(5, 1, 1.2), "weights[5, 1]", "0 to 1"),
        (at(11, 1, 0.9), "weights[11]", "at most 1, not 1.2"),
    ],
    ids=str,
)
def test_an_answer_that_does_not_fit_is_refused_by_row_and_symbol(context, answer, field, words):
    with pytest.raises(ModelError) as refused:
        weights_of(context, Says(answer), Level())
    assert refused.value.field == field
    assert words in str(refused.value)
    assert refused.value.fix
    assert refused.value.exit_code == 3


def test_a_place_in_an_answer_is_named_by_its_decision(context):
    with pytest.raises(ModelError, match=str(context.decisions[7])[:16]):
        weights_of(context, Says(at(7, 1, np.nan)), Level())


def test_a_failure_of_the_strategy_is_a_failure_of_a_model_and_says_what_failed(context):
    with pytest.raises(ModelError, match=r"Says failed: ZeroDivisionError: division by zero") as failed:
        weights_of(context, Says(lambda _context, _params: 1 / 0), Level())
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    with pytest.raises(ModelError, match="Says failed"):
        features_of(Says(None), [None])


def test_an_error_of_the_desk_passes_as_it_is(context):
    with pytest.raises(ComponentNotFoundError, match="rsi_14"):
        weights_of(context, Says(lambda seen, _params: seen.feature("rsi_14")), Level())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda seen: seen.panel.close.__setitem__(0, 1.0),
        lambda seen: seen.panel.ts.__setitem__(0, 1),
        lambda seen: seen.feature("close").__setitem__(0, 1.0),
        lambda seen: seen.regime("crypto").__setitem__(0, 0),
    ],
)
def test_a_strategy_cannot_change_what_others_see(context, spoil):
    before = context.panel.close.copy()
    for universe in (SYMBOLS, ("SPY",)):
        with pytest.raises(ModelError, match="read-only"):
            weights_of(context, Says(lambda seen, _params: spoil(seen), universe), Level())
    np.testing.assert_array_equal(context.panel.close, before)


def test_a_strategy_sees_its_universe_in_its_order_and_weighs_nothing_else(context):
    seen = []

    def look(own, _params):
        seen.append((own.symbols, own.feature("close")[1].tolist(), own.panel.symbols, own.shape))
        return np.tile([0.1, 0.2], (own.shape[0], 1))

    weights = weights_of(context, Says(look), Level())
    assert seen == [(("QQQ", "SPY"), [6.0, 4.0], ("QQQ", "SPY"), (BARS, 2))]
    assert weights[3].tolist() == [0.2, 0.0, 0.1, 0.0]
    with pytest.raises(ConfigError, match="DIA"):
        weights_of(context, Says(level, ("DIA", "SPY")), Level())


def test_what_a_strategy_says_does_not_depend_on_who_else_is_in_the_book():
    """Equal scores go to the earlier symbol of its own universe, wherever a book has that column."""
    panel = random_panel(np.random.default_rng(1), bars=3, assets=4)
    object.__setattr__(panel, "symbols", SYMBOLS)
    same = np.full((3, 4), 0.1)
    features = {"momentum_30d": same, "momentum_60d": same, "closes_missed_d": np.zeros((3, 4))}
    context = Context(panel, features, {"crypto": np.ones(3, np.int8)})
    one = CryptoMomentumParameters(max_positions=1)
    for universe in (("BTC/USD", "ETH/USD"), ("ETH/USD", "BTC/USD")):
        weights = weights_of(context, CryptoMomentum(universe), one)
        assert weights[:, SYMBOLS.index(universe[0])].tolist() == [1.0] * 3
        assert weights.sum() == 3.0


@pytest.mark.parametrize("kind", [Says, ThinksInBulk])
@pytest.mark.parametrize("universe", [("QQQ", "SPY"), SYMBOLS])
def test_a_population_is_every_member_asked_alone(context, kind, universe):
    strategy, params = kind(level, universe), [Level(level=x) for x in (0.0, 0.125, 0.25)]
    many = weights_many_of(context, strategy, params)
    assert many.shape == (3, BARS, 4)
    for each, weights in zip(params, many, strict=True):
        np.testing.assert_array_equal(weights, weights_of(context, strategy, each))
    memory = np.full((3, BARS, 4), 9.0)
    assert weights_many_of(context, strategy, params, memory) is memory
    np.testing.assert_array_equal(memory, many)


def test_the_answer_for_a_population_is_checked_too(context):
    strategy = ThinksInBulk(lambda seen, params: np.full(seen.shape, params.level))
    with pytest.raises(ModelError, match="more than its budget"):
        weights_many_of(context, strategy, [Level(), Level(level=0.6)])
    strategy = ThinksInBulk(lambda _seen, _params: np.zeros(3))
    with pytest.raises(ModelError, match="does not fit"):
        weights_many_of(context, strategy, [Level()])


def test_a_population_reads_the_union_of_its_features_once():
    params = [Level(level=x) for x in (0.2, 0.5, 0.2)]
    assert features_of(Says(level), params) == ("sma_20", "close", "sma_50")


def test_a_run_refuses_what_asking_refuses(context):
    assets = tuple(Tradable(symbol, "equity", always_open=True) for symbol in SYMBOLS)
    with pytest.raises(BellsError) as refused:
        backtest(
            context,
            Says(at(7, 1, np.nan)),
            Level(),
            rules=Rules(),
            assets=assets,
            provenance=Provenance("sample", simulated=True),
        )
    assert refused.value.exit_code == 3


def test_a_signal_has_confidence_for_exactly_the_symbols_that_have_weights(context):
    signal = signal_at(context, Sure(level), Level())
    assert signal.weights == {"QQQ": 0.25, "SPY": 0.25}
    assert signal.confidence == {"QQQ": None, "SPY": 0.5}
    assert (signal.strategy, signal.version) == ("Says", "2.1.0")
    assert signal.at.isoformat()[:16] == str(context.decisions[-1])[:16]
    assert (signal.hints.urgency, signal.hints.horizon, signal.hints.confident) == ("low", None, True)


def test_hints_that_are_not_given_are_unknown(context):
    assert confidence_of(context, Says(level), Level()) is None
    silent = hints_of(Says(level))
    assert (silent.urgency, silent.horizon, silent.confident) == (None, None, False)
    assert signal_at(context, Says(level), Level()).confidence is None


def test_a_confidence_beyond_one_is_refused(context):
    class TooSure(Says):
        def confidence(self, context, params):
            return np.full(context.shape, 1.5)

    with pytest.raises(ModelError, match=r"confidence\[0, 0\]"):
        confidence_of(context, TooSure(level), Level())
