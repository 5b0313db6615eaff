"""What a member costs, told for a strategy in plain Python and for one that answers for many sets at once."""

from types import SimpleNamespace

import numpy as np
import pytest

from assets.optimization.speed import speed_of
from pipeline.backtest.rules import Rules
from pipeline.strategies.context import Context
from tests.support.random_books import random_assets, random_panel
from tests.support.random_population import Draw, RandomWeights


class Vectorised(RandomWeights):
    def weights_many(self, context, params, out=None):
        answer = np.empty((len(params), *context.shape)) if out is None else out
        for each, into in zip(params, answer, strict=True):
            into[:] = self.weights(context, each)
        return answer


def market_of(kind, *instants):
    rng = np.random.default_rng(3)
    panel = random_panel(rng, bars=60, assets=2)
    ticks = iter(instants)
    return SimpleNamespace(
        desk=SimpleNamespace(clock=SimpleNamespace(monotonic=lambda: next(ticks))),
        strategy=kind(panel.symbols), context=lambda params: Context(panel, {}), rules=Rules(),
        assets=random_assets(rng, panel), initial_nav=1e5, window=(None, None),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "vectorised"), [(RandomWeights, False), (Vectorised, True)])
def test_the_strategys_part_of_a_member_is_told_apart_from_its_account(kind, vectorised):
    told = speed_of(market_of(kind, 10.0, 10.3, 10.7), [Draw(seed=n) for n in range(20)])
    assert told["vectorised"] is vectorised
    assert told["strategy_ms"] == pytest.approx(300 / 8), "eight of the twenty members are timed"
    assert told["account_ms"] == pytest.approx(100 / 8)
    assert told["slowdown"] == pytest.approx(4.0)


def test_a_clock_that_stands_still_says_nothing_of_the_slowdown():
    told = speed_of(market_of(RandomWeights, 10.0, 10.0, 10.0), [Draw()])
    assert told["slowdown"] is None
    assert told["account_ms"] is None
