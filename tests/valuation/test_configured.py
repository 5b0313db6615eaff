"""The models are those of valuation.yaml, and what it cannot mean is refused."""

from datetime import date
from pathlib import Path

import pytest

from pipeline.config import load_settings
from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.valuation.configured import configured_model, configured_models, refit_due

ROOT = Path(__file__).parents[2]


def valuation(**changes):
    overrides = {f"valuation.{key.replace('__', '.')}": value for key, value in changes.items()}
    return load_settings(root=ROOT, environ={}, overrides=overrides).settings.valuation


def test_every_enabled_model_is_there_and_the_ensemble_last():
    names = [each.name for each in configured_models(valuation())]
    assert names == ["power_law", "stock_to_flow", "thermocap", "mvrv_bands", "onchain_price", "ensemble"]
    fewer = valuation(models__mvrv_bands__enabled=False, ensemble__enabled=False)
    assert [each.name for each in configured_models(fewer)] == [
        "power_law", "stock_to_flow", "thermocap", "onchain_price",
    ]  # fmt: skip


def test_zones_levels_quantiles_and_weights_reach_the_models():
    settings = valuation(
        zones__undervalued_below=-0.4,
        zones__overvalued_above=1.0,
        intervals__levels=[0.5, 0.9],
        models__thermocap__parameters={"quantiles": [0.2, 0.5, 0.8]},
        ensemble__weights="fitted",
        ensemble__aggregation="weighted_avg",
    )
    thermocap = configured_model("thermocap", settings)
    assert thermocap.zones.zone(65.0, fair=100.0) == "fair"
    assert thermocap.levels == (0.5, 0.9)
    assert thermocap.quantiles == (0.2, 0.5, 0.8)
    mixed = configured_model("ensemble", settings)
    assert mixed.weights == "fitted"
    assert mixed.members[2] == thermocap


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ensemble__weights": [0.5, 0.5]}, "ensemble.weights"),
        ({"ensemble__weights": [0.5, 0.3, 0.3]}, "ensemble.weights"),
        ({"ensemble__weights": [1.2, -0.1, -0.1]}, "ensemble.weights"),
        ({"ensemble__aggregation": "mean"}, "ensemble.aggregation"),
        ({"ensemble__models": ["power_law"]}, "ensemble.models"),
        ({"models__thermocap__enabled": False}, "ensemble.models"),
        ({"zones__undervalued_below": 0.2}, "zones.undervalued_below"),
        ({"zones__undervalued_below": -20}, "zones.undervalued_below"),
        ({"intervals__horizons": [30, 1]}, "intervals.horizons"),
        ({"intervals__levels": [0.995]}, "intervals.levels"),
        ({"backtest__train_pct": 0.95}, "backtest.train_pct"),
        ({"backtest__refit": "daily"}, "backtest.refit"),
        ({"falsification__verdict_horizon": 60}, "falsification.verdict_horizon"),
        ({"falsification__simulations": 99}, "falsification.simulations"),
        ({"falsification__drifts": [-1.0]}, "falsification.drifts"),
    ],
)
def test_what_the_file_cannot_mean_is_refused(changes, field):
    with pytest.raises(ConfigError) as refused:
        valuation(**changes)
    assert field in refused.value.field


def test_a_model_is_switched_on_by_one_line():
    settings = valuation(models__hash_rate_price={"enabled": True})
    assert settings.models["hash_rate_price"].enabled
    assert settings.models["hash_rate_price"].parameters == {}


def test_an_unknown_model_or_parameter_is_refused_when_the_models_are_made():
    with pytest.raises(ComponentNotFoundError):
        configured_models(valuation(models__magic={"enabled": True, "parameters": {}}))
    with pytest.raises(ConfigError, match="no such parameter"):
        configured_models(valuation(models__power_law__parameters={"alpha": -17.0}))
    with pytest.raises(ConfigError, match="is no parameter of one model"):
        configured_models(valuation(models__power_law__parameters={"zones": 1}))


@pytest.mark.parametrize(
    ("name", "fix"), [("power-law", "write power_law"), ("ensemble", "remove the entry")]
)
def test_a_model_stands_in_the_file_once_and_by_its_own_name(name, fix):
    """Else a model would be there twice, or an ensemble be a member of itself."""
    entry = {"enabled": True, "parameters": {}}
    settings = valuation(
        **{f"models__{name}": entry}, ensemble__models=[name, "thermocap"], ensemble__weights="fitted"
    )
    for make in (configured_models, lambda told: configured_model("thermocap", told)):
        with pytest.raises(ConfigError) as refused:
            make(settings)
        assert refused.value.field == f"valuation.models.{name}"
        assert refused.value.fix == fix


def test_an_entry_that_is_no_model_is_refused_though_it_is_switched_off():
    with pytest.raises(ComponentNotFoundError):
        configured_models(valuation(models__powerlow={"enabled": False, "parameters": {}}))


def test_a_model_that_is_switched_off_is_not_made():
    with pytest.raises(ConfigError, match="switched off"):
        configured_model("mvrv-bands", valuation(models__mvrv_bands__enabled=False))


def test_a_fit_is_due_again_after_thirty_days():
    assert not refit_due(date(2022, 1, 1), date(2022, 1, 31), valuation())
    assert refit_due(date(2022, 1, 1), date(2022, 2, 1), valuation())
