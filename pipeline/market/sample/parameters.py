"""What the simulated world is made of: the parameters of ``configs/sources/sample.yaml``, checked.

Only shapes and ranges live here; the laws that use the parameters are in the modules beside this one.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.config.model import Instant, Name, Strict, broken_rule

STATES: Mapping[str, tuple[str, ...]] = {
    "macro": ("expansion", "neutral", "contraction"),
    "equity": ("bull", "neutral", "bear"),
    "volatility": ("low", "normal", "high"),
    "crypto": ("risk_on", "risk_off"),
}
"""Scopes of planted regimes and their states; a scope may depend on an earlier one only."""

ANY = "any"
TWO = 2
STEPS_PER_SESSION = 13
CELLS_PER_DAY = 6

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
Weights = dict[str, NotNegative]


class Spell(Strict):
    """How long a regime lasts, in UTC days."""

    mean_days: Positive
    least_days: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _mean_above_least(self) -> Self:
        if self.mean_days <= self.least_days:
            raise broken_rule(f"mean_days > least_days {self.least_days}", "raise mean_days", at="mean_days")
        return self


class Chain(Strict):
    """One semi-Markov chain of regimes; two states take turns, so they need no weights."""

    first: Name
    given: Name | None
    states: dict[str, Spell]
    next: dict[str, Weights] | None


class Jumps(Strict):
    """Compound Poisson jumps common to a class, plus an asset's own part."""

    per_year: NotNegative
    mean: float
    sd: NotNegative
    own_sd: NotNegative


class ReturnLaw(Strict):
    """What equity and crypto returns have in common; drift and volatility are per year, by regime."""

    drift: dict[str, float]
    volatility: dict[str, Positive]
    tail_index: Annotated[float, Field(gt=2, le=200)]
    alpha: NotNegative
    beta: NotNegative
    jumps: Jumps

    @model_validator(mode="after")
    def _stationary(self) -> Self:
        if self.alpha + self.beta >= 1:
            raise broken_rule("alpha + beta < 1", "lower alpha or beta", what="variance explodes", at="alpha")
        return self


class EquityLaw(ReturnLaw):
    """Equities: variance of a session split into overnight and a profile over its half-hours."""

    overnight_share: Annotated[float, Field(gt=0, lt=1)]
    session_profile: Annotated[
        tuple[Positive, ...],
        Field(strict=False, min_length=STEPS_PER_SESSION, max_length=STEPS_PER_SESSION),
    ]


class CryptoLaw(ReturnLaw):
    """Crypto: variance of a day with a profile over its H4 cells and quieter weekends."""

    day_profile: Annotated[
        tuple[Positive, ...], Field(strict=False, min_length=CELLS_PER_DAY, max_length=CELLS_PER_DAY)
    ]
    weekend: Annotated[float, Field(gt=0, lt=3.5)]


class Classes(Strict):
    """Return laws by asset class."""

    equity: EquityLaw
    crypto: CryptoLaw


class Correlation(Strict):
    """Of continuous half-hour returns: inside a class, and between one equity and one crypto asset."""

    equity: Annotated[float, Field(gt=-1, lt=1)]
    crypto: Annotated[float, Field(gt=-1, lt=1)]
    across: Annotated[float, Field(gt=-1, lt=1)]


class Asset(Strict):
    """One traded asset."""

    price: Positive
    scale: Positive
    volume: Positive


class Volume(Strict):
    """Randomness of volume and its response to volatility."""

    noise: NotNegative
    elasticity: NotNegative


class VolatilityIndex(Strict):
    """An index of expected volatility of one equity."""

    symbol: Name
    reference: Name
    horizon_days: Annotated[int, Field(ge=1)]
    premium: Positive
    smooth_days: Positive
    noise: NotNegative
    noise_half_life_sessions: Positive
    spot_response: float


class Series(Strict):
    """A macro series: first-order autoregression around the level of the macro regime."""

    series: Name
    level: dict[str, float]
    persistence: Below1
    noise: NotNegative


class Macro(Strict):
    """The monthly activity index (points) and the daily slope of the yield curve (fraction)."""

    activity: Series
    slope: Series


class DefaultWindow(Strict):
    """The stretch that a backtest takes unless told otherwise."""

    start: Instant
    end: Instant | None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise broken_rule("start < end", "give an end after the start", what="empty window", at="end")
        return self


class WorldParameters(Strict):
    """All of ``sample.yaml``."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    start: Instant
    backtest: DefaultWindow
    venue: Name
    regimes: dict[str, Chain]
    classes: Classes
    correlation: Correlation
    assets: Annotated[dict[str, Asset], Field(min_length=1)]
    volume: Volume
    volatility_index: VolatilityIndex
    macro: Macro

    @model_validator(mode="after")
    def _regimes_complete(self) -> Self:
        _require_keys("regimes", self.regimes, STATES)
        earlier: list[str] = []
        for scope, states in STATES.items():
            chain = self.regimes[scope]
            _require_keys(f"regimes.{scope}.states", chain.states, states)
            if chain.first not in states:
                raise broken_rule(f"one of {', '.join(states)}", "name a state", at=f"regimes.{scope}.first")
            if chain.given is not None and chain.given not in earlier:
                rule = f"null or one of {', '.join(earlier)}" if earlier else "null"
                raise broken_rule(rule, "name an earlier scope", at=f"regimes.{scope}.given")
            _require_weights(scope, chain)
            earlier.append(scope)
        return self

    @model_validator(mode="after")
    def _levels_complete(self) -> Self:
        equity, crypto = self.classes.equity, self.classes.crypto
        _require_keys("classes.equity.drift", equity.drift, STATES["equity"])
        _require_keys("classes.equity.volatility", equity.volatility, STATES["volatility"])
        _require_keys("classes.crypto.drift", crypto.drift, STATES["crypto"])
        _require_keys("classes.crypto.volatility", crypto.volatility, STATES["crypto"])
        _require_keys("macro.activity.level", self.macro.activity.level, STATES["macro"])
        _require_keys("macro.slope.level", self.macro.slope.level, STATES["macro"])
        if self.volatility_index.reference not in self.assets:
            raise broken_rule(
                f"one of {', '.join(self.assets)}", "name an asset", at="volatility_index.reference"
            )
        at = self.start
        if (at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0):
            raise broken_rule("00:00 UTC of a day", "write a date", at="start")
        if self.backtest.start < self.start:
            raise broken_rule(f"on or after {at:%Y-%m-%d}", "start later", at="backtest.start")
        return self


def _require_keys(
    at: str, given: Mapping[str, object], wanted: Mapping[str, object] | tuple[str, ...]
) -> None:
    if set(given) != set(wanted):
        missing, foreign = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
        what = f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(foreign) or 'none'}"
        raise broken_rule(f"exactly {', '.join(wanted)}", "add or rename the keys", what=what, at=at)


def _require_weights(scope: str, chain: Chain) -> None:
    at, states = f"regimes.{scope}.next", STATES[scope]
    if len(states) == TWO:
        if chain.next is not None or chain.given is not None:
            raise broken_rule("given: null and next: null where two states take turns", "write null", at=at)
        return
    if chain.next is None:
        raise broken_rule(f"weights of {', '.join(states)}", "give the weights", what="no weights", at=at)
    _require_keys(at, chain.next, (ANY,) if chain.given is None else STATES[chain.given])
    for row, weights in chain.next.items():
        _require_keys(f"{at}.{row}", weights, states)
        _require_exit(f"{at}.{row}", weights)


def _require_exit(at: str, weights: Weights) -> None:
    for state in weights:
        if not any(weight > 0 for other, weight in weights.items() if other != state):
            raise broken_rule(
                "some other state has weight > 0", "give weights", what=f"no way out of {state}", at=at
            )
