"""Our indicators equal TA-Lib's, an implementation by other hands, with its gaps at the start."""

import numpy as np
import polars as pl
import pytest
import talib

from pipeline.features.indicators import indicators
from pipeline.features.registry import parse
from tests.support.small_market import walk

RELATIVE = 1e-9

TALIB = {
    "sma": lambda _h, _l, c, n: talib.SMA(c, n),
    "ema": lambda _h, _l, c, n: talib.EMA(c, n),
    "rsi": lambda _h, _l, c, n: talib.RSI(c, n),
    "atr": talib.ATR,
    "momentum": lambda _h, _l, c, n: talib.ROCP(c, n),
    "bb_mid": lambda _h, _l, c, n: talib.BBANDS(c, n, 2.0, 2.0)[1],
    "bb_upper_2": lambda _h, _l, c, n: talib.BBANDS(c, n, 2.0, 2.0)[0],
    "bb_lower_2": lambda _h, _l, c, n: talib.BBANDS(c, n, 2.0, 2.0)[2],
}


def walks(seed: int, bars: int = 3_000, assets: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    paths = [walk(rng, bars) for _ in range(assets)]
    return tuple(np.column_stack([path[name] for path in paths]) for name in ("high", "low", "close"))


def named(kind: str, n: int) -> str:
    head, _, width = kind.partition("_2")
    return f"{head}_{n}" + ("_2" if kind != head else width)


def theirs(kind: str, n: int, high, low, close) -> np.ndarray:
    columns = range(close.shape[1])
    parts = [TALIB[kind](*(np.ascontiguousarray(x[:, i]) for x in (high, low, close)), n) for i in columns]
    return np.column_stack(parts)


def assert_equal_talib(ours: np.ndarray, talibs: np.ndarray, scale: float = 0.0) -> None:
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(talibs))
    np.testing.assert_allclose(ours, talibs, rtol=RELATIVE, atol=scale)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 14, 16, 20, 30, 63, 64, 200, 256, 999])
@pytest.mark.parametrize("kind", TALIB)
def test_values_and_gaps_equal_talib_on_random_walks(kind, n):
    prices = walks(seed=n)
    ours = indicators(*prices, [parse(named(kind, n))])[0]
    assert np.isfinite(ours).any()
    assert_equal_talib(ours, theirs(kind, n, *prices))


@pytest.mark.parametrize("kind", ["sma", "atr", "momentum"])
def test_a_period_of_one_equals_talib(kind):
    prices = walks(seed=1, bars=50)
    assert_equal_talib(indicators(*prices, [parse(f"{kind}_1")])[0], theirs(kind, 1, *prices))


@pytest.mark.parametrize("n", [2, 20, 63])
def test_the_deviation_is_the_one_of_the_bands_to_the_bit(n):
    prices = walks(seed=n)
    names = (f"bb_mid_{n}", f"bb_sd_{n}", f"bb_lower_{n}_2p5", f"bb_upper_{n}_2p5")
    mid, deviation, lower, upper = indicators(*prices, [parse(name) for name in names])
    np.testing.assert_array_equal(mid - 2.5 * deviation, lower)
    np.testing.assert_array_equal(mid + 2.5 * deviation, upper)
    assert_equal_talib(deviation, np.apply_along_axis(lambda c: talib.STDDEV(c, n, 1.0), 0, prices[2]), 1e-7)


@pytest.mark.parametrize("n", [2, 7, 30, 252])
def test_volatility_equals_the_textbook_formula(n):
    _, _, close = prices = walks(seed=2)
    returns = np.log(close[1:] / close[:-1])
    plain = np.full_like(close, np.nan)
    for t in range(n, close.shape[0]):
        plain[t] = np.std(returns[t - n : t], axis=0, ddof=1)
    assert_equal_talib(indicators(*prices, [parse(f"volatility_{n}")])[0], plain)


def test_log_return_is_the_log_of_the_ratio_of_closes():
    _, _, close = prices = walks(seed=3)
    ours = indicators(*prices, [parse("log_return")])[0]
    np.testing.assert_allclose(ours[1:], np.diff(np.log(close), axis=0), rtol=0, atol=1e-13)
    assert np.isnan(ours[0]).all()


@pytest.mark.parametrize("kind", TALIB)
def test_histories_shorter_than_the_look_back_are_all_gaps(kind):
    for bars in (0, 1, 2, 13, 14):
        prices = walks(seed=4, bars=bars)
        ours = indicators(*prices, [parse(named(kind, 14))])[0]
        assert ours.shape == (bars, 3)
        if bars:
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs(kind, 14, *prices)))


@pytest.mark.realdata
@pytest.mark.parametrize("kind", TALIB)
def test_values_equal_talib_on_real_bitcoin_bars(kind, real_data):
    bars = pl.read_parquet(real_data / "crypto" / "binance_btcusdt_4h.parquet")
    prices = [bars[name].to_numpy().reshape(-1, 1).copy() for name in ("high", "low", "close")]
    for n in (14, 20, 200):
        ours = indicators(*prices, [parse(named(kind, n))])[0]
        assert_equal_talib(ours, theirs(kind, n, *prices))
