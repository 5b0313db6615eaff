"""What a rule about a series reads beside the bars: the rows before and after, and what is usual.

Frames are sorted by symbol and label; a neighbour is the next row of the same symbol, whatever lies between.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.market.findings import Severity

USUAL_ROWS = 20
"""Rows that what is usual is the median of: a month of sessions, 3.3 days of four-hour bars."""
USUAL_LEAST = 5
"""Fewer rows than this say nothing about what is usual, so rules that need it keep silent."""


@dataclass(frozen=True)
class SeriesRule:
    """A rule about rows in the company of others.

    Parameters
    ----------
    name, severity
        As in findings.
    broken
        Which rows break it, over the columns of `with_context`; NULL counts as kept.
    reason
        Sentence about the first row of a run.
    least
        Broken rows that must follow one another before anything is said.
    """

    name: str
    severity: Severity
    broken: pl.Expr
    reason: pl.Expr
    least: int = 1


def with_context(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the bars sorted, with the columns that rules read.

    ``row`` (within the symbol, from 0), ``overnight`` and ``move`` (log of open and close over the close
    before), ``span`` (log of high over low), ``log_volume`` (NULL for none or zero), and the median of the
    rows before: ``usual_span``, ``usual_volume`` (log).
    """
    row = pl.int_range(pl.len(), dtype=pl.Int64).over("symbol")
    ordered = bars.sort("symbol", "ts").with_columns(row=row)
    measured = ordered.with_columns(
        overnight=(pl.col("open") / before("close")).log(),
        move=(pl.col("close") / before("close")).log(),
        span=(pl.col("high") / pl.col("low")).log(),
        log_volume=pl.when(pl.col("volume") > 0).then(pl.col("volume").log()),
    )
    return measured.with_columns(usual_span=_usual("span"), usual_volume=_usual("log_volume"))


def before(column: str, rows: int = 1) -> pl.Expr:
    """Return the value so many rows earlier in the same symbol, else NULL."""
    same = pl.col("symbol") == pl.col("symbol").shift(rows)
    return pl.when(same).then(pl.col(column).shift(rows))


def after(column: str) -> pl.Expr:
    """Return the value of the next row of the same symbol, else NULL."""
    return before(column, -1)


def _usual(column: str) -> pl.Expr:
    earlier = pl.col(column).shift(1)
    return earlier.rolling_median(USUAL_ROWS, min_samples=USUAL_LEAST).over("symbol")
