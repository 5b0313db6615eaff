"""Rules of the regimes and what they do to budgets: ``regimes.yaml``.

The classifiers take these models as they are (`pipeline.regimes`); look-backs count sessions, or UTC days
where the market never closes.
"""

from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from pipeline.config.model import Name, Strict, broken_rule
from pipeline.regimes.vocabulary import DIMENSIONS

Days = Annotated[int, Field(ge=1, le=10_000)]
Confirm = Annotated[int, Field(ge=1, le=250)]
Rule = TypeVar("Rule", bound=Strict)


class TrendRule(Strict):
    """A market is rising, falling or neither, by its mean and by its momentum."""

    symbol: Name = Field(description="Whose daily closes are read")
    sma_days: Days = Field(description="Closes in the moving average")
    momentum_days: Annotated[tuple[Days, ...], Field(strict=False, min_length=1)] = Field(
        description="Look-backs of the momenta, all of which must agree"
    )
    confirm: Confirm = Field(description="New closes in a row before the label changes")


class RealisedRule(Strict):
    """Volatility of past returns, where nobody quotes the expected one."""

    symbol: Name = Field(description="Whose daily closes are read")
    days: Annotated[int, Field(ge=2, le=10_000)] = Field(description="Returns in the standard deviation")


class VolRule(Strict):
    """The level of volatility, in points (15 is 15 % a year)."""

    symbol: Name = Field(description="Index whose daily closes are read")
    series: Name = Field(description="Macro series read where the feed has no close of the symbol")
    realised: RealisedRule
    low_below: Annotated[float, Field(ge=0)] = Field(description="Points below which volatility is low")
    high_above: Annotated[float, Field(ge=0)] = Field(description="Points above which volatility is high")
    confirm: Confirm = Field(description="New closes in a row before the label changes")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        return _require_order(self, "low_below", "high_above")


class ActivityRule(Strict):
    """One monthly series of economic activity."""

    expansion_above: float = Field(description="Points above which the economy expands")
    contraction_below: float = Field(description="Points below which it contracts")
    late_minutes: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        description="Latest usual release, minutes after 10:00 New York of the next month's first session"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        return _require_order(self, "contraction_below", "expansion_above")


class SlopeRule(Strict):
    """The slope of the yield curve, a fraction."""

    series: Name = Field(description="Daily macro series")
    expansion_above: float = Field(description="Slope above which expansion is possible")
    contraction_below: float = Field(description="Slope below which the economy contracts")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        return _require_order(self, "contraction_below", "expansion_above")


class MacroRule(Strict):
    """The state of the economy, judged at each release of the activity series."""

    activity: Annotated[dict[str, ActivityRule], Field(min_length=1)] = Field(
        description="By series, in order: the first one that has a value counts"
    )
    slope: SlopeRule
    confirm: Confirm = Field(description="New releases in a row before the label changes")


class RegimeSettings(Strict):
    """All of ``regimes.yaml``."""

    equity: TrendRule
    vol: VolRule
    crypto: TrendRule
    macro: MacroRule
    multipliers: dict[str, dict[str, Annotated[float, Field(ge=0, le=10)]]] = Field(
        description="By regime (equity_bull, vol_high, ...) and strategy: factor of the base budget"
    )

    @model_validator(mode="after")
    def _every_regime_known(self) -> Self:
        known = [f"{dimension}_{label}" for dimension, words in DIMENSIONS.items() for label in words]
        for regime in self.multipliers:
            if regime not in known:
                raise broken_rule(
                    f"one of {', '.join(known)}",
                    "write the dimension and the label",
                    what=f"there is no regime {regime}",
                    at=f"multipliers.{regime}",
                )
        return self


def _require_order(rule: Rule, lower: str, upper: str) -> Rule:
    if getattr(rule, lower) > getattr(rule, upper):
        raise broken_rule(
            f"{lower} <= {upper} {getattr(rule, upper)}",
            f"lower {lower}, or raise {upper}",
            what="the thresholds contradict each other",
            at=lower,
        )
    return rule
