"""The part of a panel that a run trades: its rows, its arrays as kernels take them, its sessions.

Checks come with it; nothing here knows an account, or more of weights than which columns they use.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from pipeline.arrays import AnyArray, Bool1D, Float2D
from pipeline.backtest.kernel import History
from pipeline.backtest.kernel_market import last_closes
from pipeline.backtest.rules import Tradable
from pipeline.calendar.grid import to_time64
from pipeline.errors import ConfigError, DataError, InsufficientDataError
from pipeline.market.panel import Panel
from pipeline.portfolio.payments import payments_of


def require_columns(panel: Panel, assets: Sequence[Tradable]) -> None:
    """Refuse assets that are not the panel's.

    Raises
    ------
    ConfigError
        When they are others, or stand in another order.
    """
    names = [asset.symbol for asset in assets]
    if tuple(names) != panel.symbols:
        raise ConfigError(
            "the assets are not the panel's", "assets", names, f"{panel.symbols}, in this order"
        )


def require_universe(panel: Panel, name: str, universe: Sequence[str]) -> None:
    """Refuse a strategy ``name`` whose universe is not in the panel.

    Raises
    ------
    ConfigError
        When a symbol is absent.
    """
    absent = [symbol for symbol in universe if symbol not in panel.symbols]
    if absent:
        raise ConfigError(
            f"{name} has no bars of {', '.join(absent)}",
            "universe",
            absent,
            f"among {', '.join(panel.symbols)}",
            "load them or shorten the universe",
        )


def rows_between(panel: Panel, start: datetime | None, end: datetime | None) -> tuple[int, int]:
    """Return the first row of the window of cells ``[start, end)`` and the one behind it.

    Raises
    ------
    InsufficientDataError
        When it holds no bars.
    """
    first = 0 if start is None else int(np.searchsorted(panel.ts, to_time64(start, "start")))
    last = panel.n_bars if end is None else int(np.searchsorted(panel.ts, to_time64(end, "end")))
    if first >= last:
        raise InsufficientDataError(
            "the window holds no bars",
            "start",
            "the first bar" if start is None else start.isoformat(),
            f"start < end, inside {panel.ts[0]} to {panel.ts[-1]}",
            "choose a window inside the data, or update the data",
        )
    return first, last


def plain(array: AnyArray) -> AnyArray:
    """Return the array in the one layout kernels are compiled for."""
    fits = array.flags.c_contiguous and array.flags.writeable
    return array if fits else array.copy(order="C")


def history_of(panel: Panel, lookback: int) -> History:
    """Return the market of a panel with its last known closes, and room for ``lookback`` volumes.

    Raises
    ------
    DataError
        When a bar opens outside its own range.
    """
    ts, open_at, known_at = (
        plain(times).view(np.int64) for times in (panel.ts, panel.open_at, panel.known_at)
    )
    open_, high, low, close, volume = (
        plain(values) for values in (panel.open, panel.high, panel.low, panel.close, panel.volume)
    )
    mark = np.empty(close.shape)
    bad = last_closes(ts, known_at, open_, high, low, close, mark)
    if bad >= 0:
        row, column = divmod(bad, panel.n_assets)
        raise DataError(
            f"the bar of {panel.symbols[column]} at {panel.ts[row]} opens outside its range",
            "open",
            float(open_[row, column]),
            f"{low[row, column]} <= open <= {high[row, column]}",
            "validate the bars: this one belongs in quarantine",
        )
    payments = payments_of(panel.flows)
    if payments.action.size:
        _split_marks(panel, mark)
    return History(ts, open_at, known_at, open_, close, volume, mark, np.empty(lookback), payments)


def _split_marks(panel: Panel, mark: Float2D) -> None:
    """Divide marks that still are closes from before a split; a close after it may be known later."""
    split = np.ones(mark.shape) if panel.flows is None else panel.flows.split
    for row, column in np.argwhere(split != 1.0):
        known = panel.known_at[row:, column][~np.isnan(panel.close[row:, column])]
        until = int(np.searchsorted(panel.decisions, known.min())) if known.size else panel.n_bars
        mark[row:until, column] /= split[row, column]


def session_cells(panel: Panel, weights: Float2D, assets: Sequence[Tradable], start: int) -> Bool1D | None:
    """Return which cells from ``start`` on hold a bar of what a book trades.

    Parameters
    ----------
    weights
        Shape ``(rows, assets)``; a column of zeros is not traded, but a book without any weight counts all.

    Returns
    -------
    numpy.ndarray or None
        None when a market among them never closes.
    """
    if all(asset.always_open for asset in assets):
        return None
    used = np.flatnonzero(weights.any(axis=0))
    if used.size == 0:
        used = np.arange(panel.n_assets)
    if any(assets[column].always_open for column in used):
        return None
    return ~np.all(np.isnan(panel.close[start:, used]), axis=1)
