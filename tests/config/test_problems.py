"""What pydantic found, said for people; also for models outside the settings, as those of strategies."""

import pytest
from pydantic import Field, ValidationError

from pipeline.config import Strict, explain
from pipeline.config.problems import did_you_mean, keys_at, nearest
from pipeline.config.settings import Settings


class Trend(Strict):
    sma_days: int = Field(200, ge=2, description="Sessions in the mean")
    threshold: float = 0.0
    exit_days: int | None = None


def explained(values: dict, where) -> str:
    with pytest.raises(ValidationError) as caught:
        Trend.model_validate(values)
    return str(explain(caught.value, Trend, prefix=("strategies", "Trend", "parameters"), where=where))


def test_parameters_of_a_strategy_are_explained_with_their_path_and_place(tree):
    loaded = tree.load(overrides={"strategies.EquityTrend.parameters.sma_day": 100})

    def where(path):
        return loaded.where(("strategies", "EquityTrend", *path[2:]))

    message = explained({"sma_day": 100}, where)
    assert message.startswith("command line: the key sma_day is not known here")
    assert "field: strategies.Trend.parameters.sma_day; value: 100" in message
    assert "did you mean sma_days?" in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"sma_days": 1},
            "greater than or equal to 2; fix: give a value that meets the constraint; sma_days is: ",
        ),
        ({"sma_days": 20.5}, "a number stands where a whole number is due"),
        ({"threshold": "0"}, "a text stands where a number is due"),
        ({"exit_days": "x"}, "a text stands where a whole number is due"),
        ({"threshold": float("nan")}, "a finite number"),
        ({"sma_days": 1, "threshold": "0"}, "further problems: strategies.Trend.parameters.threshold"),
    ],
)
def test_each_kind_of_problem_has_its_sentence(values, words):
    assert words in explained(values, lambda _path: "here")


def test_the_nearest_name_and_none_when_nothing_is_near():
    assert nearest("PER_ASET_CAP", ["per_asset_cap", "seed"]) == "per_asset_cap"
    assert nearest("zebra", ["per_asset_cap", "seed"]) is None
    assert did_you_mean("zebra", ["a", "b"]) == "use one of: a, b"


def test_the_keys_of_a_place():
    assert keys_at(Settings, ("system", "costs")) == ["equity", "crypto", "cash"]
    assert "tick" in keys_at(Settings, ("instruments", "ANY"))
    assert keys_at(Settings, ("strategies", "ANY", "parameters")) is None
    assert keys_at(Settings, ("system", "nothing")) is None
