"""Rules about a whole series of bars: what no single row shows.

A rule marks rows; marked rows that follow one another are one finding.  Nothing is altered.  What findings of
severity error name blocks whatever would be computed from the bars.  Thresholds stand beside their reasons
in `steps` and `stretches`.
"""

from collections.abc import Collection, Iterable
from datetime import timedelta

import polars as pl

from pipeline.market.bars import PRICES, BarState
from pipeline.market.findings import Finding
from pipeline.market.series_context import SeriesRule, with_context
from pipeline.market.steps import EXPLAINED, STEP_RULES
from pipeline.market.stretches import STRETCH_RULES, with_repetition

SERIES_RULES: tuple[SeriesRule, ...] = (*STRETCH_RULES, *STEP_RULES)
LOOK_BACK = timedelta(days=400)
"""How much earlier history a new stretch is judged with: last year's bars must be in sight."""


def series_findings(bars: pl.DataFrame, *, splits: pl.DataFrame | None = None) -> list[Finding]:
    """Return what the rules have to say about clean bars of one timeframe.

    Parameters
    ----------
    bars
        Columns ``symbol, ts``, prices, ``volume`` and, where it is known, ``state``: imputed rows, which are
        ours, and rows without finite prices are not judged.
    splits
        ``symbol, ts`` of known splits: label of the first bar that trades after it.

    Returns
    -------
    list of Finding
        By rule, symbol and label; one for each run of rows.
    """
    if "state" in bars.columns:
        bars = bars.filter(pl.col("state").ne_missing(pl.lit(str(BarState.IMPUTED))))
    bars = bars.filter(pl.all_horizontal(pl.col(PRICES).is_finite()))
    if bars.is_empty():
        return []
    rows = with_repetition(with_context(bars))
    broken = rows.with_columns(rule.broken.fill_null(value=False).alias(rule.name) for rule in SERIES_RULES)
    hit = broken.select(pl.col([rule.name for rule in SERIES_RULES]).any()).row(0, named=True)
    findings: list[Finding] = []
    for rule in SERIES_RULES:
        if hit[rule.name]:
            findings += _runs(broken, rule, splits if rule.name in EXPLAINED else None)
    return findings


def unaccepted(findings: Iterable[Finding], accepted: Collection[str]) -> list[Finding]:
    """Return the findings that nobody has accepted.

    ``accepted`` holds texts ``RULE SYMBOL`` or ``RULE SYMBOL DATE`` (date of the first row, UTC).
    """
    return [f for f in findings if not set(_names(f)) & set(accepted)]


def _names(finding: Finding) -> tuple[str, ...]:
    whole = f"{finding.rule} {finding.symbol}"
    return (whole,) if finding.ts is None else (whole, f"{whole} {finding.ts:%Y-%m-%d}")


def _runs(broken: pl.DataFrame, rule: SeriesRule, explained: pl.DataFrame | None) -> list[Finding]:
    said = broken.with_columns(reason=rule.reason).filter(rule.name)
    if explained is not None:
        said = said.join(explained.select("symbol", "ts"), on=["symbol", "ts"], how="anti")
    starts = (pl.col("row").diff() != 1) | (pl.col("symbol") != pl.col("symbol").shift(1))
    runs = (
        said.with_columns(run=starts.fill_null(value=True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("symbol", "ts", "reason").first(),
            last=pl.col("ts").last(),
            count=pl.len(),
        )
        .filter(pl.col("count") >= rule.least)
    )
    return [
        Finding(rule.name, rule.severity, run["symbol"], run["ts"], run["reason"], run["last"], run["count"])
        for run in runs.iter_rows(named=True)
    ]
