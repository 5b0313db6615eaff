"""Thumbnails of valuation for the Dagster UI: the power law, forecast cones, errors over time, coverage.

Records in, PNG bytes out, the same for the same records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.pictures import FRAME, INK, LINE, SERIES, SOFT, WEAK, canvas, date_axis, plain_axis, png
from pipeline.valuation.history import DAY
from pipeline.valuation.prediction import GENESIS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.valuation.history import ChainHistory
    from pipeline.valuation.record import Record

_WIDTH = 7.2
_ERROR_HORIZON = 30
_SMOOTHED = 90
"""Days over which absolute errors are averaged in the picture of errors over time."""
_PAST = 730
"""Days of price before the cones."""


def power_law_picture(record: Record, history: ChainHistory, *, simulated: bool) -> bytes:
    """Draw price over days since genesis, both logarithmic, with the newest fit and its band."""
    fit = next(each for each in reversed(record.walk.fits) if each.parameters is not None)
    law = fit.parameters
    age = (history.date - np.datetime64(GENESIS, "D")).astype(np.float64)
    price = history.column("price_usd")
    known = np.isfinite(price) & (age > 0.0)
    figure = canvas(_WIDTH, 3.6)
    axis = figure.subplots()
    axis.plot(age[known], price[known], color=INK, linewidth=0.7)
    days = np.geomspace(age[known][0], age[known][-1] * 1.3, 200)
    line = 10.0 ** (law.alpha + law.beta * np.log10(days))
    axis.plot(days, line, color=LINE, linewidth=1.2)
    axis.fill_between(
        days, line * 10.0**-law.sigma, line * 10.0**law.sigma, color=LINE, alpha=0.12, linewidth=0
    )
    _log_axis(axis, "x")
    _log_axis(axis, "y")
    plain_axis(axis)
    axis.grid(visible=True, color=FRAME, linewidth=0.4, alpha=0.6)
    axis.set_xlabel("days since 2009-01-03", fontsize=7, color=WEAK)
    axis.set_ylabel("USD", fontsize=7, color=WEAK)
    title = f"Power law of {fit.day}: slope {law.beta:.3f}, band of one sigma in sample"
    return png(figure, title, simulated=simulated)


def cone_picture(records: Sequence[Record], history: ChainHistory, *, simulated: bool) -> bytes:
    """Draw the newest forecast of every model with its 68 % interval over the newest two years of price."""
    figure = canvas(_WIDTH, 3.6)
    axis = figure.subplots()
    price, days = history.column("price_usd")[-_PAST:], history.date[-_PAST:]
    axis.plot(days + DAY, price, color=INK, linewidth=0.8)
    for record, colour in zip(records, SERIES, strict=False):
        walk = record.walk
        rows = np.flatnonzero(np.isfinite(walk.forecast).any(axis=1))
        if not rows.size:
            continue
        at = walk.origins[rows[-1]] + np.array(walk.horizons) * DAY
        middle = walk.forecast[rows[-1]]
        axis.plot(
            at, middle, color=colour, linewidth=1.1, marker="o", markersize=2.5, label=record.model.name
        )
        level = min(record.bounds)
        lower, upper = (bound[rows[-1]] for bound in record.bounds[level])
        axis.fill_between(at, lower, upper, color=colour, alpha=0.10, linewidth=0)
    _log_axis(axis, "y")
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    axis.set_ylabel("USD", fontsize=7, color=WEAK)
    date_axis(axis)
    _legend(axis)
    ahead = max(max(record.walk.horizons) for record in records)
    title = f"Newest forecasts up to {ahead} days ahead, with 68 % intervals"
    return png(figure, title, simulated=simulated)


def error_picture(records: Sequence[Record], *, simulated: bool) -> bytes:
    """Draw the mean absolute ln error of 90 days over time, one line a model."""
    figure = canvas(_WIDTH, 3.2)
    axis = figure.subplots()
    horizons = records[0].walk.horizons
    horizon = _ERROR_HORIZON if _ERROR_HORIZON in horizons else horizons[0]
    for record, colour in zip(records, SERIES, strict=False):
        walk = record.walk
        size = np.abs(walk.error[:, walk.at(horizon)])
        known = np.isfinite(size)
        total = np.concatenate([[0.0], np.cumsum(np.where(known, size, 0.0))])
        count = np.concatenate([[0], np.cumsum(known)])
        first = np.maximum(np.arange(size.size) + 1 - _SMOOTHED, 0)
        last = np.arange(size.size) + 1
        held = count[last] - count[first]
        mean = np.where(held > 0, (total[last] - total[first]) / np.maximum(held, 1), np.nan)
        axis.plot(walk.targets(horizon), mean, color=colour, linewidth=1.0, label=record.model.name)
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    axis.set_ylabel("|ln price - ln forecast|", fontsize=7, color=WEAK)
    date_axis(axis)
    _legend(axis)
    return png(figure, f"Error {horizon} days ahead, mean of {_SMOOTHED} days", simulated=simulated)


def coverage_picture(rows: Sequence[Mapping[str, Any]], *, simulated: bool) -> bytes:
    """Draw how often prices fell inside the 68 % interval by horizon, beside what the interval promised.

    Parameters
    ----------
    rows
        Of ``valuation.backtests``.
    simulated
        Whether prices are made up.
    """
    figure = canvas(_WIDTH, 3.0)
    axis = figure.subplots()
    horizons = sorted({row["horizon_days"] for row in rows})
    names = list(dict.fromkeys(row["model"] for row in rows))
    for name, colour in zip(names, SERIES, strict=False):
        own = {row["horizon_days"]: row["coverage_68"] for row in rows if row["model"] == name}
        values = [np.nan if own.get(h) is None else own[h] for h in horizons]
        axis.plot(
            range(len(horizons)), values, color=colour, marker="o", markersize=3, linewidth=1, label=name
        )
    axis.axhline(0.68, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    axis.set_xticks(range(len(horizons)), [f"{h} d" for h in horizons])
    axis.set_ylim(0.0, 1.0)
    axis.set_ylabel("share of prices inside", fontsize=7, color=WEAK)
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    _legend(axis)
    return png(figure, "Out-of-sample coverage of 68 % intervals", simulated=simulated)


def _log_axis(axis: Any, which: str) -> None:
    """Make an axis logarithmic, labelled in whole numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    {"x": axis.set_xscale, "y": axis.set_yscale}[which]("log")
    scale = axis.xaxis if which == "x" else axis.yaxis
    scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    scale.set_minor_formatter(NullFormatter())


def _legend(axis: Any) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=6.5, frameon=False, labelcolor=SOFT, loc="upper left", ncols=3)
