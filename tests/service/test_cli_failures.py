"""What Dagster records of a failure becomes our error again, with class, fields and exit code."""

import itertools

import dagster as dg
import pytest
from dagster._utils.error import SerializableErrorInfo, serializable_error_info_from_exc_info

from pipeline import errors
from service.cli.failures import failure_of, parsed, tree


def recorded(*links: BaseException) -> SerializableErrorInfo:
    """Return what Dagster records when each of ``links`` was raised from the next."""
    for outer, inner in itertools.pairwise(links):
        outer.__cause__ = inner
    for link in reversed(links):
        try:
            raise link
        except type(link) as raised:
            record = serializable_error_info_from_exc_info((type(raised), raised, raised.__traceback__))
    return record


@pytest.mark.parametrize("kind", sorted(tree().values(), key=lambda kind: kind.__name__))
def test_every_error_of_the_tree_comes_back_whole(kind):
    told = kind("it broke", field="a.b", value=[1, "x; y"], constraint="a rule; with fix", fix="do [this]")
    found = failure_of(recorded(RuntimeError("wrapped"), told), "step")
    assert type(found) is kind
    assert found.to_dict() == told.to_dict()
    assert str(found) == str(told)


@pytest.mark.parametrize(
    "told",
    [
        errors.DataError("it broke"),
        errors.DataError("it broke [really]"),
        errors.DataError("it broke", fix="do this"),
        errors.DataError("it broke", value=0.5, fix="do this"),
        errors.DataError("two\nlines", field="a", constraint="b"),
    ],
)
def test_whatever_an_error_says_is_said_again(told):
    found = parsed(errors.DataError, f"pipeline.errors.DataError: {told}\n")
    assert str(found) == str(told)


def test_the_outermost_error_of_ours_wins():
    told = recorded(errors.RefusedError("outer"), errors.DataError("inner"))
    assert failure_of(told, "step").what == "outer"


def test_anything_else_is_a_fault_of_ours_with_its_innermost_message():
    found = failure_of(recorded(RuntimeError("wrapped"), KeyError("close")), "market/ohlcv_h4")
    assert found.exit_code == 255
    assert "market/ohlcv_h4 failed" in found.what
    assert "close" in found.what
    assert failure_of(None, "step").exit_code == 255


def test_a_blocking_check_is_a_refusal_that_names_asset_and_check():
    @dg.asset(check_specs=[dg.AssetCheckSpec("no_gaps", asset="bars", blocking=True)])
    def bars() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="no_gaps", passed=False)])

    done = dg.materialize(
        [bars],
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    (event,) = [e for e in done.all_events if e.event_type_value == "STEP_FAILURE"]
    found = failure_of(event.step_failure_data.error, "bars")
    assert type(found) is errors.CheckFailedError
    assert found.exit_code == 5
    assert found.field == "bars: no_gaps"
