"""TA-Lib's six calls for each asset, on columns that lie contiguous in memory."""

from collections.abc import Callable

import numpy as np
import talib

VERSION = f"TA-Lib {talib.__version__}"
NAMES = (
    "sma_200",
    "ema_20",
    "rsi_14",
    "atr_14",
    "bb_upper_20_2",
    "bb_mid_20",
    "bb_lower_20_2",
    "momentum_10",
)


def prepare(data: dict[str, np.ndarray]) -> Callable[[], dict[str, np.ndarray]]:
    """Hold the columns ready and return the call: answers are named by indicator and asset, ``sma_200 3``."""
    assets = range(data["close"].shape[1])
    high, low, close = (
        [np.ascontiguousarray(data[name][:, i]) for i in assets] for name in ("high", "low", "close")
    )

    keys = {name: [f"{name} {i}" for i in assets] for name in NAMES}

    def call() -> dict[str, np.ndarray]:
        bands = [talib.BBANDS(close[i], 20, 2.0, 2.0) for i in assets]
        columns = (
            [talib.SMA(close[i], 200) for i in assets],
            [talib.EMA(close[i], 20) for i in assets],
            [talib.RSI(close[i], 14) for i in assets],
            [talib.ATR(high[i], low[i], close[i], 14) for i in assets],
            [band[0] for band in bands],
            [band[1] for band in bands],
            [band[2] for band in bands],
            [talib.ROCP(close[i], 10) for i in assets],
        )
        return {
            key: found
            for name, own in zip(NAMES, columns, strict=True)
            for key, found in zip(keys[name], own, strict=True)
        }

    return call
