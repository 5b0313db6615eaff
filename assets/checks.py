"""Blocking checks on stored bars and features: what a decision may not be fed.

Each rule is a pure function from a frame to a number of offences; the assets turn them into check results.
A gap inside the history is reported as a warning (real venues have outages); it blocks only when so much is
missing that results would mean little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import polars as pl

    from pipeline.arrays import Float1D
    from pipeline.market.findings import Finding

BAR_CHECKS = (
    "all_read",
    "no_gaps",
    "no_duplicates",
    "ohlc_order",
    "no_nan",
    "fresh",
    "known_in_time",
    "plausible",
)
UNREAD = frozenset({"unreadable", "unknown_symbol", "unreachable", "no_bars"})
"""Rules of findings about a whole file, symbol or series that the source had to leave out."""
MACRO_CHECKS = ("all_read", "no_duplicates", "no_nan", "known_in_time", "plausible")
ACTION_CHECKS = ("all_read", "no_duplicates", "no_nan", "known_in_time")
CHAIN_CHECKS = (
    "all_read",
    "no_gaps",
    "no_duplicates",
    "no_nan",
    "rising",
    "on_schedule",
    "fresh",
    "known_in_time",
)
BLOCK_CHECKS = ("all_read", "no_duplicates", "one_chain", "known_in_time")
RUN_CHECKS = ("finite_nav", "has_trades")
FEATURE_CHECKS = ("no_duplicates", "no_nan", "known_in_time")
REGIME_CHECKS = ("no_duplicates", "no_nan", "known_in_time", "inputs_fresh", "leaves_neutral")
FIT_CHECKS = ("no_duplicates", "fit_fresh", "known_in_time")
FORECAST_CHECKS = ("no_duplicates", "known_in_time", "inside_its_interval")
BOARD_CHECKS = ("no_duplicates", "all_judged")
MODEL_ERROR_CHECKS = ("no_duplicates", "all_forecast")
TRANSITION_CHECKS = ("no_duplicates", "known_in_time")


def specs(key: Sequence[str], names: Sequence[str]) -> list[dg.AssetCheckSpec]:
    """Return one blocking check specification for each name."""
    return [
        dg.AssetCheckSpec(name, asset=dg.AssetKey(list(key)), blocking=True, description=_DESCRIPTIONS[name])
        for name in names
    ]


_DESCRIPTIONS = {
    "all_read": "Every file, symbol and series of the source could be had.",
    "no_gaps": "No expected bar is missing; outages warn, too much missing blocks.",
    "no_duplicates": "Every key has one newest version.",
    "ohlc_order": "low <= open, close <= high.",
    "no_nan": "No value that must be a number is NaN or infinite.",
    "fresh": "The newest bar is not older than the calendar allows.",
    "finite_nav": "NAV is a positive number at every decision.",
    "has_trades": "The run held something; a run without trades warns.",
    "known_in_time": "No row claims to be known before it could be, or only after it was stored.",
    "inputs_fresh": "Every regime has an input, and its newest value is not overdue; warns.",
    "leaves_neutral": "Every regime has changed at least once; warns.",
    "rising": "Height, supply and thermocap never fall from one day to the next.",
    "on_schedule": "Supply is that of the issuance schedule, but for coins not claimed; warns.",
    "one_chain": "Active blocks have one height each and lead back to each other.",
    "all_judged": "Every model has a verdict; a model without data has none and warns.",
    "fit_fresh": "No fit is older than auto_refit_days; warns.",
    "inside_its_interval": "Every forecast lies inside its own intervals.",
    "all_forecast": "No forecast is missing; those that are count, with reasons, and warn.",
    "plausible": "No series shows what markets do not do: filled, frozen, in another unit, shifted.",
}


def all_read(findings: Sequence[Finding]) -> dg.AssetCheckResult:
    """Judge whether the source could read all of itself: what is left out is no gap, it is nothing.

    Where the finding is a warning, as for a venue out of reach whose stored rows are used on request, so is
    the verdict.
    """
    from pipeline.market.findings import Severity

    lost = [finding for finding in findings if finding.rule in UNREAD]
    blocked = any(finding.severity is Severity.ERROR for finding in lost)
    return dg.AssetCheckResult(
        check_name="all_read",
        passed=not lost,
        severity=dg.AssetCheckSeverity.WARN if lost and not blocked else dg.AssetCheckSeverity.ERROR,
        description="; ".join(finding.reason for finding in lost[:5]) or "nothing was left out",
        metadata={"left_out": len(lost)},
    )


def gaps(findings: Sequence[Finding], present: Mapping[str, int], most_missing: float) -> dg.AssetCheckResult:
    """Judge the gaps that validation found beside the bars ``present``, by symbol.

    Each symbol is judged by itself: hundreds of whole series do not make up for one that is full of holes.
    """
    missing: dict[str | None, int] = {}
    found = [finding for finding in findings if finding.rule == "gap"]
    for finding in found:
        missing[finding.symbol] = missing.get(finding.symbol, 0) + finding.count
    shares = {symbol: lost / (lost + present.get(symbol or "", 0)) for symbol, lost in missing.items()}
    worst = max(shares, key=lambda symbol: shares[symbol], default=None)
    share = shares.get(worst, 0.0)
    lacking = sum(missing.values())
    told = f", most of {worst}: {share:.1%}" if found else ""
    return dg.AssetCheckResult(
        check_name="no_gaps",
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if share > most_missing else dg.AssetCheckSeverity.WARN,
        description=f"{lacking} of {lacking + sum(present.values())} expected bars are missing{told}",
        metadata={"missing_bars": lacking, "gaps": len(found), "missing_share": share},
    )


def duplicates(count: int) -> dg.AssetCheckResult:
    """Judge the number of keys with more than one row per version."""
    return dg.AssetCheckResult(
        check_name="no_duplicates", passed=count == 0, metadata={"duplicate_keys": count}
    )


def ohlc_order(bars: pl.DataFrame) -> dg.AssetCheckResult:
    """Count bars whose open or close lies outside the range."""
    import polars as pl

    wrong = bars.filter(
        (pl.col("high") < pl.max_horizontal("open", "close"))
        | (pl.col("low") > pl.min_horizontal("open", "close"))
    ).height
    return dg.AssetCheckResult(check_name="ohlc_order", passed=wrong == 0, metadata={"offending_bars": wrong})


def no_nan(frame: pl.DataFrame, columns: Sequence[str]) -> dg.AssetCheckResult:
    """Count rows with a NaN or an infinite number in ``columns`` (NULL, the unknown, is allowed)."""
    import polars as pl

    wrong = (
        frame.filter(pl.any_horizontal(pl.col(list(columns)).is_finite().not_())).height
        if frame.height
        else 0
    )
    return dg.AssetCheckResult(check_name="no_nan", passed=wrong == 0, metadata={"offending_rows": wrong})


def fresh(overdue: Mapping[str, float], *, up_to_date: bool) -> dg.AssetCheckResult:
    """Judge series by how many hours beyond the grace their next expected bar is late.

    A stale series blocks where the update was to bring it ``up_to_date``; a folder of history that has an
    end, or a past month fetched alone, warns.
    """
    late = {symbol: hours for symbol, hours in overdue.items() if hours > 0}
    return dg.AssetCheckResult(
        check_name="fresh",
        passed=not late,
        severity=dg.AssetCheckSeverity.ERROR if up_to_date else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{symbol} ends {hours:.0f} h early" for symbol, hours in sorted(late.items()))
        or "every series is up to date",
        metadata={"late_series": len(late)},
    )


def plausible(findings: Sequence[Finding], accepted: Collection[str]) -> dg.AssetCheckResult:
    """Judge what the rules about whole series found; errors block, warnings warn.

    ``accepted`` names findings that a person has looked at and found true: ``RULE SYMBOL [DATE]``.
    """
    from pipeline.market.findings import Severity
    from pipeline.market.series_rules import unaccepted

    open_ones = unaccepted(findings, accepted)
    errors = [finding for finding in open_ones if finding.severity is Severity.ERROR]
    shown = [f"{f.rule} {f.symbol} {f.ts:%Y-%m-%d}: {f.reason}" for f in (errors or open_ones)[:5]]
    return dg.AssetCheckResult(
        check_name="plausible",
        passed=not open_ones,
        severity=dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN,
        description="; ".join(shown) or "nothing implausible",
        metadata={
            "errors": len(errors),
            "warnings": len(open_ones) - len(errors),
            "accepted": len(findings) - len(open_ones),
        },
    )


def known_in_time(too_early: int) -> dg.AssetCheckResult:
    """Judge the number of rows that claim to be known before they could be."""
    return dg.AssetCheckResult(
        check_name="known_in_time", passed=too_early == 0, metadata={"offending_rows": too_early}
    )


def known_before(rows: pl.DataFrame, instant: str) -> int:
    """Count rows that claim to be known before the instant in that column."""
    import polars as pl

    return rows.filter(pl.col("known_at") < pl.col(instant)).height


def finite_nav(nav: Float1D) -> dg.AssetCheckResult:
    """Count decisions at which NAV is not a positive number."""
    import numpy as np

    wrong = int((~(np.isfinite(nav) & (nav > 0.0))).sum())
    return dg.AssetCheckResult(check_name="finite_nav", passed=wrong == 0, metadata={"offending_bars": wrong})


def has_trades(fills: int) -> dg.AssetCheckResult:
    """Warn about a run that never traded: its numbers say nothing about the strategy."""
    return dg.AssetCheckResult(
        check_name="has_trades",
        passed=fills > 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"fills": fills},
    )
