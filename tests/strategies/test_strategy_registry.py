"""Strategies by name, parameters from plain mappings, and errors that say what to do."""

import pytest

from pipeline.config.document import read_document
from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.strategies.port import Strategy
from pipeline.strategies.registry import STRATEGIES, parameters, strategy
from tests.conftest import ROOT


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_registered_strategy_fits_the_port_and_its_configuration(name):
    chosen = strategy(name)
    assert isinstance(chosen, Strategy)
    configured = read_document(ROOT / "configs/base/strategies.yaml").data[name]
    strategy(name, configured["universe"], version=configured["version"])
    assert set(configured["parameters"]) == set(chosen.params_model.model_fields)
    assert parameters(chosen, configured["parameters"]) == parameters(chosen)


def test_an_unknown_strategy_names_the_nearest():
    with pytest.raises(ComponentNotFoundError, match="EquityTrend\\?"):
        strategy("EquityTrent")


def test_another_version_and_a_bad_universe_are_refused():
    with pytest.raises(ConfigError, match=r"1\.0\.0"):
        strategy("EquityTrend", version="0.9.0")
    for universe in ([], ["SPY", "SPY"]):
        with pytest.raises(ConfigError, match="universe"):
            strategy("EquityTrend", universe)


@pytest.mark.parametrize(
    ("values", "field", "fix"),
    [
        ({"sma_day": 200}, "parameters.sma_day", "sma_days"),
        ({"sma_days": 1}, "parameters.sma_days", "strategies.yaml"),
        ({"sma_days": "many"}, "parameters.sma_days", "strategies.yaml"),
        ({"momentum_long_above": float("nan")}, "parameters.momentum_long_above", "strategies.yaml"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_fix(values, field, fix):
    with pytest.raises(ConfigError) as wrong:
        parameters(strategy("EquityTrend"), values)
    assert wrong.value.field == field
    assert fix in wrong.value.fix
