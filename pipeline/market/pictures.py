"""Thumbnails of market history for the Dagster UI: small multiples of price, coverage by month, macro lines.

Frames in, PNG bytes out; below 100 kB each, since the event log keeps them.  matplotlib is imported inside.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

INK, LINE, WEAK, GOOD, BAD = "#1f2933", "#1f6f8b", "#9aa5b1", "#2f855a", "#c05621"
_DPI = 100
_MOST_POINTS = 800


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
        axis.set_yscale("log")
        axis.set_title(symbol, loc="left", fontsize=8, color=INK)
    for axis in axes[len(symbols) :]:
        axis.set_axis_off()
    return _png(figure, title, simulated=bool(bars["simulated"].any()))


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
    return _png(figure, title, simulated=bool(rows["simulated"].any()))


def feature_lines(rows: pl.DataFrame, names: Sequence[str], title: str, *, simulated: bool) -> bytes:
    """Draw the newest 400 rows of one symbol, one panel for each feature in ``names``."""
    figure, axes = _grid(len(names), columns=2)
    newest = rows.sort("ts").tail(400)
    for axis, name in zip(axes, names, strict=False):
        axis.plot(newest["ts"].to_numpy(), newest[name].to_numpy(), color=LINE, linewidth=0.9)
        axis.set_title(name, loc="left", fontsize=8, color=INK)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    return _png(figure, title, simulated=simulated)


def regime_strips(truth: pl.DataFrame, title: str) -> bytes:
    """Draw one strip of coloured stretches for each scope (columns ``scope, ts, label``)."""
    import matplotlib.dates as mdates

    scopes = sorted(truth["scope"].unique().to_list())
    figure, axes = _grid(max(1, len(scopes)), columns=1, height=0.7)
    shades = {"bull": GOOD, "risk_on": GOOD, "expansion": GOOD, "low": GOOD,
              "bear": BAD, "risk_off": BAD, "contraction": BAD, "high": BAD}  # fmt: skip
    for axis, scope in zip(axes, scopes, strict=False):
        rows = truth.filter(pl.col("scope") == scope).sort("ts")
        starts = mdates.date2num(rows["ts"].to_numpy())
        ends = np.append(starts[1:], starts[-1:] + 1)
        for start, end, label in zip(starts, ends, rows["label"].to_list(), strict=True):
            axis.axvspan(float(start), float(end), color=shades.get(label, "#d9e2ec"), linewidth=0)
        axis.xaxis_date()
        axis.set_yticks([])
        axis.set_title(scope, loc="left", fontsize=8, color=INK)
    return _png(figure, title, simulated=True)


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(1, rows.height // _MOST_POINTS))


def _grid(count: int, *, columns: int, height: float = 1.5) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = -(-count // columns)
    figure = Figure(figsize=(7.2, 0.5 + height * lines), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = [axis for row in figure.subplots(lines, columns, squeeze=False) for axis in row]
    for axis in axes:
        axis.tick_params(labelsize=7, colors=WEAK, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color("#cbd2d9")
    return figure, axes


def _png(figure: Any, title: str, *, simulated: bool) -> bytes:
    figure.suptitle(f"{title} - SIMULATED" if simulated else title, x=0.01, ha="left", fontsize=10, color=INK)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return _palette(out)


def _palette(png: io.BytesIO) -> bytes:
    """Return the picture with 64 colours: a third of the bytes, and nothing that one would miss."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return out.getvalue()
