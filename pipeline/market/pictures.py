"""Thumbnails of market history for the Dagster UI: small multiples of price, coverage by month, macro lines.

Frames in, PNG bytes out; below 100 kB each, since the event log keeps them.  matplotlib is imported inside.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.pictures import BAD, GOOD, INK, LINE, canvas, date_axis, plain_axis, png

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_POINTS = 800
_WIDE_ENOUGH = 0.09
"""Share of the picture that a stretch must take to carry its name."""
_FEWEST_LABELS, _MOST_LABELS = 3, 6


def price_lines(bars: pl.DataFrame, title: str) -> bytes:
    """Draw one small price panel for each symbol, logarithmic.

    Parameters
    ----------
    bars
        Columns ``symbol, ts, close, simulated``; drawn in alphabetical order of the symbol.
    title
        Above all panels; ``SIMULATED`` is added when any row is.
    """
    symbols = sorted(bars["symbol"].unique().to_list())
    figure, axes = _grid(max(1, len(symbols)), columns=2)
    for axis, symbol in zip(axes, symbols, strict=False):
        rows = _thinned(bars.filter(pl.col("symbol") == symbol).sort("ts"))
        axis.plot(rows["ts"].to_numpy(), rows["close"].to_numpy(), color=LINE, linewidth=0.9)
        _ratio_scale(axis, rows["close"])
        axis.set_title(symbol, loc="left", fontsize=8, color=INK)
    for axis in axes[len(symbols) :]:
        axis.set_axis_off()
    return png(figure, title, simulated=bool(bars["simulated"].any()))


def series_lines(rows: pl.DataFrame, title: str) -> bytes:
    """Draw a panel for each macro series (columns ``series, ts, value, simulated``), at most eight."""
    names = sorted(rows["series"].unique().to_list())[:8]
    figure, axes = _grid(max(1, len(names)), columns=2)
    for axis, name in zip(axes, names, strict=False):
        chosen = _thinned(rows.filter(pl.col("series") == name).sort("ts"))
        axis.plot(chosen["ts"].to_numpy(), chosen["value"].to_numpy(), color=LINE, linewidth=0.9)
        axis.set_title(name, loc="left", fontsize=8, color=INK)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    return png(figure, title, simulated=bool(rows["simulated"].any()))


def feature_lines(rows: pl.DataFrame, names: Sequence[str], title: str, *, simulated: bool) -> bytes:
    """Draw the newest 400 rows of one symbol, one panel for each feature in ``names``."""
    figure, axes = _grid(len(names), columns=2)
    newest = rows.sort("ts").tail(400)
    for axis, name in zip(axes, names, strict=False):
        axis.plot(newest["ts"].to_numpy(), newest[name].to_numpy(), color=LINE, linewidth=0.9)
        axis.set_title(name, loc="left", fontsize=8, color=INK)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    return png(figure, title, simulated=simulated)


def regime_strips(truth: pl.DataFrame, title: str, *, simulated: bool = True) -> bytes:
    """Draw one strip of coloured stretches for each scope (columns ``scope, ts, label``), named if long."""
    import matplotlib.dates as mdates

    scopes = sorted(truth["scope"].unique().to_list())
    figure, axes = _grid(max(1, len(scopes)), columns=1, height=0.7)
    shades = {"bull": GOOD, "risk_on": GOOD, "expansion": GOOD, "low": GOOD,
              "bear": BAD, "risk_off": BAD, "contraction": BAD, "high": BAD}  # fmt: skip
    for axis, scope in zip(axes, scopes, strict=False):
        rows = truth.filter(pl.col("scope") == scope).sort("ts")
        spells = rows.filter(pl.col("label") != pl.col("label").shift(1, fill_value=""))
        last = float(mdates.date2num(rows["ts"].to_numpy()[-1])) + 1
        starts = mdates.date2num(spells["ts"].to_numpy())
        for start, end, label in zip(starts, [*starts[1:], last], spells["label"].to_list(), strict=True):
            axis.axvspan(float(start), float(end), color=shades.get(label, "#d9e2ec"), linewidth=0)
            if end - start > _WIDE_ENOUGH * (last - starts[0]):
                ink = "white" if label in shades else INK
                axis.text((start + end) / 2, 0.5, label, ha="center", va="center", fontsize=7, color=ink,
                          transform=axis.get_xaxis_transform())  # fmt: skip
        axis.set_xlim(starts[0], last)
        axis.set_yticks([])
        axis.set_title(scope, loc="left", fontsize=8, color=INK)
    return png(figure, title, simulated=simulated)


def _ratio_scale(axis: Any, prices: pl.Series) -> None:
    """Make the axis logarithmic, labelled with three to six plain numbers instead of powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_yscale("log")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda price, _: f"{price:,.6g}"))
    low, high = prices.min(), prices.max()
    if isinstance(low, float) and isinstance(high, float) and 0 < low < high:
        axis.yaxis.set_major_locator(FixedLocator(round_prices(low, high)))


def round_prices(low: float, high: float) -> list[float]:
    """Return round numbers between ``low`` and ``high``, at most seven, even by ratio if possible."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        chosen = [d * 10.0**e for e in decades for d in digits if low <= d * 10.0**e <= high]
        if len(chosen) >= _FEWEST_LABELS:
            return chosen[:: -(-len(chosen) // _MOST_LABELS)]
    step = 10.0 ** math.floor(math.log10((high - low) / 2))
    while (high - low) / step > _MOST_LABELS:
        step *= 2
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(1, rows.height // _MOST_POINTS))


def _grid(count: int, *, columns: int, height: float = 1.5) -> tuple[Any, list[Any]]:
    lines = -(-count // columns)
    figure = canvas(7.2, 0.5 + height * lines)
    axes = [axis for row in figure.subplots(lines, columns, squeeze=False) for axis in row]
    for axis in axes:
        plain_axis(axis)
        date_axis(axis)
    return figure, axes
