"""The partitions of history assets: calendar months, so that five years are sixty events, not 11,000."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import dagster as dg

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.config.load import Loaded
    from resources.market.port import MarketSource

FORMAT = "%Y-%m"
Months: TypeAlias = dg.TimeWindowPartitionsDefinition
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def axis_start(market: MarketSource, settings: Loaded) -> datetime:
    """Return where the months begin: with the source, but not before the configured first month.

    Dagster writes an event for each month and asset: seventy years of one macro series must not make seventy
    years of months.
    """
    return max(market.history.start, settings.settings.system.axis.first_month)


def window_of(
    context: dg.AssetExecutionContext, market: MarketSource, settings: Loaded, begins: datetime | None = None
) -> tuple[datetime, datetime]:
    """Return the labels of the months of a run, end exclusive; the first month brings what is older.

    ``begins``: where the rows begin, if not with the market source.
    """
    window = context.partition_time_window
    if window.start > axis_start(market, settings):
        return window.start, window.end
    return min(window.start, begins or market.history.start), window.end


def months_from(start: datetime) -> dg.TimeWindowPartitionsDefinition:
    """Return monthly partitions from the month of ``start`` to the running month."""
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 1 * *", start=start.strftime(FORMAT), fmt=FORMAT, end_offset=1
    )


def month_range(start: datetime, end: datetime) -> dict[str, str]:
    """Return the run tags that make one run cover the months of ``start`` to ``end``, both included."""
    return {RANGE_START: start.strftime(FORMAT), RANGE_END: end.strftime(FORMAT)}
