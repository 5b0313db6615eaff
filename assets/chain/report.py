"""What a chain materialisation shows: counts that plot, newest figures, a picture, verdicts of its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.chain.ingest import told_nothing
from assets.describe import describe_months, markdown_table, numbers, picture, rows_by_month
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
"""Figures of the newest day that the UI plots over time."""


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
    shown: dict[str, dg.MetadataValue] = {"rows": rows, **_said(done.findings)}
    if stored.height:
        title = f"{METRICS_DAILY.full_name}, feed {chain.feed}"
        shown["picture"] = picture(chain_lines(stored, title), "chain metrics")
        shown["newest"] = markdown_table(newest)
    describe_months(context, rows_by_month(own), shown)
    known = {name: newest[0][name] for name in SHOWN} if newest else {}
    return dg.MaterializeResult(
        metadata={**_counts(done, own.height), **numbers(known), "simulated": chain.simulated},
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
    shown = {
        "rows": dg.MetadataValue.text(reason),
        "newest": markdown_table(active.tail(5).select("height", "hash", "ts", "tx_count").to_dicts()),
        **_said(done.findings),
    }
    describe_months(context, rows_by_month(own), shown)
    tip = active["height"].to_list()[-1] if active.height else None
    faults = [] if chain.has_days else faults_of(active)
    figures = {"tip_height": tip, "stale_blocks": stored.height - active.height}
    return dg.MaterializeResult(
        metadata={**_counts(done, own.height), **numbers(figures), "simulated": chain.simulated},
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
