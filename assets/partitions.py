"""The partitions of history assets: calendar months, so that five years are sixty events, not 11,000."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from datetime import datetime

FORMAT = "%Y-%m"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def months_from(start: datetime) -> dg.TimeWindowPartitionsDefinition:
    """Return monthly partitions from the month of ``start`` to the running month."""
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 1 * *", start=start.strftime(FORMAT), fmt=FORMAT, end_offset=1
    )


def month_range(start: datetime, end: datetime) -> dict[str, str]:
    """Return the run tags that make one run cover the months of ``start`` to ``end``, both included."""
    return {RANGE_START: start.strftime(FORMAT), RANGE_END: end.strftime(FORMAT)}
