"""Parameters of a search are checked against the strategy's own model, and numbers become legal values."""

from typing import Any

import pytest
import yaml

from pipeline.config.document import parse_document
from pipeline.config.experiment import Experiment, read_experiment
from pipeline.errors import ConfigError
from pipeline.optimization.space import Axis, space_of
from pipeline.strategies.registry import strategy

TREND = strategy("EquityTrend")


def searching(method: str = "grid", **blocks: Any) -> Experiment:
    """An experiment on EquityTrend with the blocks given."""
    head = {"name": "tried", "description": "x", "method": method, "target_model": "EquityTrend"}
    return read_experiment(
        parse_document(yaml.safe_dump({"experiment": head | blocks}, sort_keys=False), "tried.yaml")
    )


def test_a_parameter_may_be_named_by_its_whole_path():
    paths = ("sma_days", "parameters.sma_days", "strategies.EquityTrend.parameters.sma_days")
    spaces = [
        space_of(searching(parameter_grid={path: [50, 100]}), "parameter_grid", TREND, {}) for path in paths
    ]
    assert [space.names for space in spaces] == [("sma_days",)] * 3
    assert spaces[0].axes[0].values == (50, 100)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"sma_day": [50, 100]}, "did you mean sma_days"),
        ({"risk.sma_days": [50, 100]}, "write the name alone"),
        ({"sma_days": [50, 1]}, "does not take a value"),
        ({"sma_days": [50, "many"]}, "does not take a value"),
        ({"sma_days": [50], "parameters.sma_days": [60]}, "stands twice"),
    ],
)
def test_an_unknown_or_illegal_parameter_is_refused_with_its_place(grid, words):
    with pytest.raises(ConfigError) as caught:
        space_of(searching(parameter_grid=grid), "parameter_grid", TREND, {})
    assert words in str(caught.value)
    assert caught.value.field.startswith("experiment.parameter_grid.")


def test_ranges_of_whole_numbers_are_rounded_and_clipped():
    ranges = {"sma_days": {"min": 50, "max": 60}, "momentum_long_above": {"min": -0.2, "max": 0.1}}
    space = space_of(
        searching("evolutionary", parameter_ranges=ranges), "parameter_ranges", TREND, {"sma_days": 55}
    )
    assert [axis.whole for axis in space.axes] == [True, False]
    assert space.point([54.6, 0.7]) == {"sma_days": 55, "momentum_long_above": 0.1}
    assert isinstance(space.point([54.6, 0.7])["sma_days"], int)


def test_a_range_between_halves_of_whole_numbers_is_refused():
    ranges = {"sma_days": {"min": 50.5, "max": 60}}
    with pytest.raises(ConfigError, match="whole numbers"):
        space_of(searching("evolutionary", parameter_ranges=ranges), "parameter_ranges", TREND, {})


def test_every_whole_number_of_a_range_is_equally_likely():
    axis = Axis("n", "uniform", low=3, high=6, whole=True)
    drawn = [axis.at((i + 0.5) / 400) for i in range(400)]
    assert {value: drawn.count(value) for value in (3, 4, 5, 6)} == dict.fromkeys((3, 4, 5, 6), 100)


def test_a_logarithmic_range_spends_as_much_on_each_decade():
    axis = Axis("x", "loguniform", low=0.01, high=1.0)
    assert axis.at(0.0) == pytest.approx(0.01)
    assert axis.at(0.5) == pytest.approx(0.1)


def test_a_choice_may_be_made_between_words_and_null():
    distributions = {"exit_sma_days": {"type": "choice", "values": [None, 50]}}
    space = space_of(
        searching("random", parameter_distributions=distributions), "parameter_distributions", TREND, {}
    )
    assert {space.axes[0].at(u) for u in (0.0, 0.4, 0.6, 0.99)} == {None, 50}
