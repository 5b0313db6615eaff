"""Bars that are missing: look-backs count bars, states carry over, long absences start anew."""

import numpy as np
import pytest

from pipeline.errors import ConfigError, DataError, SchemaError
from pipeline.features.indicators import indicators, plan_of
from pipeline.features.registry import parse
from tests.support.small_market import walk

NAMES = [
    "sma_5",
    "ema_5",
    "rsi_5",
    "atr_5",
    "bb_mid_5",
    "bb_upper_5_2",
    "momentum_5",
    "volatility_5",
    "log_return",
]
SPECS = [parse(name) for name in NAMES]


def prices_of(seed: int, bars: int, assets: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    paths = [walk(rng, bars) for _ in range(assets)]
    return [np.column_stack([path[name] for path in paths]) for name in ("high", "low", "close")]


def with_holes(prices: list[np.ndarray], holes: np.ndarray) -> list[np.ndarray]:
    return [np.where(holes, np.nan, price) for price in prices]


def test_an_asset_with_holes_has_the_values_of_its_bars_without_them():
    prices = prices_of(1, 400, 4)
    holes = np.random.default_rng(2).random((400, 4)) < 0.3
    holes[:, 3] = False
    values = indicators(*with_holes(prices, holes), SPECS)
    for column in range(4):
        own = np.flatnonzero(~holes[:, column])
        dense = indicators(*(np.ascontiguousarray(x[own, column : column + 1]) for x in prices), SPECS)
        np.testing.assert_array_equal(values[:, own, column], dense[:, :, 0])
        assert np.isnan(values[:, holes[:, column], column]).all()


def test_assets_with_the_same_sessions_are_computed_alike():
    prices = prices_of(3, 300, 6)
    holes = np.zeros((300, 6), bool)
    holes[::3, :4] = True
    holes[50:60, 4] = True
    values = indicators(*with_holes(prices, holes), SPECS)
    for column in range(6):
        alone = [np.ascontiguousarray(x[:, column : column + 1]) for x in with_holes(prices, holes)]
        np.testing.assert_array_equal(values[:, :, column], indicators(*alone, SPECS)[:, :, 0])


def test_after_a_hole_longer_than_allowed_an_asset_starts_anew():
    prices = prices_of(4, 200, 2)
    holes = np.zeros((200, 2), bool)
    holes[100:161, 0] = True
    holes[100:160, 1] = True
    values = indicators(*with_holes(prices, holes), SPECS, longest_hole=60)
    fresh = indicators(*(np.ascontiguousarray(x[161:, :1]) for x in prices), SPECS)
    np.testing.assert_array_equal(values[:, 161:, 0], fresh[:, :, 0])
    assert np.isfinite(values[:, 160:, 1]).all(), "60 rows are not more than 60"


def test_an_asset_without_any_bar_is_all_gaps():
    prices = with_holes(prices_of(5, 50, 2), np.column_stack([np.zeros(50, bool), np.ones(50, bool)]))
    values = indicators(*prices, SPECS)
    assert np.isnan(values[:, :, 1]).all()
    assert np.isfinite(values[:, -1, 0]).all()


def test_reused_memory_gives_the_same_values_and_is_the_answer():
    prices = prices_of(6, 100, 3)
    out = np.full((len(SPECS), 100, 3), 7.0)
    assert indicators(*prices, SPECS, out=out) is out
    np.testing.assert_array_equal(out, indicators(*prices, SPECS))
    holes = np.random.default_rng(7).random((100, 3)) < 0.2
    np.testing.assert_array_equal(
        indicators(*with_holes(prices, holes), SPECS, out=out), indicators(*with_holes(prices, holes), SPECS)
    )


@pytest.mark.parametrize(
    ("which", "value"),
    [(2, 0.0), (2, -1.0), (2, np.inf), (0, np.inf), (1, -np.inf), (0, np.nan), (1, np.nan), (2, np.nan)],
)
def test_a_price_that_is_no_price_is_named_with_its_place(which, value):
    prices = prices_of(8, 30, 2)
    prices[which][17, 1] = value
    with pytest.raises(DataError, match=r"row 17, column 1"):
        indicators(*prices, SPECS)


def test_wrong_shapes_and_orders_are_refused():
    high, low, close = prices_of(9, 30, 2)
    with pytest.raises(SchemaError, match="high"):
        indicators(high[:-1], low, close, SPECS)
    with pytest.raises(SchemaError, match="C order"):
        indicators(high, low, np.asfortranarray(close), SPECS)
    with pytest.raises(SchemaError, match="out"):
        indicators(high, low, close, SPECS, out=np.empty((1, 30, 2)))


def test_a_feature_that_bars_cannot_give_is_refused():
    with pytest.raises(ConfigError, match="closes_missed_d"):
        plan_of((parse("closes_missed_d"),))
