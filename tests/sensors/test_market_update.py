"""The market-update schedule: which months a tick covers, and the run request it makes."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from assets.partitions import RANGE_END, RANGE_START, month_range, months_from
from sensors.market_update import market_update, update_months

FIRST = datetime(2019, 1, 1, tzinfo=UTC)


@dg.asset(partitions_def=months_from(FIRST), backfill_policy=dg.BackfillPolicy.single_run())
def bars(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Report the window it was asked for."""
    start, end = context.partition_time_window
    return dg.MaterializeResult(metadata={"start": start.isoformat(), "end": end.isoformat()})


@dg.asset(deps=[bars])
def run() -> None:
    """Stand for an asset without partitions in the same job."""


JOB = dg.define_asset_job("main", selection=dg.AssetSelection.all(), executor_def=dg.in_process_executor)


def tick(*when: int) -> dg.RunRequest:
    at = datetime(*when, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=at)
    request = market_update(JOB, FIRST)(context)
    assert isinstance(request, dg.RunRequest)
    return request


def months(*when: int) -> tuple[str, str]:
    tags = tick(*when).tags
    return tags[RANGE_START], tags[RANGE_END]


@pytest.mark.parametrize(
    ("when", "covered"),
    [
        ((2024, 5, 20, 8, 5), ("2024-05", "2024-05")),
        ((2024, 5, 9, 8, 5), ("2024-04", "2024-05")),
        ((2024, 6, 1, 0, 5), ("2024-05", "2024-05")),
        ((2024, 6, 1, 4, 5), ("2024-05", "2024-06")),
        ((2024, 1, 1, 0, 5), ("2023-12", "2023-12")),
        ((2024, 3, 1, 0, 5), ("2024-02", "2024-02")),
        ((2019, 1, 3, 4, 5), ("2019-01", "2019-01")),
    ],
)
def test_a_tick_covers_the_months_that_may_still_change(when, covered):
    assert months(*when) == covered


def test_the_bar_that_closes_at_midnight_on_the_first_belongs_to_the_month_before():
    midnight = datetime(2024, 6, 1, tzinfo=UTC)
    _, newest = update_months(midnight + timedelta(minutes=5), FIRST)
    assert newest == midnight - timedelta(microseconds=1)


def test_nothing_before_the_beginning_of_the_source_is_asked_for():
    assert update_months(FIRST + timedelta(days=2), FIRST)[0] == FIRST
    assert update_months(FIRST + timedelta(minutes=5), FIRST) == (FIRST, FIRST)


def test_the_same_tick_always_has_the_same_run_key_and_no_other_tick_has_it():
    keys = [tick(2024, 5, day, hour, 5).run_key for day in (20, 21) for hour in (0, 4, 8, 12, 16, 20)]
    assert len(set(keys)) == len(keys)
    assert tick(2024, 5, 20, 4, 5).run_key == keys[1]


def test_the_run_says_why_it_was_made():
    assert tick(2024, 5, 20, 4, 5).tags["cause"] == "schedule"


def test_it_fires_five_minutes_after_every_close_in_utc_and_only_when_turned_on():
    schedule = market_update(JOB, FIRST)
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.execution_timezone == "UTC"
    assert schedule.name == "market_update"
    assert schedule.cron_schedule == "5 0,4,8,12,16,20 * * *"


def test_a_tick_on_the_spring_change_of_new_york_time_is_one_like_any_other():
    assert [months(2024, 3, 10, hour, 5) for hour in (4, 8)] == [("2024-02", "2024-03")] * 2


def test_the_tags_of_a_tick_make_one_run_over_the_whole_range():
    definitions = dg.Definitions(assets=[bars, run], jobs=[JOB])
    job = definitions.resolve_job_def("main")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, tags=tick(2024, 5, 9, 8, 5).tags)
    assert result.success
    months_done = [e.materialization for e in result.get_asset_materialization_events() if e.partition]
    assert [m.partition for m in months_done] == ["2024-04", "2024-05"]
    assert {m.metadata["start"].value for m in months_done} == {"2024-04-01T00:00:00+00:00"}
    assert {m.metadata["end"].value for m in months_done} == {"2024-06-01T00:00:00+00:00"}


def test_months_run_from_the_first_of_the_source_to_the_running_one():
    keys = months_from(datetime(2019, 5, 17, tzinfo=UTC)).get_partition_keys(
        current_time=datetime(2019, 8, 2, tzinfo=UTC)
    )
    assert keys == ["2019-05", "2019-06", "2019-07", "2019-08"]


def test_a_month_range_names_both_ends():
    tags = month_range(datetime(2019, 5, 17, tzinfo=UTC), datetime(2019, 8, 31, 23, tzinfo=UTC))
    assert tags == {RANGE_START: "2019-05", RANGE_END: "2019-08"}
