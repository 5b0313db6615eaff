"""Valuation models and how they are judged: ``valuation.yaml``.

Names and parameters of models are checked where the models are (`pipeline.valuation.configured`).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.model import Fraction, Name, Strict, broken_rule

Days = Annotated[int, Field(ge=1, le=3653)]
Level = Annotated[float, Field(gt=0.0, le=0.99)]
Drift = Annotated[float, Field(ge=0.0, le=10.0)]
Horizons = Annotated[tuple[Days, ...], Field(strict=False, min_length=1)]


class ModelEntry(Strict):
    """One valuation model."""

    enabled: bool = Field(description="Whether it is fitted, compared and judged")
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="The model's own; unknown ones are refused, those left out are the model's defaults",
    )


class ZoneSettings(Strict):
    """Where a price is undervalued or overvalued."""

    undervalued_below: Annotated[float, Field(gt=-1.0, lt=0.0)] = Field(
        description="Deviation from the fair price, a fraction, below which a price is undervalued"
    )
    overvalued_above: Annotated[float, Field(gt=0.0)] = Field(
        description="Deviation above which it is overvalued"
    )


class IntervalSettings(Strict):
    """Intervals of predictions."""

    levels: Annotated[
        tuple[Annotated[float, Field(gt=0.0, le=0.99)], ...], Field(strict=False, min_length=1)
    ] = Field(description="Nominal levels; the first one is the headline")
    horizons: Horizons = Field(description="Days ahead at which walk-forward errors are measured")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        _require_ascending(self.horizons, "horizons")
        return self


class EnsembleSettings(Strict):
    """The ensemble of `bells models`."""

    enabled: bool = Field(description="Whether there is one")
    models: Annotated[tuple[Name, ...], Field(strict=False, min_length=2)] = Field(
        description="Its members, at least two enabled models"
    )
    weights: Literal["fitted"] | Annotated[tuple[Fraction, ...], Field(strict=False)] = Field(
        description="One for each member, sum 1; or fitted: by least squares on their walk-forward forecasts"
    )
    aggregation: Literal["weighted_avg", "median", "min", "max"] = Field(
        description="How prices become one; only weighted_avg reads the weights"
    )


class ModelBacktest(Strict):
    """Backtests of models."""

    train_pct: Annotated[float, Field(ge=0.1, le=0.9)] = Field(
        description="Share of a window's days that is not scored"
    )
    refit: Literal["monthly", "yearly"] = Field(description="How often coefficients are estimated anew")
    horizon: Days = Field(description="Days ahead of the scored forecasts")


class FalsificationSettings(Strict):
    """The board that judges models against random walks."""

    simulations: Annotated[int, Field(ge=100, le=100_000)] = Field(description="Random walks for each drift")
    horizons: Horizons = Field(description="Days ahead that are judged")
    verdict_horizon: Days = Field(description="Days ahead of the verdict, one of the horizons")
    mean_block_days: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        description="Mean block of the bootstrap of daily returns"
    )
    drifts: Annotated[
        tuple[Annotated[float, Field(ge=0.0, le=10.0)], ...], Field(strict=False, min_length=1)
    ] = Field(description="Drifts of the walks, times that of the sample; the worst p of them counts")
    level: Annotated[float, Field(gt=0.0, le=0.5)] = Field(description="Largest p of a finding")
    seed: Annotated[int, Field(ge=0)] = Field(description="Of all its random numbers")

    @model_validator(mode="after")
    def _verdict_is_judged(self) -> Self:
        _require_ascending(self.horizons, "horizons")
        if self.verdict_horizon not in self.horizons:
            raise broken_rule(
                f"one of {', '.join(map(str, self.horizons))}",
                "choose one of the horizons, or add this one to them",
                what="the verdict's horizon is not judged",
                at="verdict_horizon",
            )
        return self


class ValuationSettings(Strict):
    """All of ``valuation.yaml``."""

    models: Annotated[dict[str, ModelEntry], Field(min_length=1)] = Field(description="The models by name")
    auto_refit_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        description="Days after which a stored fit is stale"
    )
    zones: ZoneSettings
    intervals: IntervalSettings
    ensemble: EnsembleSettings
    backtest: ModelBacktest
    falsification: FalsificationSettings

    @model_validator(mode="after")
    def _ensemble_stands(self) -> Self:
        mixed = self.ensemble
        enabled = [name for name, entry in self.models.items() if entry.enabled]
        absent = [name for name in mixed.models if name not in enabled]
        if mixed.enabled and absent:
            raise broken_rule(
                f"one of the enabled models {', '.join(enabled)}",
                f"enable {absent[0]}, or take it out of the ensemble",
                what=f"the ensemble has a member that is not enabled: {absent[0]}",
                at="ensemble.models",
            )
        if isinstance(mixed.weights, tuple):
            total = sum(mixed.weights)
            if len(mixed.weights) != len(mixed.models) or abs(total - 1.0) > 1e-9:  # noqa: PLR2004 - rounding
                raise broken_rule(
                    f"{len(mixed.models)} weights that sum to 1",
                    "correct them, or write weights: fitted",
                    what=f"the ensemble has {len(mixed.weights)} weights that sum to {total:.6g}",
                    at="ensemble.weights",
                )
        return self


def _require_ascending(horizons: tuple[int, ...], at: str) -> None:
    if list(horizons) != sorted(set(horizons)):
        raise broken_rule("ascending, each once", "sort them", what="the horizons are out of order", at=at)
