"""The progress of a Dagster run: one line for each step, and what the closing table needs."""

import io
import itertools
from uuid import uuid4

import dagster as dg
import pytest

from service.cli.progress import Progress

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
BARS, FEATURES, RUNS = (
    dg.AssetKey(path) for path in (["market", "bars"], ["features", "h4"], ["backtest", "runs"])
)


def check(name: str, asset: dg.AssetKey, *, passed: bool, severe: bool = True) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=name, asset_key=asset, passed=passed, severity=severity, metadata={"offences": 3}
    )


@dg.asset(
    key=BARS,
    check_specs=[dg.AssetCheckSpec(name, asset=BARS) for name in ("clean", "holes", "wrong")],
)
def bars():
    return dg.MaterializeResult(
        metadata={"dagster/row_count": 12345, "inserted": 7.0},
        check_results=[
            check("clean", BARS, passed=True),
            check("holes", BARS, passed=False, severe=False),
            check("wrong", BARS, passed=False),
        ],
    )


@dg.multi_asset(name="both", specs=[dg.AssetSpec(FEATURES, deps=[BARS]), dg.AssetSpec(RUNS)])
def both():
    yield dg.MaterializeResult(asset_key=FEATURES, metadata={"dagster/row_count": 5})
    yield dg.MaterializeResult(asset_key=RUNS)


@dg.asset(deps=[RUNS], retry_policy=dg.RetryPolicy(max_retries=1))
def report():
    raise ValueError("no paper")


@dg.asset(deps=[report])
def letter():
    raise AssertionError("never reached")


@pytest.fixture(scope="module")
def watched():
    """The steps and the lines of one run whose third step fails twice."""
    stream, ticks = io.StringIO(), itertools.count()
    run_id = str(uuid4())
    with dg.DagsterInstance.ephemeral() as instance, Progress(lambda: float(next(ticks)), stream) as progress:
        instance.add_event_listener(run_id, progress)
        job = dg.Definitions(
            assets=[bars, both, report, letter], jobs=[dg.define_asset_job("all")]
        ).resolve_job_def("all")
        job.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False, run_id=run_id)
    return progress.steps, stream.getvalue().splitlines()


def test_each_asset_keeps_its_own_rows_even_when_one_step_makes_several(watched):
    steps, _ = watched
    assert steps["market__bars"].rows("market/bars") == 12345
    assert {name: steps["both"].rows(name) for name in steps["both"].assets} == {
        "features/h4": 5,
        "backtest/runs": None,
    }


def test_checks_are_passed_warned_or_failed_with_their_numbers(watched):
    step = watched[0]["market__bars"]
    assert {c["check"]: c["verdict"] for c in step.checks} == {
        "clean": "passed",
        "holes": "warned",
        "wrong": "failed",
    }
    assert step.count("failed", "market/bars") == 1
    assert step.count("failed", "another") == 0
    assert step.checks[0]["numbers"] == {"offences": 3}


def test_a_failed_step_keeps_its_error_and_those_behind_it_did_not_run(watched):
    steps, _ = watched
    assert steps["report"].error is not None
    assert "letter" not in steps
    assert steps["both"].seconds == 1.0


def test_people_see_one_line_for_each_step_and_each_retry(watched):
    _, lines = watched
    assert [line.split()[:2] for line in lines] == [
        ["ok", "market/bars"],
        ["ok", "both"],
        ["report", "failed"],
        ["FAILED", "report"],
    ]
    assert "12,345 rows" in lines[0]
    assert "1 check warned  1 check failed" in lines[0]
