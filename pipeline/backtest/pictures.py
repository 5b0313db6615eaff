"""Thumbnails of a run for the Dagster UI: NAV over drawdown, and the calendar of monthly returns.

A result in, PNG bytes out, below 100 kB and the same for the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.backtest.periods import calendar_of
from pipeline.pictures import (
    BAD,
    FRAME,
    GOOD,
    INK,
    LINE,
    SOFT,
    WEAK,
    canvas,
    date_axis,
    hundredths,
    plain_axis,
    png,
)

if TYPE_CHECKING:
    from pipeline.backtest.result import BacktestResult

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WIDTH = 7.2
_LONGEST_NAME = 40
_LEAST_SCALE = 0.02
"""Return at which a month has its full colour, at least: a quiet run must not look like a storm."""
YEAR_SCALE = 3.0
"""A year takes so many times the return of a month for the same colour (about the square root of 12)."""


def equity_picture(result: BacktestResult) -> bytes:
    """Draw NAV above and drawdown below; made-up prices are named in the title and across the picture."""
    done = result.simulation
    figure = canvas(_WIDTH, 3.8)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1.0))
    at = np.concatenate([done.ts[:1], done.ts + (done.ts[1:2] - done.ts[:1]).sum()])
    nav = np.concatenate([[done.initial_nav], done.nav])
    fall = np.concatenate([[0.0], done.drawdown])
    top.axhline(done.initial_nav, color=FRAME, linewidth=0.8, linestyle=(0, (4, 3)))
    top.fill_between(at, nav, done.initial_nav, color=LINE, alpha=0.08, linewidth=0)
    top.plot(at, nav, color=LINE, linewidth=1.1)
    bottom.fill_between(at, -fall, 0.0, color=BAD, alpha=0.25, linewidth=0)
    bottom.plot(at, -fall, color=BAD, linewidth=0.8)
    for axis in (top, bottom):
        plain_axis(axis)
        axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
        axis.margins(x=0.005)
    date_axis(bottom)
    loud = done.fills.size == 0
    top.set_title(headline_of(result), loc="left", fontsize=8, color=BAD if loud else SOFT, pad=4)
    top.tick_params(axis="x", length=0)
    bottom.set_ylim(-deepest_shown(result), 0.0)
    top.yaxis.set_major_formatter(lambda money, _: short_money(money))
    bottom.yaxis.set_major_formatter(lambda share, _: f"{100 * share + 0.0:g} %")
    top.set_ylabel("NAV", fontsize=8, color=WEAK)
    bottom.set_ylabel("drawdown", fontsize=8, color=WEAK)
    return png(figure, title_of(result), simulated=result.provenance.simulated, watermark=True)


def monthly_picture(result: BacktestResult) -> bytes:
    """Draw monthly returns in percent, a row for each year, with the year itself at the right."""
    calendar = calendar_of(*result.simulation.monthly_returns)
    years = calendar.years.size
    figure = canvas(_WIDTH, 0.75 + 0.27 * max(years, 3))
    axis = figure.subplots()
    columns = np.concatenate([np.arange(12.0), [12.3]])
    values = np.column_stack([calendar.monthly, calendar.annual])
    scale = np.concatenate([np.full(12, full_colour(calendar.monthly)), [0.0]])
    scale[12] = scale[0] * YEAR_SCALE
    for row in range(years):
        for column, value, full in zip(columns, values[row], scale, strict=True):
            _cell(axis, float(column), row, float(value), float(full))
    axis.set(xlim=(-0.5, 12.85), ylim=(years - 0.5, -0.5))
    axis.set_xticks(columns, [*MONTHS, "Year"])
    axis.set_yticks(range(years), [str(year) for year in calendar.years])
    axis.xaxis.tick_top()
    axis.tick_params(labelsize=7.5, colors=INK, length=0)
    axis.spines[:].set_visible(False)
    title = f"{title_of(result)} - monthly returns, %"
    return png(figure, title, simulated=result.provenance.simulated, watermark=True)


def deepest_shown(result: BacktestResult) -> float:
    """Return how deep a drawdown axis goes: a little below the largest drawdown, at least 1 %."""
    return max(0.01, 1.08 * result.metrics.max_drawdown)


def title_of(result: BacktestResult) -> str:
    """Return strategy, feed and window in one line."""
    name = f"{result.strategy} {result.version}"
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
    start, end = (str(at.astype("datetime64[D]")) for at in (result.start, result.end))
    return f"{short} on {result.provenance.source}, {start} to {end}"


def headline_of(result: BacktestResult) -> str:
    """Return the numbers that a thumbnail carries; what is unknown is said so."""
    numbers = result.metrics
    growth = "unknown" if numbers.cagr is None else f"{hundredths(numbers.cagr, 1)} %"
    ratio = "unknown" if numbers.sharpe is None else f"{numbers.sharpe:.2f}"
    if numbers.sharpe is not None and numbers.sharpe_se is not None:
        ratio += f" ± {numbers.sharpe_se:.2f}"
    shown = f"CAGR {growth}, Sharpe {ratio}, largest drawdown {hundredths(numbers.max_drawdown, 1)} %"
    return shown if numbers.trades else f"NO TRADES: {shown}"


def short_money(money: float) -> str:
    """Return an amount as people write it on an axis: 950, 12.5k, 1.2M."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(money) >= size:
            return f"{money / size:,.4g}{letter}"
    return f"{money:,.4g}"


def full_colour(monthly: np.ndarray) -> float:
    """Return the return that has the full colour: the 90 % quantile of what is known, at least 2 %."""
    known = np.abs(monthly[~np.isnan(monthly)])
    return max(_LEAST_SCALE, float(np.quantile(known, 0.9))) if known.size else _LEAST_SCALE


def shade(value: float, full: float) -> tuple[tuple[float, float, float], bool]:
    """Return the colour of a return (white at 0, green above, orange below) and whether its text is white."""
    depth = min(1.0, abs(value) / full)
    base = GOOD if value >= 0.0 else BAD
    parts = [int(base[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    red, green, blue = (1.0 - (1.0 - part) * depth for part in parts)
    return (red, green, blue), depth > 0.6  # noqa: PLR2004 - where white becomes easier to read than ink


def _cell(axis: Any, x: float, y: int, value: float, full: float) -> None:
    from matplotlib.patches import Rectangle

    if np.isnan(value):
        axis.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor="#f5f7fa", linewidth=0))
        return
    colour, light = shade(value, full)
    axis.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0))
    axis.text(x, y, hundredths(value, 1), ha="center", va="center", fontsize=7,
              color="white" if light else INK)  # fmt: skip
