"""The refit schedule: on the first of each month models are fitted and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import dagster as dg

if TYPE_CHECKING:
    from datetime import datetime

    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

Job: TypeAlias = "dg.JobDefinition | UnresolvedAssetJobDefinition"


def run_key_of(fired_at: datetime) -> str:
    """Return the name of the month whose refit a run is: firing twice makes one run."""
    return f"valuation-refit:{fired_at:%Y-%m}"


def valuation_refit(job: Job) -> dg.ScheduleDefinition:
    """Return the schedule for ``job``: the first of each month at 14:20 UTC, off until someone turns it on.

    By then the update after the 12:00 close has brought the last day of the old month, whose figures a free
    source publishes up to twelve hours late.
    """

    @dg.schedule(
        name="valuation_refit",
        job=job,
        cron_schedule="20 14 1 * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Refits the valuation models to what the chain tells and judges them.",
    )
    def valuation_refit(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=run_key_of(context.scheduled_execution_time), tags={"cause": "schedule"})

    return valuation_refit
