"""Bring the corporate actions of a window into the warehouse, and what the Dagster UI is shown of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import describe_months, markdown_table, numbers, rows_by_month
from assets.market.increments import lenient
from assets.market.ingest import Ingested, told_nothing
from pipeline.errors import SourceError
from resources.market.port import Fetched
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

    A corrected action is a new version known from now on.  ``allow_stale`` goes on with what is stored where
    a symbol cannot be had.  A source that tells of none leaves the warehouse as it is.
    """
    import polars as pl

    fetched = _fetched(window, market=market, now=now, allow_stale=allow_stale)
    feed = pl.lit(market.feed).alias("feed")
    if fetched.quarantined.height:
        warehouse.append(QUARANTINE, fetched.quarantined.with_columns(feed))
    if fetched.frame.is_empty():
        warehouse.migrate()
        aside = fetched.quarantined.height
        return Ingested(CORPORATE_ACTIONS.full_name, 0, 0, 0, 0, aside, tuple(fetched.findings))
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


def known_splits(bars: pl.DataFrame, feed: str, warehouse: Warehouse) -> pl.DataFrame:
    """Return ``symbol, ts`` of the first raw bar of each symbol from the ex-date of a stored split on.

    Prices that say they are adjusted for splits must not jump there, so their symbols are not in the answer.

    Parameters
    ----------
    bars
        Columns ``symbol, ts, adjustment``.
    """
    import polars as pl

    where = {"feed": feed, "kind": "split"}
    splits = warehouse.as_of(CORPORATE_ACTIONS, where=where, columns=("symbol", "ts")).rename({"ts": "ex"})
    joined = bars.select("symbol", "adjustment", "ts").join(splits, on="symbol")
    later = joined.filter(pl.col("ts") >= pl.col("ex")).sort("ts")
    first = later.group_by("symbol", "ex", maintain_order=True).first()
    return first.filter(pl.col("adjustment") == "raw").select("symbol", "ts")


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
    counts = {
        "fetched": done.fetched,
        "inserted": done.inserted,
        "revised": done.revised,
        "unchanged": done.unchanged,
        "quarantined": done.quarantined,
    }
    nothing = told_nothing(done.findings)
    of_run: dict[str, object] = {
        **({} if nothing is None else {"rows": dg.MetadataValue.text(nothing)}),
        "dagster/row_count": stored.height,
        **numbers(counts),
        "newest": markdown_table(shown),
    }
    describe_months(context, rows_by_month(stored), of_run)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=[
            checks.all_read(done.findings),
            checks.duplicates(warehouse.duplicates(CORPORATE_ACTIONS)),
            checks.no_nan(stored, ("value",)),
            checks.known_in_time(_too_early(stored)),
        ],
    )


def _fetched(
    window: tuple[datetime, datetime], *, market: MarketSource, now: datetime, allow_stale: bool
) -> Fetched:
    """Ask the source; with ``allow_stale`` what cannot be had is a warning."""
    from pipeline.market.actions import ACTION_SCHEMA
    from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty
    from pipeline.market.findings import Finding, Severity

    if not allow_stale:
        return market.actions(*window, now=now)
    try:
        fetched = market.actions(*window, now=now)
    except SourceError as error:
        lost = Finding("unreachable", Severity.ERROR, None, None, error.what)
        fetched = Fetched(empty(ACTION_SCHEMA), empty(QUARANTINE_SCHEMA), (lost,), empty(GAP_SCHEMA))
    every = {finding.symbol for finding in fetched.findings}
    return replace(fetched, findings=lenient(fetched.findings, every))


def _too_early(stored: pl.DataFrame) -> int:
    """Count actions that claim to be known before their announcement, or without one before their ex-date."""
    import polars as pl

    earliest = pl.coalesce("declared_at", "ts")
    return stored.filter(pl.col("known_at") < earliest).height
