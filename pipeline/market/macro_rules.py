"""Rules about macro series: a change of unit, a value its unit cannot have, a stretch drawn with a ruler."""

import math

import polars as pl

from pipeline.market.findings import Finding, Severity

PERCENT = 100.0
"""Factor between a percent and a fraction."""
UNIT_SLACK = math.log(2.0)
"""Log distance of a change of level from that factor.  Real series near zero move by factors, but not all of
five values before against all of five after."""
LEVEL_ROWS = 5
FRACTION_LIMIT = 1.0
"""Largest absolute value of a rate or spread given as a fraction: a hundred percent."""
LINE_ROWS = 8
"""Values halfway between their neighbours, with a slope.  Rates quoted to 0.01 repeat steps by chance."""
LINE_SHARE = 1e-6


def macro_findings(rows: pl.DataFrame) -> list[Finding]:
    """Return what the rules have to say about observations.

    Parameters
    ----------
    rows
        Columns ``series, ts, value, unit``; of several vintages of a period the last row counts.
    """
    known = rows.filter(pl.col("value").is_not_null())
    newest = known.unique(["series", "ts"], keep="last", maintain_order=True).sort("series", "ts")
    if newest.is_empty():
        return []
    size = pl.when(pl.col("value") != 0).then(pl.col("value").abs().log())
    low, high = (size.rolling_min(LEVEL_ROWS).over("series"), size.rolling_max(LEVEL_ROWS).over("series"))
    ahead_low, ahead_high = (e.shift(1 - LEVEL_ROWS).over("series") for e in (low, high))
    up = (ahead_low - high.shift(1).over("series")) >= math.log(PERCENT) - UNIT_SLACK
    down = (low.shift(1).over("series") - ahead_high) >= math.log(PERCENT) - UNIT_SLACK
    before, after = (pl.col("value").shift(n).over("series") for n in (1, -1))
    bend = ((before + after) / 2 - pl.col("value")).abs()
    sloped = (after - before).abs() > LINE_SHARE * pl.col("value").abs()
    marked = newest.with_columns(
        row=pl.int_range(pl.len(), dtype=pl.Int64).over("series"),
        before=before,
        unit_change=up | down,
        out_of_unit=(pl.col("unit") == "fraction") & (pl.col("value").abs() > FRACTION_LIMIT),
        straight_line=(bend <= LINE_SHARE * (after - before).abs()) & sloped,
    )
    reasons = {
        "unit_change": (pl.format("{} after {}: another unit", "value", "before"), 1),
        "out_of_unit": (pl.format("{} is no fraction: a percent?", "value"), 1),
        "straight_line": (pl.format("{} lies on a straight line with its neighbours", "value"), LINE_ROWS),
    }
    return [
        finding for name, (reason, least) in reasons.items() for finding in _runs(marked, name, reason, least)
    ]


def _runs(marked: pl.DataFrame, name: str, reason: pl.Expr, least: int) -> list[Finding]:
    said = marked.filter(pl.col(name).fill_null(value=False))
    starts = (pl.col("row").diff() != 1) | (pl.col("series") != pl.col("series").shift(1))
    runs = (
        said.with_columns(reason=reason, run=starts.fill_null(value=True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("series", "ts", "reason").first(), last=pl.col("ts").last(), count=pl.len())
        .filter(pl.col("count") >= least)
    )
    return [
        Finding(name, Severity.ERROR, run["series"], run["ts"], run["reason"], run["last"], run["count"])
        for run in runs.iter_rows(named=True)
    ]
