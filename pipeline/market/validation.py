"""The rules that bars must keep.  A row that breaks one leaves the data and goes to quarantine by name.

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
from pipeline.market.bars import GAP_SCHEMA, PRICES, UTC_TIME, conform_bars, empty
from pipeline.market.findings import Finding, Severity
from pipeline.market.quarantine import quarantine

Timeframe = Literal["h4", "daily"]

TOLERANCE = 1e-9
"""Relative slack of the OHLC order: float noise of an adjustment factor is no fault."""

_DAY = timedelta(days=1)
_TIMES = ("ts", "open_at", "close_at", "known_at")


@dataclass(frozen=True)
class Rule:
    """One rule: the rows that break it, how much that matters, and the sentence that says why."""

    name: str
    severity: Severity
    broken: pl.Expr
    reason: pl.Expr


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
    judged = _judge(bars, _rules(timeframe, at, allow_straddle=allow_straddle), expected)
    clean = judged.filter(pl.col("rule").is_null()).select(bars.columns).sort("symbol", "ts")
    bad = judged.filter(pl.col("rule").is_not_null())
    gaps = pl.concat(
        [empty(GAP_SCHEMA), *(find_gaps(clean, s, timeframe, expected[s], at) for s in sorted(expected))]
    )
    findings = (
        *_findings_of_rows(bad),
        *_order_findings(bars),
        *_partial_findings(clean),
        *_gap_findings(gaps, bad),
    )
    name = dataset or f"market.ohlcv_{timeframe}"
    return Validation(clean, quarantine(bad, name, bars.columns), findings, gaps)


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


def _rules(timeframe: Timeframe, now: datetime, *, allow_straddle: bool) -> list[Rule]:
    """All rules in the order in which they claim a row; columns ``exp_*`` come from the calendar."""
    error, warn = Severity.ERROR, Severity.WARN
    prices = [pl.col(p) for p in PRICES]
    ohlc = pl.format("open {} high {} low {} close {}", *(_shown(p) for p in PRICES))
    span, step = (CELL, "4h") if timeframe == "h4" else (_DAY, "1d")
    opens = pl.min_horizontal("ts", "exp_open_at")
    closes = pl.max_horizontal(pl.col("ts") + span, "exp_close_at")
    lowest, highest = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    slack = 1.0 + TOLERANCE
    return [
        Rule("missing_value", error, pl.any_horizontal(pl.col("symbol", *_TIMES).is_null()),
             pl.lit("the symbol or an instant is missing")),
        Rule("not_finite", error, pl.any_horizontal(p.is_null() | ~p.is_finite() for p in prices), ohlc),
        Rule("non_positive", error, pl.any_horizontal(p <= 0 for p in prices), ohlc),
        Rule("off_grid", error, pl.col("ts").dt.truncate(step) != pl.col("ts"),
             pl.format("label {} is off the grid", _shown("ts"))),
        Rule("time_order", error, pl.col("open_at") >= pl.col("close_at"),
             pl.format("opens {} but closes {}", _shown("open_at"), _shown("close_at"))),
        Rule("future", error, (pl.col("close_at") > now) | (pl.col("known_at") > now),
             pl.format("closes {}, known {}, now {}", _shown("close_at"), _shown("known_at"),
                       pl.lit(now.isoformat()))),
        Rule("known_too_early", error, pl.col("known_at") < pl.col("close_at"),
             pl.format("known {} before its close {}", _shown("known_at"), _shown("close_at"))),
        Rule("outside_session", warn, pl.col("exp_close_at").is_null(),
             pl.format("the calendar expects no bar at {}", _shown("ts"))),
        Rule("wrong_cell", error, (pl.col("close_at") <= pl.col("ts")) | (pl.col("close_at") > closes),
             pl.format("closes {} outside its cell {}", _shown("close_at"), _shown("ts"))),
        Rule("straddle", warn, pl.lit(not allow_straddle) & (pl.col("open_at") < opens),
             pl.format("opens {} before its cell {}", _shown("open_at"), _shown("ts"))),
        Rule("ohlc_order", error,
             (pl.col("low") > lowest * slack) | (pl.col("high") * slack < highest), ohlc),
        Rule("bad_volume", error, (pl.col("volume") < 0) | pl.col("volume").is_infinite(),
             pl.format("volume {}", _shown("volume"))),
        Rule("conflict", error, pl.col("in_key") > pl.col("alike"),
             pl.format("{} different rows for one label", pl.col("in_key"))),
        Rule("duplicate", warn, pl.col("repeat") > 0, pl.lit("the same row again")),
    ]  # fmt: skip


def _judge(bars: pl.DataFrame, rules: list[Rule], expected: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Add columns ``rule, severity, reason``, NULL for rows that keep every rule."""
    keyed = bars.join(
        _calendar(expected), on=["symbol", "ts"], how="left", maintain_order="left"
    ).with_columns(in_key=pl.len().over("symbol", "ts"))
    if (keyed["in_key"] > 1).any():
        same = pl.struct(bars.columns)
        keyed = keyed.with_columns(alike=pl.len().over(same), repeat=pl.int_range(pl.len()).over(same))
    else:
        keyed = keyed.with_columns(alike=pl.lit(1), repeat=pl.lit(0))
    numbered = keyed.with_columns(
        number=pl.coalesce(
            pl.when(rule.broken.fill_null(value=False)).then(pl.lit(i)) for i, rule in enumerate(rules)
        )
    )
    bad = [
        numbered.filter(pl.col("number") == i).with_columns(
            rule=pl.lit(rule.name), severity=pl.lit(str(rule.severity)), reason=rule.reason
        )
        for i, rule in enumerate(rules)
        if (numbered["number"] == i).any()
    ]
    nothing = [pl.lit(None, dtype=pl.String).alias(c) for c in ("rule", "severity", "reason")]
    return pl.concat([numbered.filter(pl.col("number").is_null()).with_columns(nothing), *bad])


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


def _shown(column: str) -> pl.Expr:
    text = pl.col(column).dt.to_string("iso:strict") if column in _TIMES else pl.col(column).cast(pl.String)
    return text.fill_null("missing")


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
        reason = f"{gap['count']} {gap['timeframe']} missing{why}"
        findings.append(
            Finding("gap", Severity.WARN, gap["symbol"], gap["first"], reason, gap["last"], gap["count"])
        )
    return findings
