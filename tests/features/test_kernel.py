"""The compiled kernels equal their plain source, stay exact and forget their start."""

from fractions import Fraction

import numpy as np
import pytest

from pipeline.features import kernel, kernel_windows
from pipeline.features.indicators import indicators
from pipeline.features.registry import parse
from tests.support.small_market import walk

MODULES = (kernel, kernel_windows)


def close_of(seed: int, bars: int, assets: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([walk(rng, bars)["close"] for _ in range(assets)])


def plain(monkeypatch) -> None:
    """Swap every compiled function of the kernels for its source."""
    for module in MODULES:
        for name, member in list(vars(module).items()):
            if hasattr(member, "py_func"):
                monkeypatch.setattr(module, name, member.py_func)


ALL = [
    "sma_7", "sma_16", "ema_5", "rsi_4", "atr_3", "momentum_6", "log_return", "volatility_9", "close",
    "bb_mid_11", "bb_upper_11_2", "bb_lower_11_2", "bb_upper_23_1", "bb_mid_6",
]  # fmt: skip


@pytest.mark.parametrize("assets", [1, 3, 9])
def test_compiled_kernels_equal_their_plain_source_to_the_bit(assets, monkeypatch):
    rng = np.random.default_rng(5)
    paths = [walk(rng, 60) for _ in range(assets)]
    prices = [np.column_stack([path[name] for path in paths]) for name in ("high", "low", "close")]
    specs = [parse(name) for name in ALL]
    compiled = indicators(*prices, specs)
    plain(monkeypatch)
    by_hand = indicators(*prices, specs)
    assert np.isfinite(compiled[:, -1]).all()
    np.testing.assert_array_equal(compiled, by_hand)


def test_every_kernel_is_compiled_from_plain_python():
    names = {
        name for module in MODULES for name, member in vars(module).items() if hasattr(member, "py_func")
    }
    assert {"moving_mean", "moving_bands", "exponential_mean", "relative_strength", "average_range"} <= names


def test_a_moving_mean_does_not_drift_over_a_hundred_thousand_bars():
    rng = np.random.default_rng(6)
    close = 1e5 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (100_000, 1)), axis=0) % 0.7)
    ours = indicators(close, close, close, [parse("sma_200")])[0, :, 0]
    for t in (199, 12_345, 50_000, 99_999):
        exact = sum(map(Fraction, close[t - 199 : t + 1, 0].tolist())) / 200
        assert abs(Fraction(ours[t]) - exact) < Fraction(1, 10**9)


def test_bollinger_bands_keep_their_digits_after_a_crash():
    rng = np.random.default_rng(7)
    quiet = 1.0 + 1e-6 * rng.standard_normal((50_000, 1))
    close = np.vstack([1e5 * np.exp(0.1 * rng.standard_normal((50_000, 1))), quiet])
    upper, mid = indicators(close, close, close, [parse("bb_upper_20_2"), parse("bb_mid_20")])[:, :, 0]
    last = [Fraction(value) for value in close[-20:, 0].tolist()]
    mean = sum(last) / 20
    variance = sum((value - mean) ** 2 for value in last) / 20
    assert mid[-1] == pytest.approx(float(mean), rel=1e-15)
    assert upper[-1] - mid[-1] == pytest.approx(2.0 * float(variance) ** 0.5, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5, 16, 20, 30, 63, 200])
def test_equal_prices_have_that_mean_and_a_deviation_of_exactly_zero(n):
    rng = np.random.default_rng(8)
    close = np.vstack([1e5 * rng.random((777, 1)) + 1.0, np.full((n + 5, 1), 0.1)])
    names = (f"sma_{n}", f"bb_upper_{n}_2", f"bb_lower_{n}_2", f"volatility_{n}")
    values = indicators(close, close, close, [parse(name) for name in names])[:, -3:, 0]
    np.testing.assert_array_equal(values[:3], np.full((3, 3), 0.1))
    np.testing.assert_array_equal(values[3], np.zeros(3))


def test_relative_strength_is_50_without_a_move_and_100_or_0_with_moves_one_way():
    up = np.linspace(1.0, 2.0, 100)
    close = np.column_stack([np.full(100, 7.3), up, up[::-1]])
    values = indicators(close, close, close, [parse("rsi_14")])[0, 14:]
    np.testing.assert_array_equal(values, np.tile([50.0, 100.0, 0.0], (86, 1)))


@pytest.mark.parametrize("name", ["sma_200", "bb_mid_20", "bb_upper_20_2", "momentum_10", "volatility_30"])
def test_a_window_is_the_same_to_the_bit_wherever_the_history_starts(name):
    feature = parse(name)
    close = close_of(9, 2_500, 4)
    whole = indicators(close, close, close, [feature])[0]
    for start in (1, 77, 1_031):
        later = np.ascontiguousarray(close[start:])
        part = indicators(later, later, later, [feature])[0]
        np.testing.assert_array_equal(part[feature.lookback :], whole[start + feature.lookback :])


@pytest.mark.parametrize(("name", "warm_up"), [("rsi_14", 280), ("atr_14", 280), ("ema_200", 2_072)])
def test_a_recurrence_forgets_its_start_to_1e_9_after_the_warm_up(name, warm_up):
    # The warm-up counts smoothing steps, so it begins at the first value, which is the plain mean.
    feature = parse(name)
    settled = feature.lookback + warm_up
    assert feature.settled == settled
    rng = np.random.default_rng(10)
    paths = [walk(rng, 3_500) for _ in range(4)]
    prices = [np.column_stack([path[key] for path in paths]) for key in ("high", "low", "close")]
    whole = indicators(*prices, [feature])[0]
    for start in (40, 500, 1_200):
        part = indicators(*(np.ascontiguousarray(x[start:]) for x in prices), [feature])[0]
        np.testing.assert_allclose(part[settled:], whole[start + settled :], rtol=1e-9)


def test_a_value_does_not_depend_on_the_neighbours_of_its_asset():
    close = close_of(11, 900, 13)
    specs = [parse(name) for name in ALL]
    together = indicators(close, close, close, specs)
    for column in (0, 7, 12):
        alone = np.ascontiguousarray(close[:, column : column + 1])
        np.testing.assert_array_equal(indicators(alone, alone, alone, specs)[:, :, 0], together[:, :, column])


def test_bands_and_plain_means_of_one_period_have_the_same_middle_to_the_bit():
    close = close_of(12, 3_000, 4)
    for n in (2, 20, 30, 64, 200):
        names = (f"bb_mid_{n}", f"sma_{n}", f"bb_upper_{n}_2")
        mid, mean, _ = indicators(close, close, close, [parse(name) for name in names])
        np.testing.assert_array_equal(mid, mean)
        np.testing.assert_array_equal(mid, indicators(close, close, close, [parse(f"bb_mid_{n}")])[0])
