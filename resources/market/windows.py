"""Windows of labels and the windows of opens behind them: what to ask a venue for, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from resources.market.port import Timeframe, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from resources.market.asking import Answer


def whole_cells(window: Window, timeframe: Timeframe) -> Window:
    """Return the window of opens that fills all cells, or days, whose label lies in it."""
    step = timedelta(hours=4) if timeframe == "h4" else timedelta(days=1)
    midnight = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight + (window.start - midnight) // step * step
    if window.end is None:
        return Window(start)
    over = (window.end - midnight) % step
    return Window(start, window.end + (step - over if over else timedelta(0)))


def reached_by(windows: Sequence[Window], answer: Answer) -> list[Window]:
    """Return the parts of the windows of labels within the venue's reach."""
    if not answer.reached:
        return []
    oldest = min(window.start for window in answer.reached)
    inside = [window for window in windows if window.end is None or window.end > oldest]
    return [Window(max(window.start, oldest), window.end) for window in inside]


def labels_in(windows: Sequence[Window]) -> pl.Expr:
    """Return whether a row's ``ts`` lies in one of the windows."""
    import polars as pl

    ts = pl.col("ts")
    return pl.any_horizontal(
        (ts >= w.start) if w.end is None else ts.is_between(w.start, w.end, closed="left") for w in windows
    )
