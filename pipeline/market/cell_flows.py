"""Dividends, splits and interest laid on the cells of a panel."""

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Float2D
from pipeline.calendar.grid import CELL64
from pipeline.market.actions import ActionKind
from pipeline.market.panel import Panel

_YEAR = np.timedelta64(31_557_600, "s")
CELL_YEARS = float(CELL64 / _YEAR)
"""Length of a cell in years of 365.25 days."""


def actions_on(panel: Panel, actions: pl.DataFrame) -> tuple[Float2D, Float2D]:
    """Lay dividends and splits on the cells in which a holder of units of that day is paid.

    That is the cell in which the first bar from the ex-date on opens.  A dividend that nobody knew by that
    open is paid when the first cell after it was known begins, for the units of then: divided by the splits
    in between.  A split that becomes known late counts from its bar all the same, since prices do not wait.

    Parameters
    ----------
    panel
        Bars in the shares of their own day.
    actions
        Columns ``symbol, ts, kind, value, known_at``; other symbols are left out.

    Returns
    -------
    tuple of numpy.ndarray
        Dividends and splits, shape ``(bars, assets)``.  An action before the first or after the last bar is
        in neither.
    """
    dividend, split = np.zeros(panel.close.shape), np.ones(panel.close.shape)
    told = actions.filter(pl.col("symbol").is_in(panel.symbols)).select(
        "symbol", "ts", "kind", "value", "known_at"
    )
    paid = []
    for symbol, ts, kind, value, known_at in told.iter_rows():
        column = panel.symbols.index(symbol)
        opened = panel.open_at[:, column]
        ex = np.datetime64(ts.replace(tzinfo=None), "us")
        after = opened[opened >= ex]
        if not after.size or not (opened < ex).any():
            continue
        row = max(0, int(np.searchsorted(panel.ts, after[0], side="right")) - 1)
        if kind == ActionKind.SPLIT:
            split[row, column] *= value
        else:
            paid.append((row, column, value, after[0], np.datetime64(known_at.replace(tzinfo=None), "us")))
    for ex_row, column, value, open_at, known in paid:
        row = ex_row if known <= open_at else max(ex_row, int(np.searchsorted(panel.ts, known)))
        if row < panel.n_bars:
            dividend[row, column] += value / np.prod(split[ex_row:row, column])
    return dividend, split


def interest_on(rate: Float1D, *, keeps: float, lends_at: float) -> tuple[Float1D, Float1D]:
    """Return interest on a unit of cash held and owed for each cell.

    Parameters
    ----------
    rate
        Rate per year known when each cell begins, a fraction, shape ``(bars,)``; NaN where none is known yet:
        cash then earns nothing and costs ``lends_at``.
    keeps
        What the broker keeps of the rate on cash held; cash never costs.
    lends_at
        What the broker adds to the rate on cash owed.
    """
    known = np.where(np.isnan(rate), 0.0, rate)
    return np.maximum(known - keeps, 0.0) * CELL_YEARS, np.maximum(known + lends_at, 0.0) * CELL_YEARS
