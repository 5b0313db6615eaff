"""A prediction is validated, and a price has a zone."""

from datetime import date

import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.valuation.prediction import Interval, ModelPrediction, Zones


def prediction(**changes):
    given = {
        "model_name": "power_law",
        "date": date(2020, 1, 1),
        "predicted_price": 100.0,
        "confidence_interval": Interval(50.0, 200.0),
        "confidence_level": 0.68,
        **changes,
    }
    return ModelPrediction(**given)


def test_a_prediction_tells_the_record_of_the_contract():
    told = prediction(metadata={"as_of": "2019-12-31"}).to_dict()
    assert told == {
        "model_name": "power_law",
        "date": "2020-01-01",
        "predicted_price": 100.0,
        "confidence_interval": {"lower": 50.0, "upper": 200.0},
        "confidence_level": 0.68,
        "metadata": {"as_of": "2019-12-31"},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"predicted_price": 0.0},
        {"predicted_price": -1.0},
        {"predicted_price": float("nan")},
        {"predicted_price": float("inf"), "confidence_interval": Interval(1.0, float("inf"))},
        {"confidence_interval": Interval(100.0, 200.0)},
        {"confidence_interval": Interval(50.0, 100.0)},
        {"confidence_interval": Interval(float("nan"), 200.0)},
        {"confidence_interval": Interval(50.0, float("inf"))},
        {"confidence_level": -0.1},
        {"confidence_level": 1.1},
        {"confidence_level": float("nan")},
    ],
)
def test_impossible_numbers_are_refused(changes):
    with pytest.raises(ModelError):
        prediction(**changes)


def test_a_day_before_the_first_block_is_refused():
    prediction(date=date(2009, 1, 3))
    with pytest.raises(ConfigError):
        prediction(date=date(2009, 1, 2))


def test_metadata_cannot_be_changed_afterwards():
    made = prediction(metadata={"as_of": "2019-12-31"})
    with pytest.raises(TypeError):
        made.metadata["as_of"] = "later"


@pytest.mark.parametrize(
    ("price", "zone"),
    [
        (79.99, "undervalued"),
        (80.0, "fair"),
        (100.0, "fair"),
        (150.0, "fair"),
        (150.01, "overvalued"),
        (0.0, "unknown"),
        (-5.0, "unknown"),
        (None, "unknown"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_zones_begin_a_fifth_below_and_a_half_above_the_fair_price(price, zone):
    assert Zones().zone(price, fair=100.0) == zone


def test_a_deviation_is_a_fraction():
    assert Zones().deviation(130.0, fair=100.0) == pytest.approx(0.30)
    assert Zones().deviation(None, fair=100.0) is None
