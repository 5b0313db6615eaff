"""The model that docs/valuation.md shows works as it stands, and is short."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.valuation import registry
from pipeline.valuation.backtest import backtest
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.walk_forward import calibrate, walk_forward
from tests.support.chain_histories import simulated_history

PAGE = (Path(__file__).parents[2] / "docs" / "valuation.md").read_text(encoding="utf-8")


@pytest.fixture
def shown():
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    assert block.count("\n") < 50
    exec(compile(block, "docs/valuation.md", "exec"), {"__name__": "shown"})  # noqa: S102 - our own page
    yield registry.create("hash_rate_price")
    registry.unregister("hash_rate_price")


@pytest.fixture(scope="module")
def history():
    whole = simulated_history(1200)
    rate = whole.columns["price_usd"] ** 1.2 * np.exp(np.random.default_rng(1).normal(0.0, 0.1, whole.n))
    return ChainHistory(whole.date, whole.known_at, {**whole.columns, "hash_rate_ths": rate})


def test_the_model_shown_fits_walks_and_joins_an_ensemble(shown, history):
    fitted = calibrate(shown, history)
    assert fitted.fitted.parameters.slope == pytest.approx(1 / 1.2, abs=0.01)
    assert fitted.fitted.errors.kind == "walk_forward"
    assert backtest(shown, history).metrics.mape < 0.2
    assert not walk_forward(Ensemble(members=(shown, PowerLaw())), history).failures


def test_the_model_shown_does_not_look_ahead(shown, history):
    short = history.before(history.date[900])
    before, after = walk_forward(shown, short), walk_forward(shown, history)
    assert before.forecast.tobytes() == after.forecast[: before.origins.size].tobytes()


def test_every_model_is_on_the_page():
    for name in registry.names():
        assert f"| `{name}` |" in PAGE
