"""What a strategy may see, and what one decision may."""

from datetime import UTC, datetime

import numpy as np
import pytest

from pipeline.errors import ComponentNotFoundError, DataError, SchemaError
from pipeline.strategies.context import Context
from tests.support.random_books import random_panel

AT = datetime(2021, 3, 8, 4, tzinfo=UTC)


@pytest.fixture
def context():
    panel = random_panel(np.random.default_rng(5), bars=120, assets=2)
    return Context(panel, {"close_d": np.arange(240.0).reshape(120, 2)})


def test_features_cannot_be_written_and_the_callers_array_stays_writable():
    values = np.zeros((120, 2))
    context = Context(random_panel(np.random.default_rng(5), bars=120, assets=2), {"x": values})
    with pytest.raises(ValueError, match="read-only"):
        context.feature("x")[0, 0] = 1.0
    with pytest.raises(TypeError):
        context.features["y"] = values
    values[0, 0] = 1.0


def test_a_feature_that_does_not_fit_or_is_not_there_is_named(context):
    with pytest.raises(SchemaError, match="rsi_14"):
        Context(context.panel, {"rsi_14": np.zeros((3, 2))})
    with pytest.raises(ComponentNotFoundError, match=r"rsi_14.*close_d"):
        context.feature("rsi_14")


def test_a_view_sees_its_row_of_features_and_no_bar_known_later(context):
    view = context.at(AT)
    row = int(np.flatnonzero(context.decisions == np.datetime64("2021-03-08T04:00"))[0])
    assert view.timestamp == AT
    assert view.feature("close_d", "E1") == 2 * row + 1
    panel = context.panel
    known = [
        panel.close[i, 0]
        for i in range(row + 1)
        if not np.isnan(panel.close[i, 0]) and panel.known_at[i, 0] <= panel.decisions[row]
    ]
    np.testing.assert_array_equal(view.closes("C0", 5), known[-5:])
    assert view.price("C0") == known[-1]
    assert view.closes("C0", 0).size == 0


def test_asking_for_an_unknown_symbol_a_price_that_is_not_there_or_an_odd_time_says_so(context):
    with pytest.raises(KeyError):
        context.at(AT).price("SPY")
    with pytest.raises(DataError, match="no decision"):
        context.at(AT.replace(hour=5))
    with pytest.raises(DataError, match="no price"):
        context.at(datetime(2021, 3, 1, 4, tzinfo=UTC)).price("E1")


def test_the_context_up_to_a_decision_is_the_same_cut_off(context):
    short = context.upto(40)
    assert short.shape == (41, 2)
    np.testing.assert_array_equal(short.feature("close_d"), context.feature("close_d")[:41])
    assert short.symbols == context.symbols
    np.testing.assert_array_equal(short.known_at, context.known_at[:41])
