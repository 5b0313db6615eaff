"""A parameter must change a weight somewhere in the space, or the search is refused by its name."""

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.optimization.effect import require_effect
from pipeline.optimization.space import Axis, Space

A = Axis("a", "values", values=(1, 2))
B = Axis("b", "values", values=(0, 1))
C = Axis("c", "uniform", low=0.0, high=1.0)


def weights_by(rule):
    return lambda points: [np.full((3, 1), float(rule(point))) for point in points]


def test_a_space_in_which_everything_matters_passes():
    require_effect(Space((A, B)), "parameter_grid", weights_by(lambda p: p["a"] + p["b"]))
    require_effect(Space((A, C)), "parameter_ranges", weights_by(lambda p: p["a"] + p["c"]))


def test_a_parameter_that_matters_only_beside_another_value_passes():
    require_effect(Space((A, B)), "parameter_grid", weights_by(lambda p: p["a"] * p["b"] + p["b"]))


@pytest.mark.parametrize("idle", ["b", "c"])
def test_an_idle_parameter_is_named(idle):
    other = {"b": B, "c": C}[idle]
    with pytest.raises(ConfigError, match=f"the parameter {idle} changes no weight") as caught:
        require_effect(Space((A, other)), "parameter_grid", weights_by(lambda p: p["a"]))
    assert caught.value.field == f"experiment.parameter_grid.{idle}"


def test_one_value_is_no_search():
    with pytest.raises(ConfigError, match="has one value"):
        require_effect(
            Space((Axis("a", "values", values=(1, 1)),)), "parameter_grid", weights_by(lambda p: p["a"])
        )


def test_the_parameters_are_asked_about_all_at_once():
    asked = []

    def weights(points):
        asked.append(len(points))
        return [np.full((3, 1), float(p["a"] + p["b"])) for p in points]

    require_effect(Space((A, B)), "parameter_grid", weights)
    assert asked == [4]
