"""vectorbt on the same grid: frames of 250 pairs by 4 assets, metrics by accessors over the whole frame."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import vectorbt as vbt  # ty: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = f"vectorbt {vbt.__version__}"
CHUNK = 250


def prepare(data: dict[str, np.ndarray]) -> Callable[[], dict[str, np.ndarray]]:
    """Return the call with all assets in one frame."""
    return chunked(data, [list(range(data["close"].shape[1]))])


def chunked(data: dict[str, np.ndarray], groups: list[list[int]]) -> Callable[[], dict[str, np.ndarray]]:
    """Return the call: every chunk of pairs of every group of assets, one after the other."""
    index = pd.DatetimeIndex(data["ts"])
    place = {int(span): k for k, span in enumerate(data["spans"])}
    pairs = np.array([[place[int(fast)], place[int(slow)]] for fast, slow in data["pairs"]])
    means, assets = np.ascontiguousarray(data["means"].transpose(1, 0, 2)), data["close"].shape[1]
    prices = {
        (name, len(group), *group): pd.DataFrame(
            np.tile(data[name][:, group], (1, CHUNK)) if len(group) > 1 else data[name][:, group], index=index
        )
        for name in ("close", "open")
        for group in groups
    }

    def call() -> dict[str, np.ndarray]:
        start = time.process_time()
        answer: dict[str, np.ndarray] = {}
        for group in groups:
            close, open_ = (prices[name, len(group), *group] for name in ("close", "open"))
            close, open_ = (frame if frame.shape[1] > 1 else frame.iloc[:, 0] for frame in (close, open_))
            for first in range(0, len(pairs), CHUNK):
                chunk = pairs[first : first + CHUNK]
                long = means[:, chunk[:, 0]][:, :, group] > means[:, chunk[:, 1]][:, :, group]
                account = _account(close, open_, long.reshape(len(index), -1), index, data["costs"])
                for name, values in _metrics(account).items():
                    whole = answer.setdefault(name, np.empty((assets, len(pairs))))
                    whole[group, first : first + len(chunk)] = values.reshape(len(chunk), -1).T
        flat = {name: values.reshape(-1) for name, values in answer.items()}
        return flat | {"cpu": np.array(time.process_time() - start)}

    return call


def _account(close: Any, open_: Any, long: np.ndarray, index: pd.DatetimeIndex, costs: np.ndarray) -> Any:
    """Return the accounts that act at the open after each cross."""
    entries, exits = np.zeros_like(long), np.zeros_like(long)
    entries[1] = long[0]
    np.logical_and(long[1:-1], ~long[:-2], out=entries[2:])
    np.logical_and(~long[1:-1], long[:-2], out=exits[2:])
    fee, slippage, cash = costs
    return vbt.Portfolio.from_signals(
        close,
        pd.DataFrame(entries, index=index),
        pd.DataFrame(exits, index=index),
        price=open_,
        fees=fee * 1e-4,
        slippage=slippage * 1e-4,
        init_cash=cash,
        freq="4h",
        direction="longonly",
    )


def _metrics(account: Any) -> dict[str, np.ndarray]:
    """Return one value per account; vectorbt keeps value, returns and trades for the next accessor."""
    trades = account.trades
    found = {
        "final_value": account.final_value(),
        "total_return": account.total_return(),
        "cagr": account.annualized_return(),
        "volatility": account.annualized_volatility(),
        "sharpe": account.sharpe_ratio(),
        "sortino": account.sortino_ratio(),
        "max_drawdown": -account.max_drawdown(),
        "calmar": account.calmar_ratio(),
        "trades": trades.count(),
        "closed": trades.closed.count(),
        "win_rate": trades.closed.win_rate(),
        "profit_factor": trades.closed.profit_factor(),
        "exposure": account.gross_exposure().mean(),
    }
    return {name: np.asarray(values) for name, values in found.items()}
