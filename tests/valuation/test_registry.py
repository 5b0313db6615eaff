"""Models are found by name or slug; one name has one class."""

from dataclasses import dataclass

import pytest

from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.valuation import registry
from pipeline.valuation.power_law import PowerLaw


def test_the_models_of_the_desk_are_registered():
    assert set(registry.names()) == {
        "power_law", "stock_to_flow", "thermocap", "onchain_price", "mvrv_bands", "ensemble",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["power_law", "power-law", "Power Law"])
def test_a_model_is_found_by_its_name_and_its_slug(name):
    assert registry.get(name) is PowerLaw


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(ComponentNotFoundError) as refused:
        registry.get("power_low")
    assert refused.value.fix == "did you mean power-law?"
    assert refused.value.exit_code == 1


def test_a_second_class_of_one_name_is_refused():
    with pytest.raises(ConfigError, match="one name"):

        @registry.register
        @dataclass(frozen=True, kw_only=True)
        class Other(PowerLaw):
            name = "Power-Law"


def test_registering_a_class_again_changes_nothing():
    assert registry.register(PowerLaw) is PowerLaw


def test_a_parameter_that_the_model_does_not_have_is_refused():
    assert registry.create("thermocap", quantiles=[0.2, 0.5, 0.8]).quantiles == (0.2, 0.5, 0.8)
    with pytest.raises(ConfigError) as refused:
        registry.create("power_law", sigma=0.3)
    assert refused.value.field == "power_law.sigma"


def test_a_model_cannot_be_changed():
    with pytest.raises(AttributeError):
        PowerLaw().zones = None
    assert registry.slug("Stock to_Flow") == "stock-to-flow"
