"""Bars sorted into clean and quarantined by the rules of `rules`, and what is missing named.

Nothing is repaired here: clean and quarantined rows together are the rows that came in.  What is absent
(gaps) is reported, never filled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from pipeline.calendar.grid import CELL, require_utc
from pipeline.errors import DataError
from pipeline.market.bars import GAP_SCHEMA, UTC_TIME, conform_bars, empty
from pipeline.market.findings import Finding, Severity
from pipeline.market.quarantine import quarantine
from pipeline.market.rules import cell_rules, judge, repeat_rules, time_rules, value_rules, with_repeats
from pipeline.market.series_rules import series_findings

Timeframe = Literal["h4", "daily"]

_DAY = timedelta(days=1)
LONG_GAP = 3
"""Missing bars in a row that a gap may have before it is called long."""


@dataclass(frozen=True, eq=False)
class Validation:
    """What became of the rows.

    Attributes
    ----------
    clean
        Rows of `BAR_SCHEMA` that keep every rule, sorted by symbol and label.
    quarantined
        Rows of `QUARANTINE_SCHEMA`; one per row that broke a rule, by the first rule it broke.
    findings
        One per symbol and rule, and one per run of missing bars.
    gaps
        Rows of `GAP_SCHEMA`.
    """

    clean: pl.DataFrame
    quarantined: pl.DataFrame
    findings: tuple[Finding, ...]
    gaps: pl.DataFrame


def validate_bars(
    frame: pl.DataFrame,
    *,
    timeframe: Timeframe,
    expected: Mapping[str, pl.DataFrame],
    now: datetime,
    dataset: str | None = None,
    allow_straddle: bool = False,
    splits: pl.DataFrame | None = None,
) -> Validation:
    """Sort rows into clean and quarantined, and name what is missing.

    Parameters
    ----------
    frame
        Bars as `conform_bars` takes them.
    timeframe
        ``h4`` or ``daily``: decides where labels lie.
    expected
        For every symbol the bars its calendar expects (`expected_h4`, `expected_daily`) over exactly the
        window the frame is meant to cover: a row that is not expected is ``outside_session``, an expected
        bar that is not there is a gap.
    now
        Aware.  A bar that closes later is still forming; one known later is from the future.
    dataset
        Name written to the quarantine; ``market.ohlcv_<timeframe>`` when not given.
    allow_straddle
        Whether the source may deliver bars that open before their cell.
    splits
        As `series_findings`.

    Raises
    ------
    SchemaError, TimestampError
        As `conform_bars`.
    DataError
        When no expectation is given for a symbol.
    """
    bars = conform_bars(frame)
    at = require_utc(now, "now")
    lost = sorted(set(bars["symbol"].drop_nulls().unique()) - set(expected))
    if lost:
        raise DataError(
            "no calendar for a symbol", "expected", lost, "one frame per symbol", "add the symbol"
        )
    step = CELL if timeframe == "h4" else _DAY
    rules = [
        *value_rules(),
        *time_rules(at),
        *cell_rules(step, allow_straddle=allow_straddle),
        *repeat_rules(),
    ]
    on_calendar = bars.join(_calendar(expected), on=["symbol", "ts"], how="left", maintain_order="left")
    good, bad = judge(with_repeats(on_calendar, ("symbol", "ts"), bars.columns), rules)
    clean = good.select(bars.columns).sort("symbol", "ts")
    gaps = all_gaps(clean, timeframe, expected, at)
    findings = (
        *_findings_of_rows(bad),
        *_order_findings(bars),
        *_partial_findings(clean),
        *series_findings(clean, splits=splits),
        *_gap_findings(gaps, bad),
    )
    name = dataset or f"market.ohlcv_{timeframe}"
    return Validation(clean, quarantine(bad, name, bars.columns), findings, gaps)


def all_gaps(
    clean: pl.DataFrame, timeframe: str, expected: Mapping[str, pl.DataFrame], now: datetime
) -> pl.DataFrame:
    """Return the gaps of every symbol that something is expected of, as rows of `GAP_SCHEMA`."""
    labels = clean.select("symbol", "ts")
    own = labels.partition_by("symbol", as_dict=True)
    parts = [
        find_gaps(own.get((s,), labels.clear()), s, timeframe, expected[s], now) for s in sorted(expected)
    ]
    return pl.concat([empty(GAP_SCHEMA), *parts])


def find_gaps(
    clean: pl.DataFrame, symbol: str, timeframe: str, expected: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return the runs of expected bars, closed by ``now``, that the symbol lacks, as rows of `GAP_SCHEMA`."""
    have = clean.filter(pl.col("symbol") == symbol).select("ts", present=pl.lit(value=True))
    cells = expected.filter(pl.col("close_at") <= now).join(have, on="ts", how="left").sort("ts")
    runs = cells.with_columns(run=pl.col("present").is_not_null().cum_sum())
    return (
        runs.filter(pl.col("present").is_null())
        .group_by("run", maintain_order=True)
        .agg(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last"), pl.len().alias("count"))
        .select(
            pl.lit(symbol).alias("symbol"),
            pl.lit(timeframe).alias("timeframe"),
            "first",
            "last",
            pl.col("count").cast(pl.Int64),
        )
    )


def _calendar(expected: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    parts = [
        frame.select(
            pl.lit(symbol).alias("symbol"),
            "ts",
            pl.col("open_at").alias("exp_open_at"),
            pl.col("close_at").alias("exp_close_at"),
        )
        for symbol, frame in expected.items()
    ]
    times = dict.fromkeys(("ts", "exp_open_at", "exp_close_at"), UTC_TIME)
    return pl.concat([pl.DataFrame(schema={"symbol": pl.String(), **times}), *parts])


def _findings_of_rows(bad: pl.DataFrame) -> list[Finding]:
    runs = (
        bad.sort("ts")
        .group_by("symbol", "rule", maintain_order=True)
        .agg(
            pl.col("severity").first(),
            pl.col("ts").min(),
            pl.col("reason").first(),
            pl.col("ts").max().alias("last"),
            pl.len().alias("count"),
        )
        .sort("symbol", "rule")
    )
    return [
        Finding(
            run["rule"],
            Severity(run["severity"]),
            run["symbol"],
            run["ts"],
            run["reason"],
            run["last"],
            run["count"],
        )
        for run in runs.iter_rows(named=True)
    ]


def _order_findings(bars: pl.DataFrame) -> list[Finding]:
    back = bars.filter((pl.col("ts") < pl.col("ts").shift(1).over("symbol")).fill_null(value=False))
    return _grouped(back, "non_monotonic", Severity.WARN, "labels go back in the order of the source")


def _partial_findings(clean: pl.DataFrame) -> list[Finding]:
    partial = clean.filter(pl.col("covered_minutes") < pl.col("minutes"))
    return _grouped(partial, "partial", Severity.INFO, "the source covers only part of the bar")


def _grouped(rows: pl.DataFrame, rule: str, severity: Severity, reason: str) -> list[Finding]:
    runs = rows.group_by("symbol").agg(
        pl.col("ts").min(), pl.col("ts").max().alias("last"), pl.len().alias("count")
    )
    return [
        Finding(rule, severity, run["symbol"], run["ts"], reason, run["last"], run["count"])
        for run in runs.sort("symbol").iter_rows(named=True)
    ]


def _gap_findings(gaps: pl.DataFrame, bad: pl.DataFrame) -> list[Finding]:
    findings = []
    for gap in gaps.iter_rows(named=True):
        inside = (pl.col("symbol") == gap["symbol"]) & pl.col("ts").is_between(gap["first"], gap["last"])
        held = bad.filter(inside)["ts"].n_unique()
        why = f", {held} of them in quarantine" if held else ""
        long = " in a row" if gap["count"] > LONG_GAP else ""
        reason = f"{gap['count']} {gap['timeframe']} missing{long}{why}"
        findings.append(
            Finding("gap", Severity.WARN, gap["symbol"], gap["first"], reason, gap["last"], gap["count"])
        )
    return findings
