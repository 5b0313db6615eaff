"""Books of a few bars laid out by hand, on an account without caps, costs and floors unless told."""

import math

import numpy as np

from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.market.panel import Panel

CELL = np.timedelta64(4, "h").astype("timedelta64[us]")
FREE = {"equity": Costs(0.0, 0.0), "crypto": Costs(0.0, 0.0)}
INF = math.inf
NAN = math.nan


def rules(**changed):
    plain = {
        "per_asset_cap": INF, "class_caps": {}, "max_leverage": INF, "max_borrowing": 0.0,
        "drawdown_trigger": INF, "drawdown_release": INF, "drawdown_halt": INF,
        "rebalance_band_nav": 0.01, "rebalance_band_target": 0.10, "min_trade_nav": 0.0, "min_trade_usd": 0.0,
        "volume_share": INF, "costs": FREE,
    }  # fmt: skip
    return Rules(**(plain | changed))


def book(closes, *, opens=None, volume=None, open_late=None, known_late=None, classes=None):
    """One column per row of ``closes``; an asset opens where it closed before unless told otherwise."""
    close = np.array(closes, float).T.copy()
    before = np.vstack([close[:1], close[:-1]])
    for t in range(1, len(close)):
        before[t] = np.where(np.isnan(before[t]), before[t - 1], before[t])
    open_ = before.copy() if opens is None else np.array(opens, float).T.copy()
    open_[np.isnan(close)] = NAN
    ts = np.datetime64("2024-07-01T00:00:00.000000") + np.arange(len(close)) * CELL
    at = np.repeat(ts[:, None], close.shape[1], axis=1)
    known = at + CELL + np.array([[0]] if known_late is None else known_late, "timedelta64[m]")
    opened = at if open_late is None else at + np.array(open_late, "timedelta64[m]").T
    names = tuple(f"A{column}" for column in range(close.shape[1]))
    traded = np.full(close.shape, 1e9) if volume is None else np.array(volume, float).T.copy()
    high, low = np.fmax(open_, close), np.fmin(open_, close)
    panel = Panel(names, ts, opened.copy(), at + CELL, known, open_, high, low, close, traded)
    kinds = classes or ["crypto"] * len(names)
    return panel, [Tradable(name, kind, always_open=True) for name, kind in zip(names, kinds, strict=True)]


def weights(*columns):
    return np.array(columns, float).T.copy()
