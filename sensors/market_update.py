"""The market-update schedule: after every H4 close, re-materialise the months that may still change."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import dagster as dg

from assets.partitions import month_range

if TYPE_CHECKING:
    from datetime import datetime

    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

Job: TypeAlias = "dg.JobDefinition | UnresolvedAssetJobDefinition"
LATE = timedelta(days=10)
"""How long after its reference date a row may still arrive (publication copies, restated closes)."""
CLOSED = timedelta(minutes=5)
"""The schedule fires five minutes after the close, so the newest closed cell ended five minutes before it."""


def update_months(fired_at: datetime, first: datetime) -> tuple[datetime, datetime]:
    """Return the instants whose months an update at ``fired_at`` covers, never before ``first``.

    The bar that closes at midnight on the first of a month belongs to the month before.
    """
    newest = fired_at - CLOSED - timedelta(microseconds=1)
    return max(first, newest - LATE), max(first, newest)


def market_update(job: Job, first: datetime) -> dg.ScheduleDefinition:
    """Return the schedule for ``job``: five minutes past every H4 close, off until someone turns it on."""

    @dg.schedule(
        name="market_update",
        job=job,
        cron_schedule="5 0,4,8,12,16,20 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Fetches what closed, recomputes features, and runs the backtest on it.",
    )
    def market_update(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        fired_at = context.scheduled_execution_time
        start, end = update_months(fired_at, first)
        return dg.RunRequest(
            run_key=f"market-update:{fired_at.isoformat()}",
            tags={**month_range(start, end), "cause": "schedule"},
        )

    return market_update
