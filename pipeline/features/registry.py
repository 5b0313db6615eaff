"""The names of features: what each one is, from which bars, with what look-back and in which version.

A name says everything (``sma_20`` over H4 bars, ``sma_200d`` over daily closes, ``bb_upper_20_2``), so any
period works without being listed.  Nothing is computed here and nothing heavy is imported.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.errors import ComponentNotFoundError, ConfigError

Timeframe: TypeAlias = Literal["h4", "daily"]

VERSION = "1.0.0"
"""Version of the set: any change of a stored value raises it."""

LONGEST_PERIOD = 100_000
"""Bars; a longer look-back than 45 years of H4 bars is a slip of the pen."""

WIDEST_BAND = 100.0
"""Standard deviations."""

_FORGOTTEN = 1e-9


@dataclass(frozen=True)
class FeatureSpec:
    """One feature.

    Attributes
    ----------
    name
        Canonical name, also the column in ``features.h4``.
    kind
        Key of `KINDS`.
    params
        Period in bars of ``timeframe``, then the number of standard deviations for Bollinger bands.
    timeframe
        ``h4`` or ``daily``: over which bars it is computed.
    lookback
        Bars of ``timeframe`` that the first value needs, its own bar included.
    settled
        Bars after a start from which on the value no longer depends on the start (to 1e-9).
    unit, description
        As in ``features.h4``.
    version
        Of the computation.
    """

    name: str
    kind: str
    params: tuple[float, ...]
    timeframe: Timeframe
    lookback: int
    settled: int
    unit: str
    description: str
    version: str

    @property
    def period(self) -> int:
        """Period in bars; 0 for kinds without one."""
        return int(self.params[0]) if self.params else 0


@dataclass(frozen=True)
class Kind:
    """A family of features that differ in parameters only.

    Attributes
    ----------
    shortest
        Least period; None when the kind has no period.
    widths
        Whether a number of standard deviations follows the period.
    lookback
        Bars needed for the first value, from the period.
    memory
        Weight of the newest bar in a recurrence, from the period; None for windows.
    timeframes
        On which bars it makes sense.
    says
        Description from ``(count with unit of bars, count of deviations, what is averaged)``.
    """

    shortest: int | None
    lookback: Callable[[int], int]
    unit: str
    says: Callable[[str, str, str], str]
    widths: bool = False
    memory: Callable[[int], float] | None = None
    timeframes: tuple[Timeframe, ...] = ("h4", "daily")


def _span(period: int) -> float:
    return 2.0 / (period + 1)


def _wilder(period: int) -> float:
    return 1.0 / period


KINDS: dict[str, Kind] = {
    "log_return": Kind(None, lambda _: 2, "log fraction", lambda n, _k, x: f"Log return of {x} over {n}."),
    "sma": Kind(1, lambda n: n, "quote currency", lambda n, _k, x: f"Simple moving average of {x}, {n}."),
    "ema": Kind(
        1,
        lambda n: n,
        "quote currency",
        lambda n, _k, x: f"Exponential moving average of {x}, {n}.",
        memory=_span,
    ),
    "rsi": Kind(
        2,
        lambda n: n + 1,
        "0 to 100",
        lambda n, _k, _x: f"Wilder's relative strength index over {n}.",
        memory=_wilder,
    ),
    "atr": Kind(
        1,
        lambda n: n + 1,
        "quote currency",
        lambda n, _k, _x: f"Wilder's average true range, {n}.",
        memory=_wilder,
    ),
    "bb_mid": Kind(2, lambda n: n, "quote currency", lambda n, _k, _x: f"Middle Bollinger band, {n}."),
    "bb_upper": Kind(
        2,
        lambda n: n,
        "quote currency",
        lambda n, k, _x: f"Upper Bollinger band, {n}, {k} deviations.",
        widths=True,
    ),
    "bb_lower": Kind(
        2,
        lambda n: n,
        "quote currency",
        lambda n, k, _x: f"Lower Bollinger band, {n}, {k} deviations.",
        widths=True,
    ),
    "bb_sd": Kind(
        2,
        lambda n: n,
        "quote currency",
        lambda n, _k, x: f"Standard deviation of {x} around the middle Bollinger band, {n}.",
    ),
    "momentum": Kind(1, lambda n: n + 1, "fraction", lambda n, _k, x: f"Simple return of {x} over {n}."),
    "volatility": Kind(
        2,
        lambda n: n + 1,
        "per bar",
        lambda n, _k, _x: f"Standard deviation of log returns over {n}.",
    ),
    "close": Kind(None, lambda _: 1, "quote currency", lambda _n, _k, x: f"{x} known at the decision."),
    "closes_missed": Kind(
        None,
        lambda _: 1,
        "sessions",
        lambda _n, _k, _x: "Expected daily closes missed since the last known one.",
        timeframes=("daily",),
    ),
}
"""Every kind by name."""

_NAME = re.compile(r"(?P<kind>[a-z]+(?:_[a-z]+)*?)(?P<numbers>(?:_\d+(?:p\d+)?)*)(?P<daily>_d|(?<=\d)d)?")


def spec(kind: str, *params: float, timeframe: Timeframe = "h4") -> FeatureSpec:
    """Describe a feature.

    Parameters
    ----------
    kind
        Key of `KINDS`.
    params
        Period in bars, then standard deviations where the kind takes them.
    timeframe
        ``h4`` or ``daily``.

    Raises
    ------
    ComponentNotFoundError
        When there is no such kind.
    ConfigError
        When a parameter is missing, superfluous or out of range, or the timeframe does not fit.

    Examples
    --------
    >>> spec("sma", 200, timeframe="daily").name, spec("bb_upper", 20, 2.5).name
    ('sma_200d', 'bb_upper_20_2p5')
    """
    family = KINDS.get(kind)
    if family is None:
        raise ComponentNotFoundError(
            "no such feature", "feature", kind, f"one of {', '.join(sorted(KINDS))}", "name a known kind"
        )
    if timeframe not in family.timeframes:
        raise ConfigError(
            f"{kind} is not defined on {timeframe} bars",
            "timeframe",
            timeframe,
            " or ".join(family.timeframes),
        )
    period, width = _checked(kind, family, params)
    kept = (*((period,) if family.shortest is not None else ()), *((width,) if family.widths else ()))
    lookback = family.lookback(period)
    memory = 0.0 if family.memory is None else family.memory(period)
    fade = round(math.log(_FORGOTTEN) / math.log1p(-memory)) if 0.0 < memory < 1.0 else 0
    return FeatureSpec(
        name=_name(kind, kept, timeframe),
        kind=kind,
        params=kept,
        timeframe=timeframe,
        lookback=lookback,
        settled=lookback + fade,
        unit=_unit(family, timeframe),
        description=_description(kind, family, period, width, timeframe),
        version=VERSION,
    )


def parse(name: str) -> FeatureSpec:
    """Describe the feature of that name.

    Raises
    ------
    ComponentNotFoundError
        When the name names no kind.
    ConfigError
        When its numbers do not fit the kind, or it is not spelt canonically.

    Examples
    --------
    >>> parse("momentum_126d").timeframe, parse("rsi_14").lookback
    ('daily', 15)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ComponentNotFoundError(
            "not the name of a feature",
            "feature",
            name,
            "kind_period, with d for daily bars",
            "spell it like sma_20, sma_200d, bb_upper_20_2 or close_d",
        )
    numbers = tuple(float(part.replace("p", ".")) for part in found["numbers"].split("_") if part)
    described = spec(found["kind"], *numbers, timeframe="daily" if found["daily"] else "h4")
    if described.name != name:
        raise ConfigError("a feature has one spelling", "feature", name, described.name, "use that spelling")
    return described


def _checked(kind: str, family: Kind, params: tuple[float, ...]) -> tuple[int, float]:
    expected = (["period"] if family.shortest is not None else []) + (["deviations"] if family.widths else [])
    if len(params) != len(expected):
        raise ConfigError(
            f"{kind} takes {len(expected)} parameters",
            "params",
            params,
            ", ".join(expected) or "none",
            f"give {kind} exactly these",
        )
    if family.shortest is None:
        return 0, 0.0
    period = params[0]
    if not (math.isfinite(period) and period == int(period) and family.shortest <= period <= LONGEST_PERIOD):
        raise ConfigError(
            f"{kind} cannot have that period",
            "period",
            period,
            f"a whole number of bars from {family.shortest} to {LONGEST_PERIOD}",
            "choose a period in that range",
        )
    width = params[1] if family.widths else 0.0
    if family.widths and not (
        math.isfinite(width) and 0.0 < width <= WIDEST_BAND and width == float(f"{width:.6f}")
    ):
        raise ConfigError(
            f"{kind} cannot have that width",
            "deviations",
            width,
            f"standard deviations above 0 up to {WIDEST_BAND:g}, at most six decimals",
            "choose a width in that range",
        )
    return int(period), float(width)


def _name(kind: str, params: tuple[float, ...], timeframe: Timeframe) -> str:
    parts = [kind, *(_number(value).replace(".", "p") for value in params)]
    daily = "" if timeframe == "h4" else ("d" if params else "_d")
    return "_".join(parts) + daily


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _unit(family: Kind, timeframe: Timeframe) -> str:
    return "per session" if family.unit == "per bar" and timeframe == "daily" else family.unit


def _description(kind: str, family: Kind, period: int, width: float, timeframe: Timeframe) -> str:
    one, many, series = (
        ("bar", "bars", "the close") if timeframe == "h4" else ("session", "sessions", "daily closes")
    )
    count = f"one {one}" if period == 0 else f"{period} {many if period > 1 else one}"
    if kind == "close":
        series = "Last close" if timeframe == "h4" else "Last daily close"
    text = family.says(count, _number(width), series)
    # A return over sessions can only be one of daily closes.
    return text.replace(" of daily closes over", " over") if kind == "momentum" else text


STANDARD: tuple[FeatureSpec, ...] = tuple(
    parse(name)
    for name in (
        "log_return",
        "sma_20",
        "ema_20",
        "rsi_14",
        "atr_14",
        "bb_mid_20",
        "bb_upper_20_2",
        "bb_lower_20_2",
        "momentum_10",
        "volatility_30",
        "close_d",
        "sma_200d",
        "momentum_126d",
        "momentum_252d",
        "closes_missed_d",
    )
)
"""What ``features.h4`` holds for every asset."""
