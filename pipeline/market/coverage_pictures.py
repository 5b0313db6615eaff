"""Thumbnails of what is there and what is missing: a heat map by month and a calendar of gaps.

Whoever looks wants the worst first: series that lack something get a line and a name each, however many
complete ones there are beside them.  Frames in, PNG bytes out, below 100 kB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.pictures import BAD, INK, LINE, SOFT, WEAK, canvas, date_axis, plain_axis, png

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

_MOST_NAMED = 16
"""Series with a line of their own."""
_LINE_IN, _THIN_IN, _LEAST_BLOCK_IN, _MOST_BLOCK_IN = 0.17, 0.014, 0.5, 3.6
"""Heights in inches: a named line, one of many complete series, and the least and most of their block."""
_STEPS = (0.0, 1e-9, 0.90, 0.98, 1.0 - 1e-9, 1.01)
_SHADES = ("#7b1e1e", "#c05621", "#e8a05c", "#f6d9b0", "#8fb9c9")
_MEANING = ("none", "< 90 %", "90-98 %", "> 98 %", "all")
"""Shares of a month's expected bars; a month in which nothing is expected stays white."""
_FAINT = "#e4e7eb"
_LONGEST_NAMED = 8
_ROOM = 0.19
"""Share of the time axis that the words beside a gap take."""


def coverage_map(coverage: pl.DataFrame, title: str, *, simulated: bool) -> bytes:
    """Draw the share of expected bars that is there, months from left to right.

    Parameters
    ----------
    coverage
        Columns of `pipeline.market.coverage.COVERAGE_SCHEMA`.
    title
        Above the picture.
    simulated
        Whether the bars are made up.
    """
    totals = _totals(coverage)
    lacking = totals.filter(pl.col("missing") > 0)
    named = lacking.head(_MOST_NAMED)
    if totals.height <= _MOST_NAMED:
        named = totals
    rest = totals.join(named, on="symbol", how="anti").sort("first", "symbol")
    months = _months(coverage)
    block = min(max(_THIN_IN * rest.height, _LEAST_BLOCK_IN), _MOST_BLOCK_IN) if rest.height else 0.0
    lines = max(1, named.height) * _LINE_IN if named.height else 0.0
    heights = [height for height in (lines, block) if height]
    figure = canvas(7.2, 0.95 + sum(heights) + 0.12 * len(heights))
    if not heights:
        return png(figure, f"{title}: nothing is expected yet", simulated=simulated)
    axes = figure.subplots(len(heights), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    if named.height:
        _heat(axes[0], coverage, named["symbol"].to_list(), months)
        axes[0].set_yticks(range(named.height), labels=named["symbol"].to_list(), fontsize=7, color=INK)
        texts = [_told(*row) for row in named.select("missing", "expected").iter_rows()]
        _on_the_right(axes[0], range(named.height), texts)
    if rest.height:
        _heat(axes[-1], coverage, rest["symbol"].to_list(), months)
        short = int(rest["missing"].sum())
        told = f"{short:,} bars missing" if short else "all complete"
        middle = [(rest.height - 1) / 2]
        axes[-1].set_yticks(middle, labels=[f"{rest.height} more"], fontsize=7, color=INK)
        _on_the_right(axes[-1], middle, [f"{told},\noldest first"])
    for axis in axes:
        axis.tick_params(axis="y", length=0)
        axis.tick_params(axis="x", labelsize=7, colors=WEAK, length=2 if axis is axes[-1] else 0)
        axis.spines[:].set_visible(False)
    date_axis(axes[-1])
    _legend(figure, list(zip(_SHADES, _MEANING, strict=True)))
    return png(figure, title, simulated=simulated)


def gap_calendar(gaps: pl.DataFrame, title: str, *, span: tuple[Any, Any], simulated: bool) -> bytes:
    """Draw when bars are missing, how many in a row, and of which symbols.

    Parameters
    ----------
    gaps
        Columns of ``GAP_SCHEMA``.
    title
        Above the picture.
    span
        First and last label of the history, so that calm years show as such.
    simulated
        Whether the bars are made up.
    """
    by_symbol = (
        gaps.group_by("symbol").agg(pl.col("count").sum()).sort("count", "symbol", descending=[True, False])
    )
    shown = by_symbol.head(_MOST_NAMED)
    figure = canvas(7.2, 1.75 + 0.24 * max(1, shown.height))
    sums, lines = figure.subplots(2, 1, sharex=True, height_ratios=[0.8, 0.24 * max(1, shown.height) + 0.1])
    plain_axis(sums)
    plain_axis(lines)
    if gaps.height:
        monthly = gaps.group_by(pl.col("first").dt.truncate("1mo")).agg(pl.col("count").sum()).sort("first")
        width = max(28.0, (span[1] - span[0]).total_seconds() / 86_400 / 250)
        sums.bar(_times(monthly["first"]), monthly["count"].to_numpy(), width=width, color=BAD)
    sums.set_ylabel("bars missing\nby month", fontsize=7, color=SOFT)
    for line, symbol in enumerate(shown["symbol"].to_list()):
        own = gaps.filter(pl.col("symbol") == symbol).sort("count")
        lines.axhline(line, color=_FAINT, linewidth=0.8, zorder=0)
        size = 14.0 + 26.0 * own["count"].log(2).to_numpy()
        lines.scatter(_times(own["first"]), [line] * own.height, s=size, color=BAD, alpha=0.75, linewidth=0)
    names = [f"{symbol}  {count:,}" for symbol, count in shown.iter_rows()]
    lines.set_yticks(range(shown.height), labels=names, fontsize=7, color=INK)
    lines.set_ylim(max(1, shown.height) - 0.4, -0.6)
    lines.tick_params(axis="y", length=0)
    lines.spines[["left"]].set_visible(False)
    for axis in (sums, lines):
        axis.grid(axis="x", color=_FAINT, linewidth=0.6)
        axis.set_axisbelow(True)
    _name_longest(lines, gaps, shown["symbol"].to_list(), span)
    lines.set_xlim(*span)
    date_axis(lines)
    hidden = by_symbol.height - shown.height
    more = f", {hidden} more symbols" if hidden else ""
    missing, count = int(gaps["count"].sum()), gaps.height
    told = f"{missing:,} bars missing in {count:,} gaps{more}" if count else "no bar is missing"
    lines.set_xlabel(f"{told}; a larger mark is a longer gap", fontsize=7, color=SOFT)
    return png(figure, title, simulated=simulated)


def _totals(coverage: pl.DataFrame) -> pl.DataFrame:
    """Return ``symbol, first, expected, missing``, what lacks most first."""
    return (
        coverage.group_by("symbol")
        .agg(
            pl.col("month").min().alias("first"),
            pl.col("expected").sum(),
            (pl.col("expected").cast(pl.Int64) - pl.col("present").cast(pl.Int64)).sum().alias("missing"),
        )
        .sort("missing", "symbol", descending=[True, False])
    )


def _months(coverage: pl.DataFrame) -> pl.Series:
    if coverage.is_empty():
        return pl.Series("month", [], dtype=pl.Date)
    first, last = coverage.select(pl.col("month").min().alias("a"), pl.col("month").max().alias("b")).row(0)
    return pl.date_range(first, last, "1mo", eager=True).alias("month")


def _heat(axis: Any, coverage: pl.DataFrame, symbols: list[str], months: pl.Series) -> None:
    import matplotlib.dates as mdates
    import numpy as np
    from matplotlib.colors import BoundaryNorm, ListedColormap

    shares = np.full((len(symbols), months.len()), np.nan)
    places = pl.DataFrame({"symbol": symbols, "row": range(len(symbols))})
    since = 12 * months[0].year + months[0].month
    own = coverage.join(places, on="symbol").select(
        "row",
        column=12 * pl.col("month").dt.year() + pl.col("month").dt.month().cast(pl.Int32) - since,
        share=pl.col("present") / pl.col("expected"),
    )
    shares[own["row"].to_numpy(), own["column"].to_numpy()] = own["share"].to_numpy()
    colours = ListedColormap(list(_SHADES)).with_extremes(bad="white")
    edges = pl.concat([months, months.tail(1).dt.offset_by("1mo")])
    left, right = mdates.date2num(edges[0]), mdates.date2num(edges[-1])
    axis.imshow(
        np.ma.masked_invalid(shares), aspect="auto", interpolation="nearest", cmap=colours,
        norm=BoundaryNorm(_STEPS, len(_SHADES)), extent=(left, right, len(symbols) - 0.5, -0.5),
    )  # fmt: skip
    axis.xaxis_date()
    if len(symbols) <= _MOST_NAMED:
        for line in range(1, len(symbols)):
            axis.axhline(line - 0.5, color="white", linewidth=1.5)


def _on_the_right(axis: Any, places: Sequence[float], texts: list[str]) -> None:
    twin = axis.secondary_yaxis("right")
    twin.set_yticks(places, labels=texts, fontsize=6.5, color=SOFT)
    twin.tick_params(length=0)
    twin.spines[:].set_visible(False)


def _told(missing: int, expected: int) -> str:
    return f"{missing:,} of {expected:,} missing" if missing else "complete"


def _legend(figure: Any, entries: list[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=shade, label=meaning) for shade, meaning in reversed(entries)],
        loc="outside lower center", ncols=len(entries), fontsize=7, frameon=False, labelcolor=SOFT,
        title="share of the month's expected bars", title_fontsize=7, handlelength=1.2,
    )  # fmt: skip


def _name_longest(axis: Any, gaps: pl.DataFrame, symbols: list[str], span: tuple[Any, Any]) -> None:
    """Write date and length beside the longest gaps, the longer first, where there is room."""
    longest = gaps.filter(pl.col("symbol").is_in(symbols), pl.col("count") > 1)
    written: list[tuple[str, Any]] = []
    for gap in longest.sort("count", "first", descending=[True, False]).iter_rows(named=True):
        symbol, first = gap["symbol"], gap["first"]
        near = _ROOM * (span[1] - span[0])
        if len(written) == _LONGEST_NAMED or any(s == symbol and abs(at - first) < near for s, at in written):
            continue
        written.append((symbol, first))
        late = first > span[1] - near
        axis.annotate(
            f"{first:%d %b %Y}, {gap['count']} bars", (first, symbols.index(symbol)), color=LINE, fontsize=6,
            xytext=(-7 if late else 7, 4), textcoords="offset points", ha="right" if late else "left",
        )  # fmt: skip


def _times(column: pl.Series) -> np.ndarray:
    return column.dt.replace_time_zone(None).to_numpy()
