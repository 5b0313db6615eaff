"""Thumbnails of the chain for the Dagster UI: what coins are worth and cost, and what miners do.

Frames in, PNG bytes out; matplotlib is imported inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.pictures import BAD, INK, LINE, WEAK, canvas, date_axis, plain_axis, png

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_POINTS = 800
PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("market cap, realised cap, thermocap, USD", ("market_cap_usd", "realized_cap_usd", "thermocap_usd")),
    ("hash rate, TH/s", ("hash_rate_ths",)),
    ("stock-to-flow, years", ("s2f",)),
    ("Puell multiple", ("puell",)),
)
"""Titles, and the columns drawn under each, all on logarithmic scales."""
_COLOURS = (LINE, WEAK, BAD)


def chain_lines(metrics: pl.DataFrame, title: str) -> bytes:
    """Draw the panels of `PANELS` over all days given, columns of ``chain.metrics_daily``."""
    figure = canvas(7.2, 4.4)
    step = max(1, -(-metrics.height // _MOST_POINTS))
    rows = metrics.sort("ts").gather_every(step)
    for number, (name, columns) in enumerate(PANELS):
        axis = figure.add_subplot(2, 2, number + 1)
        plain_axis(axis)
        _draw(axis, rows, columns)
        axis.set_title(name, loc="left", fontsize=8, color=INK)
    return png(figure, title, simulated=bool(metrics["simulated"].any()))


def _draw(axis: Any, rows: pl.DataFrame, columns: Sequence[str]) -> None:
    drawn = False
    for column, colour in zip(columns, _COLOURS, strict=False):
        known = rows.filter(pl.col(column) > 0.0)
        if known.height:
            times = known["ts"].dt.replace_time_zone(None).to_numpy()
            axis.plot(times, known[column].to_numpy(), color=colour, linewidth=0.9)
            drawn = True
    if drawn:
        axis.set_yscale("log")
        date_axis(axis)
    else:
        axis.text(0.5, 0.5, "unknown", ha="center", va="center", fontsize=8, color=WEAK)
        axis.set_axis_off()
