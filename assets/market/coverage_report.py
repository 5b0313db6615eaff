"""What of a feed is there and what is missing, for the Dagster UI: two pictures, and numbers that plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.describe import numbers, picture
from assets.market.ingest import BAR_TABLES
from assets.market.instruments import expected_of
from warehouse.asof import visible
from warehouse.tables import QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import dagster as dg

    from assets.market.ingest import Timeframe
    from pipeline.config.instruments import Instrument
    from resources.market.port import MarketSource
    from warehouse.store import Warehouse
    from warehouse.table import Table


@dataclass(frozen=True)
class CoverageShown:
    """Pictures of a whole feed, and its counts: symbols, bars, missing ones, gaps, restated, set aside."""

    pictures: Mapping[str, dg.MarkdownMetadataValue]
    numbers: Mapping[str, float]


def coverage_shown(
    timeframe: Timeframe,
    *,
    market: MarketSource,
    warehouse: Warehouse,
    instruments: Mapping[str, Instrument],
    now: datetime,
) -> CoverageShown:
    """Return how a feed's bars cover what the calendars expect, from each symbol's first bar to its last.

    A bar counts as restated when it has more than one version.
    """
    from pipeline.market.coverage import coverage_by_month
    from pipeline.market.coverage_pictures import coverage_map, gap_calendar
    from pipeline.market.validation import all_gaps

    table = BAR_TABLES[timeframe]
    bars = warehouse.as_of(table, where={"feed": market.feed}, columns=("symbol", "ts"))
    expected = expected_of(bars, timeframe, instruments)
    gaps = all_gaps(bars, timeframe, expected, now)
    versions, aside = _stored(table, market.feed, warehouse)
    counts = {
        "symbols": float(bars["symbol"].n_unique()),
        "stored bars": float(bars.height),
        "missing bars": float(gaps["count"].sum()),
        "gaps": float(gaps.height),
        "restated bars": float(versions - bars.height),
        "rows in quarantine": float(aside),
    }
    if bars.is_empty():
        return CoverageShown({}, numbers(counts))
    name = f"{table.full_name}, feed {market.feed}"
    labels = bars["ts"].sort().to_list()
    covered = coverage_map(
        coverage_by_month(bars, expected), f"Coverage by month, {name}", simulated=market.simulated
    )
    missing = gap_calendar(
        gaps, f"Missing bars, {name}", span=(labels[0], labels[-1]), simulated=market.simulated
    )
    pictures = {
        "coverage": picture(covered, "coverage by month"),
        "gap calendar": picture(missing, "missing bars"),
    }
    return CoverageShown(pictures, numbers(counts))


def _stored(table: Table, feed: str, warehouse: Warehouse) -> tuple[int, int]:
    """Return how many versions of bars a feed has, and how many rows of it are in quarantine."""
    seen = visible().sql
    with warehouse.read() as cursor:
        versions = cursor.execute(
            f"SELECT count(*) FROM {table.full_name} WHERE feed = ? AND {seen}", [feed]
        ).fetchone()
        aside = cursor.execute(
            f"SELECT count(*) FROM {QUARANTINE.full_name} WHERE feed = ? AND dataset = ? AND {seen}",
            [feed, table.full_name],
        ).fetchone()
    return int(versions[0]) if versions else 0, int(aside[0]) if aside else 0
