"""The rules that bars must keep, each a polars expression with the sentence that says why a row broke it.

A rule only judges; what happens to the row is `validation`'s and `resample`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from pipeline.market.bars import PRICES
from pipeline.market.findings import Severity

TOLERANCE = 1e-9
"""Relative slack of the OHLC order: float noise of an adjustment factor is no fault."""

_ERROR, _WARN = Severity.ERROR, Severity.WARN


@dataclass(frozen=True)
class Rule:
    """One rule: the rows that break it, how much that matters, and why a row did.

    A NULL in ``broken`` counts as kept, so that each rule speaks only of what it knows.
    """

    name: str
    severity: Severity
    broken: pl.Expr
    reason: pl.Expr


def judge(rows: pl.DataFrame, rules: Sequence[Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those that keep every rule and those that break one.

    The second frame has ``rule, severity, reason`` beside the columns of the first; a row that breaks
    several rules is claimed by the first of them.
    """
    broken = [pl.when(r.broken.fill_null(value=False)).then(pl.lit(i)) for i, r in enumerate(rules)]
    numbered = rows.with_columns(rule_number=pl.coalesce(broken))
    hit = set(numbered["rule_number"].drop_nulls().unique())
    text = [pl.lit(None, dtype=pl.String).alias(c) for c in ("rule", "severity", "reason")]
    bad = [numbered.clear().with_columns(text)]
    bad += [
        numbered.filter(pl.col("rule_number") == i).with_columns(
            rule=pl.lit(rule.name), severity=pl.lit(str(rule.severity)), reason=rule.reason
        )
        for i, rule in enumerate(rules)
        if i in hit
    ]
    good = numbered.filter(pl.col("rule_number").is_null()).drop("rule_number")
    return good, pl.concat(bad).drop("rule_number")


def value_rules() -> list[Rule]:
    """Rules about one row's own instants, prices and volume."""
    prices = [pl.col(p) for p in PRICES]
    ohlc = pl.format("open {} high {} low {} close {}", *(_shown(p) for p in PRICES))
    lowest, highest = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    slack = 1.0 + TOLERANCE
    out_of_order = (pl.col("low") > lowest * slack) | (pl.col("high") * slack < highest)
    given = pl.col("symbol", "open_at", "close_at", "known_at")
    return [
        Rule(
            "missing_value",
            _ERROR,
            pl.any_horizontal(given.is_null()),
            pl.lit("the symbol or an instant is missing"),
        ),
        Rule("not_finite", _ERROR, pl.any_horizontal(p.is_null() | ~p.is_finite() for p in prices), ohlc),
        Rule("non_positive", _ERROR, pl.any_horizontal(p <= 0 for p in prices), ohlc),
        Rule("ohlc_order", _ERROR, out_of_order, ohlc),
        Rule(
            "bad_volume",
            _ERROR,
            (pl.col("volume") < 0) | ~pl.col("volume").is_finite(),
            pl.format("volume {}", _shown("volume")),
        ),
        Rule(
            "time_order",
            _ERROR,
            pl.col("open_at") >= pl.col("close_at"),
            pl.format("opens {} but closes {}", _shown("open_at"), _shown("close_at")),
        ),
        Rule(
            "known_too_early",
            _ERROR,
            pl.col("known_at") < pl.col("close_at"),
            pl.format("known {} before its close {}", _shown("known_at"), _shown("close_at")),
        ),
    ]


def time_rules(now: datetime) -> list[Rule]:
    """Rules about the present: a bar that closes or is known later than ``now`` is not there yet."""
    return [
        Rule(
            "future",
            _ERROR,
            (pl.col("close_at") > now) | (pl.col("known_at") > now),
            pl.format(
                "closes {}, known {}, now {}",
                _shown("close_at"),
                _shown("known_at"),
                pl.lit(now.isoformat()),
            ),
        )
    ]


def cell_rules(step: timedelta, *, allow_straddle: bool) -> list[Rule]:
    """Rules about a row's label; columns ``exp_open_at`` and ``exp_close_at`` come from the calendar.

    Parameters
    ----------
    step
        Length of a cell: four hours or a day.
    allow_straddle
        Whether a bar may open before its cell.
    """
    opens = pl.min_horizontal("ts", "exp_open_at")
    closes = pl.max_horizontal(pl.col("ts") + step, "exp_close_at")
    return [
        Rule("missing_value", _ERROR, pl.col("ts").is_null(), pl.lit("the label is missing")),
        Rule(
            "off_grid",
            _ERROR,
            pl.col("ts").dt.truncate(step) != pl.col("ts"),
            pl.format("label {} is off the grid", _shown("ts")),
        ),
        Rule(
            "outside_session",
            _WARN,
            pl.col("exp_close_at").is_null(),
            pl.format("the calendar expects no bar at {}", _shown("ts")),
        ),
        Rule(
            "wrong_cell",
            _ERROR,
            (pl.col("close_at") <= pl.col("ts")) | (pl.col("close_at") > closes),
            pl.format("closes {} outside its cell {}", _shown("close_at"), _shown("ts")),
        ),
        Rule(
            "straddle",
            _WARN,
            pl.lit(not allow_straddle) & (pl.col("open_at") < opens),
            pl.format("opens {} before its cell {}", _shown("open_at"), _shown("ts")),
        ),
    ]


def repeat_rules() -> list[Rule]:
    """Rules about rows of one key.

    Columns ``in_key`` (rows of the key), ``alike`` (of them, rows equal to this one) and ``repeat`` (how
    many equal rows came before) are the caller's.
    """
    return [
        Rule(
            "conflict",
            _ERROR,
            pl.col("in_key") > pl.col("alike"),
            pl.format("{} rows for one bar, not all alike", pl.col("in_key")),
        ),
        Rule("duplicate", _WARN, pl.col("repeat") > 0, pl.lit("the same row again")),
    ]


def with_repeats(rows: pl.DataFrame, key: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Add the columns that `repeat_rules` reads; ``columns`` are those in which rows must be alike."""
    keyed = rows.with_columns(in_key=pl.len().over(*key))
    if (keyed["in_key"] > 1).any():
        same = pl.struct(columns)
        return keyed.with_columns(alike=pl.len().over(same), repeat=pl.int_range(pl.len()).over(same))
    return keyed.with_columns(alike=pl.lit(1), repeat=pl.lit(0))


def _shown(column: str) -> pl.Expr:
    if column in PRICES or column == "volume":
        text = pl.col(column).cast(pl.String)
    else:
        text = pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.fill_null("missing")
