"""Bring the corporate actions of a window into the warehouse, and what the Dagster UI is shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import describe_months, markdown_table, numbers, rows_by_month
from assets.increments import fetch_actions
from assets.ingest import Ingested
from warehouse.tables import CORPORATE_ACTIONS, QUARANTINE

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from resources.market.port import MarketSource
    from warehouse.manifest import Manifest
    from warehouse.store import Warehouse

MOST_SHOWN = 30


def update_actions(
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    manifest: Manifest,
    allow_stale: bool = False,
) -> Ingested:
    """Append the splits and dividends whose ex-date lies in ``window`` (end exclusive).

    A corrected action is a new version known from now on.  ``allow_stale`` goes on with stored rows where a
    venue cannot be had.
    """
    import polars as pl

    fetched = fetch_actions(market, window, now=now, allow_stale=allow_stale)
    feed = pl.lit(market.feed).alias("feed")
    if fetched.quarantined.height:
        warehouse.append(QUARANTINE, fetched.quarantined.with_columns(feed))
    done = warehouse.append(CORPORATE_ACTIONS, fetched.frame.with_columns(feed), manifest=manifest)
    return Ingested(
        CORPORATE_ACTIONS.full_name,
        fetched.frame.height,
        done.inserted,
        done.revised,
        done.unchanged,
        fetched.quarantined.height,
        tuple(fetched.findings),
    )


def actions_result(
    context: dg.AssetExecutionContext,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
) -> dg.MaterializeResult:
    """Report an update of corporate actions and judge what is stored now."""
    stored = warehouse.as_of(CORPORATE_ACTIONS, where={"feed": market.feed}, start=window[0], end=window[1])
    newest = stored.sort("ts", descending=True).head(MOST_SHOWN)
    shown = newest.select("symbol", "ts", "kind", "value", "currency", "known_at").to_dicts()
    describe_months(context, rows_by_month(stored), {"newest": markdown_table(shown)})
    counts = {
        "fetched": done.fetched,
        "inserted": done.inserted,
        "revised": done.revised,
        "unchanged": done.unchanged,
        "quarantined": done.quarantined,
    }
    return dg.MaterializeResult(
        metadata={"dagster/row_count": stored.height, **numbers(counts), "simulated": market.simulated},
        check_results=[
            checks.all_read(done.findings),
            checks.duplicates(warehouse.duplicates(CORPORATE_ACTIONS)),
            checks.no_nan(stored, ("value",)),
            checks.known_in_time(_too_early(stored)),
        ],
    )


def _too_early(stored: pl.DataFrame) -> int:
    """Count actions that claim to be known before their announcement, or without one before their ex-date."""
    import polars as pl

    earliest = pl.coalesce("declared_at", "ts")
    return stored.filter(pl.col("known_at") < earliest).height
