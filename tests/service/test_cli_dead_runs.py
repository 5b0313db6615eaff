"""A killed run does not hold the next one up: its end is written down and its places are free again."""

import os
import subprocess
import sys

import dagster as dg
import pytest

from service.cli.dead_runs import PROCESS_TAG, end_dead_runs, is_alive, this_process

POOLS = {"concurrency": {"pools": {"granularity": "op", "default_limit": 1}}}


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=POOLS) as opened:
        yield opened


def dead_process() -> str:
    """Return the name of a process that has ended."""
    code = "from service.cli.dead_runs import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def started_run(instance, process: str, *, pool: str = "market_source") -> dg.DagsterRun:
    """Write down a run as it stands after its process was killed inside a step of a pool."""
    run = dg.DagsterRun(
        job_name="main",
        run_id=f"{abs(hash(process)):032x}",
        tags={PROCESS_TAG: process},
        status=dg.DagsterRunStatus.STARTED,
    )
    instance.add_run(run)
    instance.event_log_storage.initialize_concurrency_limit_to_default(pool)
    claim = instance.event_log_storage.claim_concurrency_slot(pool, run.run_id, "market__ohlcv_h4")
    assert claim.is_claimed
    return run


def claimed(instance, pool: str = "market_source") -> int:
    return instance.event_log_storage.get_concurrency_info(pool).active_slot_count


def test_this_process_is_alive_and_a_finished_one_is_not():
    assert is_alive(this_process())
    assert not is_alive(dead_process())
    assert not is_alive(f"{os.getpid()}:1"), "another process bore this number before"
    assert not is_alive("nonsense")


def test_the_run_of_a_dead_process_ends_and_its_place_is_free(instance):
    run = started_run(instance, dead_process())
    assert claimed(instance) == 1
    assert end_dead_runs(instance) == [run.run_id]
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert claimed(instance) == 0
    assert end_dead_runs(instance) == []


def test_the_run_of_a_living_process_is_left_alone(instance):
    run = started_run(instance, this_process())
    assert end_dead_runs(instance) == []
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.STARTED
    assert claimed(instance) == 1


def test_a_run_that_the_daemon_launched_is_the_daemons_business(instance):
    run = started_run(instance, dead_process())
    instance.run_storage.wipe()
    instance.add_run(dg.DagsterRun(job_name="main", run_id=run.run_id, status=dg.DagsterRunStatus.STARTED))
    assert end_dead_runs(instance) == []
    assert claimed(instance) == 1
