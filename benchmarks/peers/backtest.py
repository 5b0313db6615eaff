"""vectorbt on the same signals: shifted one bar, filled at the open, one account an asset, full stats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import vectorbt as vbt  # ty: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = f"vectorbt {vbt.__version__}"


def prepare(data: dict[str, np.ndarray]) -> Callable[[], dict[str, np.ndarray]]:
    """Return the call: simulate, then the statistics of every account as a user asks for them."""
    index = pd.DatetimeIndex(data["ts"])
    columns = [f"A{i}" for i in range(data["close"].shape[1])]
    close, open_ = (pd.DataFrame(data[name], index=index, columns=columns) for name in ("close", "open"))
    long = pd.DataFrame(data["long"], index=index, columns=columns)
    before = long.shift(1, fill_value=False)
    entries, exits = long & ~before, ~long & before
    fee, slippage, cash = data["costs"]
    entries, exits = entries.shift(1, fill_value=False), exits.shift(1, fill_value=False)

    def call() -> dict[str, np.ndarray]:
        account = vbt.Portfolio.from_signals(
            close,
            entries,
            exits,
            price=open_,
            fees=fee * 1e-4,
            slippage=slippage * 1e-4,
            init_cash=cash,
            freq="4h",
            direction="longonly",
        )
        stats = account.stats(agg_func=None)
        return {
            "final_value": account.final_value().to_numpy(),
            "max_drawdown": -account.max_drawdown().to_numpy(),
            "trades": stats["Total Trades"].to_numpy().astype(np.int64),
        }

    return call
