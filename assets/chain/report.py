"""What a chain materialisation shows: counts that plot, newest figures, a picture, verdicts of its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import (
    describe_months,
    last_by_month,
    markdown_table,
    month_of,
    numbers,
    picture,
    rows_by_month,
)
from assets.market.ingest import told_nothing
from warehouse.tables import BLOCKS, METRICS_DAILY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from assets.market.ingest import Ingested
    from pipeline.market.findings import Finding
    from resources.chain.port import ChainSource
    from warehouse.store import Warehouse

JUDGED = ("hash", "ts", "height", "prev_hash", "tx_count", "state", "known_at")
"""Columns of blocks that a materialisation looks at."""
SHOWN = ("price_usd", "height", "thermocap_usd", "s2f", "mvrv", "puell", "hash_rate_ths")
"""Figures of a month's last day that the UI plots over time."""


def days_result(
    context: dg.AssetExecutionContext,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    chain: ChainSource,
    warehouse: Warehouse,
    now: datetime,
) -> dg.MaterializeResult:
    """Report an update of days and judge all that is stored now."""
    import polars as pl

    from pipeline.chain.pictures import chain_lines

    stored = warehouse.as_of(METRICS_DAILY, where={"feed": chain.feed})
    own = stored.filter(pl.col("ts").is_between(*window, closed="left"))
    newest = stored.sort("ts").tail(1).to_dicts()
    rows = dg.MetadataValue.text(told_nothing(done.findings) or f"{stored.height} days")
    shown: dict[str, object] = {**_counts(done, own.height), "rows": rows, **_said(done.findings)}
    if stored.height:
        title = f"{METRICS_DAILY.full_name}, feed {chain.feed}"
        shown["picture"] = picture(chain_lines(stored, title), "chain metrics")
        shown["newest"] = markdown_table(newest)
    describe_months(context, rows_by_month(own), shown, last_by_month(own, SHOWN))
    return dg.MaterializeResult(
        metadata={"simulated": chain.simulated},
        check_results=day_verdicts(done, stored, chain=chain, warehouse=warehouse, now=now),
    )


def day_verdicts(
    done: Ingested, stored: pl.DataFrame, *, chain: ChainSource, warehouse: Warehouse, now: datetime
) -> list[dg.AssetCheckResult]:
    """Judge the stored days by calendar, clocks, schedule and rules."""
    from pipeline.chain.rules import day_findings, overdue_hours, too_early

    found = day_findings(stored, chain.feed)
    late = overdue_hours(stored, chain.history.until(now))
    amounts = [column for column in METRICS_DAILY.columns if column.type == "DOUBLE"]
    return [
        checks.all_read(done.findings),
        _judged(
            "no_gaps",
            list(dict.fromkeys([*found, *done.findings])),
            "gap",
            "every day is there",
            blocks=False,
        ),
        checks.duplicates(warehouse.duplicates(METRICS_DAILY)),
        checks.no_nan(stored, [column.name for column in amounts]),
        _judged("rising", found, "falling", "height, supply and thermocap never fall", blocks=True),
        _judged("on_schedule", found, "off_schedule", "supply is that of the schedule", blocks=False),
        checks.fresh({} if late is None else {chain.feed: late}, up_to_date=False),
        checks.known_in_time(too_early(stored)),
    ]


def blocks_result(
    context: dg.AssetExecutionContext,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    chain: ChainSource,
    warehouse: Warehouse,
) -> dg.MaterializeResult:
    """Report an update of blocks and judge what is stored now."""
    import polars as pl

    from pipeline.chain.canonical import faults_of

    stored = warehouse.as_of(BLOCKS, where={"feed": chain.feed}, columns=JUDGED)
    own = stored.filter(pl.col("ts").is_between(*window, closed="left"))
    active = stored.filter(pl.col("state") == "active").sort("height")
    reason = f"{stored.height} blocks" if chain.has_blocks else "the source tells no blocks"
    faults = [] if chain.has_days else faults_of(active)
    shown = {
        **_counts(done, own.height),
        "rows": dg.MetadataValue.text(reason),
        "newest": markdown_table(active.tail(5).select("height", "hash", "ts", "tx_count").to_dicts()),
        **_said(done.findings),
    }
    describe_months(context, rows_by_month(own), shown, _heights_by_month(own))
    return dg.MaterializeResult(
        metadata={"simulated": chain.simulated},
        check_results=[
            checks.all_read(done.findings),
            checks.duplicates(warehouse.duplicates(BLOCKS)),
            dg.AssetCheckResult(
                check_name="one_chain",
                passed=not faults,
                description="; ".join(faults) or "every active block leads back to the one before it",
            ),
            checks.known_in_time(_seen_too_early(stored)),
        ],
    )


def _heights_by_month(blocks: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return the height that each month ended with, and how many of its blocks lost a race."""
    import polars as pl

    active = pl.col("state") == "active"
    months = blocks.group_by(month_of("ts")).agg(
        pl.col("height").filter(active).max().alias("tip_height"), (~active).sum().alias("stale_blocks")
    )
    return {row.pop("month"): numbers(row) for row in months.to_dicts()}


def _said(findings: Sequence[Finding]) -> dict[str, dg.MetadataValue]:
    """Return what the source had to say, such as what a node has pruned; nothing where it said nothing."""
    said = [{"rule": f.rule, "severity": f.severity, "reason": f.reason} for f in findings]
    return {"findings": markdown_table(said)} if said else {}


def _seen_too_early(stored: pl.DataFrame) -> int:
    """Count blocks known more than two hours before the time in their header, which no node accepts."""
    import polars as pl

    return stored.filter(pl.col("known_at") < pl.col("ts") - pl.duration(hours=2)).height


def _judged(
    name: str, found: Sequence[Finding], rule: str, well: str, *, blocks: bool
) -> dg.AssetCheckResult:
    own = [finding for finding in found if finding.rule == rule]
    said = [f"{f.reason}, {f.ts:%Y-%m-%d}" if f.ts else f.reason for f in own[:5]]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not own,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description="; ".join(said) or well,
        metadata={"offending_days": sum(finding.count for finding in own)},
    )


def _counts(done: Ingested, stored: int) -> dict[str, float]:
    counts = {
        "fetched": done.fetched,
        "inserted": done.inserted,
        "revised": done.revised,
        "unchanged": done.unchanged,
    }
    return {"dagster/row_count": stored, **numbers(counts)}
