"""The exception tree: every failure carries its exit code and says what, where and how to mend it."""

import inspect
import json
import pickle

import pytest

from pipeline import errors
from pipeline.errors import BellsError

TREE = [item for _name, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, BellsError)]
CODES = {
    "BellsError": 255,
    "ConfigError": 1,
    "ComponentNotFoundError": 1,
    "DependencyMissingError": 1,
    "DataError": 2,
    "SourceError": 2,
    "SchemaError": 2,
    "TimestampError": 2,
    "InsufficientDataError": 2,
    "ModelError": 3,
    "FitError": 3,
    "NotFittedError": 3,
    "BankruptcyError": 3,
    "ResourceError": 4,
    "WarehouseBusyError": 4,
    "RefusedError": 5,
    "CheckFailedError": 5,
    "TamperedError": 5,
    "BrokerError": 6,
}


@pytest.mark.contract
def test_exit_codes_are_those_of_the_design():
    assert {item.__name__: item.exit_code for item in TREE} == CODES


@pytest.mark.parametrize("kind", TREE)
def test_the_message_has_what_field_value_constraint_and_fix(kind):
    error = kind("it broke", field="risk.cap", value=0.9, constraint="at most 0.4", fix="lower it")
    assert str(error) == "it broke [field: risk.cap; value: 0.9; constraint: at most 0.4; fix: lower it]"
    assert str(kind("it broke")) == "it broke"
    assert error.__doc__ or kind.__doc__


@pytest.mark.parametrize("kind", TREE)
def test_the_record_is_json_and_knows_the_exit_code(kind):
    record = kind("it broke", field="f", value=float("nan"), constraint="c", fix="x").to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == {
        "error": kind.__name__,
        "what": "it broke",
        "field": "f",
        "value": "nan",
        "constraint": "c",
        "fix": "x",
        "exit_code": CODES[kind.__name__],
    }


@pytest.mark.parametrize("kind", TREE)
def test_an_error_survives_the_way_between_processes(kind):
    error = kind("it broke", field="f", value=[1, 2], constraint="c", fix="x")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert copy.to_dict() == error.to_dict()


def test_a_huge_value_is_cut_and_an_error_is_only_itself():
    error = BellsError("it broke", value="x" * 10_000)
    assert len(str(error)) < 300
    assert error != BellsError("it broke", value="x" * 10_000)
    assert len({error, error}) == 1


def test_an_error_can_be_raised_again_with_its_cause_and_notes():
    def broken() -> None:
        try:
            {}["x"]
        except KeyError as cause:
            raise BellsError("it broke") from cause

    with pytest.raises(BellsError) as caught:
        broken()
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__traceback__ is not None
