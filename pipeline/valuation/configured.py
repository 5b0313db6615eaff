"""The models that ``valuation.yaml`` describes, unfitted."""

from datetime import date
from typing import Any

from pipeline.config.valuation import ValuationSettings
from pipeline.errors import ConfigError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.model import PriceModel
from pipeline.valuation.onchain_price import OnChainPrice, OraclePrices
from pipeline.valuation.prediction import Zones
from pipeline.valuation.registry import create, get


def configured_models(
    settings: ValuationSettings, *, prices: OraclePrices | None = None
) -> tuple[PriceModel, ...]:
    """Return every enabled model in the order of the file, the ensemble last.

    Parameters
    ----------
    settings
        From ``valuation.yaml``.
    prices
        The oracle behind the on-chain price; None while none is connected.

    Raises
    ------
    ComponentNotFoundError
        When a name is not registered.
    ConfigError
        When a model refuses its parameters.
    """
    _require_names(settings)
    single = tuple(
        configured_model(name, settings, prices=prices)
        for name, entry in settings.models.items()
        if entry.enabled
    )
    return (*single, configured_ensemble(settings, prices=prices)) if settings.ensemble.enabled else single


def configured_model(
    name: str, settings: ValuationSettings, *, prices: OraclePrices | None = None
) -> PriceModel:
    """Return one model by its name or slug, with its configured parameters.

    A registered model that the file does not name has the parameters of its class.

    Raises
    ------
    ComponentNotFoundError, ConfigError
        As `configured_models`; also when the model is switched off.
    """
    _require_names(settings)
    kind = get(name)
    if kind is Ensemble:
        return configured_ensemble(settings, prices=prices)
    entry = settings.models.get(kind.name)
    if entry is not None and not entry.enabled:
        raise ConfigError(
            "the valuation model is switched off",
            field=f"valuation.models.{kind.name}.enabled",
            value=False,
            constraint="true",
            fix="enable it in valuation.yaml",
        )
    parameters: dict[str, Any] = {} if entry is None else dict(entry.parameters)
    given = {**_shared(settings), **_oracle(kind, prices)}
    for key in sorted({*given, "fitted"} & set(parameters)):
        raise ConfigError(
            f"{key} is no parameter of one model",
            field=f"valuation.models.{kind.name}.parameters.{key}",
            value=parameters[key],
            constraint="the model's own parameters",
            fix="zones and levels are set for all models; remove it here",
        )
    return create(kind.name, **given, **parameters)


def configured_ensemble(settings: ValuationSettings, *, prices: OraclePrices | None = None) -> Ensemble:
    """Return the ensemble of the file.

    Raises
    ------
    ComponentNotFoundError, ConfigError
        As `configured_models`; also when the ensemble is switched off.
    """
    mixed = settings.ensemble
    if not mixed.enabled:
        raise ConfigError(
            "the ensemble is switched off",
            field="valuation.ensemble.enabled",
            value=False,
            constraint="true",
            fix="enable it in valuation.yaml",
        )
    members = tuple(configured_model(name, settings, prices=prices) for name in mixed.models)
    return Ensemble(
        members=members, weights=mixed.weights, aggregation=mixed.aggregation, **_shared(settings)
    )


def refit_due(fitted_on: date, today: date, settings: ValuationSettings) -> bool:
    """Say whether a fit made on one day is stale on another."""
    return (today - fitted_on).days > settings.auto_refit_days


def _require_names(settings: ValuationSettings) -> None:
    """Refuse an entry that is no model, also one that is switched off, or not named as its model is."""
    for name in settings.models:
        kind = get(name)
        if kind is Ensemble or kind.name != name:
            raise ConfigError(
                "the ensemble has a section of its own"
                if kind is Ensemble
                else "a model goes by its own name",
                field=f"valuation.models.{name}",
                value=name,
                constraint="valuation.ensemble" if kind is Ensemble else kind.name,
                fix="remove the entry" if kind is Ensemble else f"write {kind.name}",
            )


def _shared(settings: ValuationSettings) -> dict[str, Any]:
    zones = settings.zones
    return {
        "zones": Zones(zones.undervalued_below, zones.overvalued_above),
        "levels": settings.intervals.levels,
    }


def _oracle(kind: type[PriceModel], prices: OraclePrices | None) -> dict[str, Any]:
    return {"prices": prices} if kind is OnChainPrice else {}
