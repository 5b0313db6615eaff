"""Thumbnails of the chain for the Dagster UI: what coins are worth and cost, and what miners do.

Frames in, PNG bytes out; matplotlib is imported inside.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.pictures import BAD, INK, LINE, WEAK, canvas, date_axis, plain_axis, png

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_POINTS = 800
PANELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "what coins are worth and cost, USD",
        {"market_cap_usd": "market cap", "realized_cap_usd": "realised cap", "thermocap_usd": "thermocap"},
    ),
    ("hash rate, TH/s", {"hash_rate_ths": "hash rate"}),
    ("stock-to-flow, years", {"s2f": "stock-to-flow"}),
    ("Puell multiple", {"puell": "Puell"}),
)
"""Titles, and the columns drawn under each with their names, all on logarithmic scales."""
_COLOURS = (LINE, WEAK, BAD)
_LEAST_TICKS, _MOST_TICKS = 3, 7
_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_STEPS = ((1.0, 2.0, 5.0), (1.0, 2.0, 3.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0))
"""Places of ticks within a factor of ten, the coarsest first."""


def chain_lines(metrics: pl.DataFrame, title: str) -> bytes:
    """Draw the panels of `PANELS` over all days given, columns of ``chain.metrics_daily``."""
    figure = canvas(7.2, 4.4)
    step = max(1, -(-metrics.height // _MOST_POINTS))
    rows = metrics.sort("ts").gather_every(step)
    for number, (name, lines) in enumerate(PANELS):
        axis = figure.add_subplot(2, 2, number + 1)
        plain_axis(axis)
        _draw(axis, rows, lines)
        axis.set_title(name, loc="left", fontsize=8, color=INK)
    return png(figure, title, simulated=bool(metrics["simulated"].any()))


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` to ``high``, three to seven of them where there are as many.

    Parameters
    ----------
    low, high
        The least and the greatest value drawn, above 0.

    Examples
    --------
    >>> log_ticks(4e7, 3e8)
    [50000000.0, 100000000.0, 200000000.0]
    >>> log_ticks(1e9, 3e14)
    [1000000000.0, 10000000000.0, 100000000000.0, 1000000000000.0, 10000000000000.0, 100000000000000.0]
    """
    first, last = floor(log10(low)), ceil(log10(high))
    decades = [float(f"1e{power}") for power in range(first, last + 1)]
    inside = [tick for tick in decades if low <= tick <= high]
    if len(inside) > _MOST_TICKS:
        return inside[:: -(-len(inside) // _MOST_TICKS)]
    for steps in _STEPS:
        finer = [float(f"{step:g}e{power}") for power in range(first, last + 1) for step in steps]
        found = [tick for tick in finer if low <= tick <= high]
        if _LEAST_TICKS <= len(found) <= _MOST_TICKS:
            return found
        inside = inside if len(found) > _MOST_TICKS else found
    return inside or [low]


def plain_number(value: float) -> str:
    """Return a number in three digits with K, M, B or T.

    Examples
    --------
    >>> [plain_number(v) for v in (0.3, 1.5, 60.0, 2000.0, 6e8, 1.5e12, 1e16)]
    ['0.3', '1.5', '60', '2K', '600M', '1.5T', '10,000T']
    """
    for unit, letter in _UNITS:
        if value >= unit:
            shown = value / unit
            return f"{shown:,.0f}{letter}" if shown >= _UNITS[-1][0] else f"{shown:.3g}{letter}"
    return f"{value:.3g}"


def _draw(axis: Any, rows: pl.DataFrame, lines: Mapping[str, str]) -> None:
    bounds: list[float] = []
    for (column, name), colour in zip(lines.items(), _COLOURS, strict=False):
        known = rows.filter(pl.col(column) > 0.0)
        if known.height:
            times, values = known["ts"].dt.replace_time_zone(None).to_numpy(), known[column].to_numpy()
            axis.plot(times, values, color=colour, linewidth=0.9, label=name)
            bounds += [float(values.min()), float(values.max())]
    if not bounds:
        axis.text(0.5, 0.5, "unknown", ha="center", va="center", fontsize=8, color=WEAK)
        axis.set_axis_off()
        return
    from matplotlib.ticker import FixedLocator, NullLocator

    axis.set_yscale("log")
    ticks = log_ticks(min(bounds), max(bounds))
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_yticklabels([plain_number(tick) for tick in ticks])
    date_axis(axis)
    if len(lines) > 1:
        axis.legend(frameon=False, fontsize=7, labelcolor=INK, handlelength=1.2, loc="best")
