"""Thumbnails of valuation for the Dagster UI: the power law, forecast cones, errors over time, coverage.

Records in, PNG bytes out, the same for the same records.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.pictures import FRAME, INK, SOFT, WEAK, canvas, date_axis, plain_axis, png
from pipeline.valuation.colours import colour_of
from pipeline.valuation.history import DAY
from pipeline.valuation.prediction import GENESIS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.arrays import Float1D
    from pipeline.valuation.history import ChainHistory
    from pipeline.valuation.record import Record

_WIDTH = 7.2
_ERROR_HORIZON = 30
_SMOOTHED = 90
"""Days over which absolute errors are averaged in the picture of errors over time."""
_PAST = 730
"""Days of price before the cones."""
_LEAST_GAP = 0.05
"""Between two labels of years, a share of the axis."""


def power_law_picture(record: Record, history: ChainHistory, *, simulated: bool) -> bytes | None:
    """Draw price over days since genesis, both logarithmic, with the newest fit and its band.

    None where no fit has parameters: rows that became known later than a month's first day fit nothing then.
    """
    fit = next((each for each in reversed(record.walk.fits) if each.parameters is not None), None)
    if fit is None:
        return None
    law, colour = fit.parameters, colour_of(record.model.name)
    age = (history.date - np.datetime64(GENESIS, "D")).astype(np.float64)
    price = history.column("price_usd")
    known = np.isfinite(price) & (age > 0.0)
    figure = canvas(_WIDTH, 3.6)
    axis = figure.subplots()
    axis.plot(age[known], price[known], color=INK, linewidth=0.7)
    days = np.geomspace(age[known][0], age[known][-1] * 1.3, 200)
    line = 10.0 ** (law.alpha + law.beta * np.log10(days))
    axis.plot(days, line, color=colour, linewidth=1.2)
    axis.fill_between(
        days, line * 10.0**-law.sigma, line * 10.0**law.sigma, color=colour, alpha=0.12, linewidth=0
    )
    _age_axis(axis, days[0], days[-1])
    _log_axis(axis, decades=True)
    plain_axis(axis)
    axis.grid(visible=True, color=FRAME, linewidth=0.4, alpha=0.6)
    axis.set_xlabel(
        "1 January of each year, by the logarithm of days since 2009-01-03", fontsize=7, color=WEAK
    )
    axis.set_ylabel("USD", fontsize=7, color=WEAK)
    title = f"Power law of {fit.day}: slope {law.beta:.3f}, band of one sigma in sample"
    return png(figure, title, simulated=simulated)


def cone_picture(records: Sequence[Record], history: ChainHistory, *, simulated: bool) -> bytes:
    """Draw the newest forecast of every model with its 68 % interval over the newest two years of price."""
    figure = canvas(_WIDTH, 3.6)
    axis = figure.subplots()
    price, days = history.column("price_usd")[-_PAST:], history.date[-_PAST:]
    axis.plot(days + DAY, price, color=INK, linewidth=0.8)
    fitted = set()
    for record in records:
        walk, colour = record.walk, colour_of(record.model.name)
        rows = np.flatnonzero(np.isfinite(walk.forecast).any(axis=1))
        if not rows.size:
            continue
        fitted.add(walk.fits[walk.fit_of[rows[-1]]].day.isoformat())
        at = walk.origins[rows[-1]] + np.array(walk.horizons) * DAY
        middle = walk.forecast[rows[-1]]
        axis.plot(
            at, middle, color=colour, linewidth=1.1, marker="o", markersize=2.5, label=record.model.name
        )
        level = min(record.bounds)
        lower, upper = (bound[rows[-1]] for bound in record.bounds[level])
        axis.plot(at, lower, at, upper, color=colour, linewidth=0.8, linestyle=(0, (3, 2)))
    _log_axis(axis)
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    axis.set_ylabel("USD", fontsize=7, color=WEAK)
    date_axis(axis)
    _legend(axis)
    ahead = max(max(record.walk.horizons) for record in records)
    told = f", fitted {', '.join(sorted(fitted))}" if fitted else ""
    title = f"Newest forecasts up to {ahead} days ahead, dashed 68 % intervals{told}"
    return png(figure, title, simulated=simulated)


def error_picture(records: Sequence[Record], *, simulated: bool) -> bytes:
    """Draw the mean absolute ln error of 90 days over time, one line a model, and that of the last price."""
    figure = canvas(_WIDTH, 3.2)
    axis = figure.subplots()
    horizons = records[0].walk.horizons
    horizon = _ERROR_HORIZON if _ERROR_HORIZON in horizons else horizons[0]
    for record in records:
        walk, colour = record.walk, colour_of(record.model.name)
        mean = _smoothed(np.abs(walk.error[:, walk.at(horizon)]))
        axis.plot(walk.targets(horizon), mean, color=colour, linewidth=1.0, label=record.model.name)
    longest = max(records, key=lambda record: record.walk.origins.size)
    walk = longest.walk
    mean = _smoothed(np.abs(np.log(walk.actual[:, walk.at(horizon)]) - np.log(longest.last_price)))
    axis.plot(
        walk.targets(horizon), mean, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), label="last price"
    )
    plain_axis(axis)
    axis.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
    axis.set_ylabel("|ln price - ln forecast|", fontsize=7, color=WEAK)
    date_axis(axis)
    _legend(axis)
    title = f"Error {horizon} days ahead, mean of {_SMOOTHED} days, refitted {walk.refit}"
    return png(figure, title, simulated=simulated)


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
    for name in names:
        colour = colour_of(name)
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
    window = f", {min(row['start'] for row in rows):%Y-%m-%d} to {max(row['ts'] for row in rows):%Y-%m-%d}"
    title = f"Out-of-sample coverage of 68 % intervals{window}"
    return png(figure, title, simulated=simulated)


def _smoothed(size: Float1D) -> Float1D:
    """Return the mean of what is known of the newest `_SMOOTHED` days, for each day."""
    known = np.isfinite(size)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, size, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    last = np.arange(size.size) + 1
    first = np.maximum(last - _SMOOTHED, 0)
    held = count[last] - count[first]
    return np.where(held > 0, (total[last] - total[first]) / np.maximum(held, 1), np.nan)


def _log_axis(axis: Any, *, decades: bool = False) -> None:
    """Make the y axis logarithmic, labelled in plain numbers: at powers of ten, or at 1, 2 and 5 too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades else (1.0, 2.0, 5.0), numticks=12))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="y", which="minor", length=0)


def _age_axis(axis: Any, first: float, last: float) -> None:
    """Make the x axis, days since genesis, logarithmic and label it with years far enough apart to read."""
    axis.set_xscale("log")
    span, ticks = np.log(last / first), []
    for year in range(GENESIS.year + 1, GENESIS.year + 200):
        age = float((date(year, 1, 1) - GENESIS).days)
        far = not ticks or np.log(age / ticks[-1][0]) > _LEAST_GAP * span
        if first * 0.97 <= age <= last and far:
            ticks.append((age, str(year)))
    axis.set_xticks([age for age, _ in ticks], [year for _, year in ticks])
    axis.minorticks_off()


def _legend(axis: Any) -> None:
    """Name the lines above the axis, where no line can lie."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(
            fontsize=6.5, frameon=False, labelcolor=SOFT, loc="lower left", bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2, ncols=7, columnspacing=1.2, handlelength=1.6,
        )  # fmt: skip
