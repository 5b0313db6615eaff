"""From observations to the four labels in force at every decision, and what each was taken from.

Labels are functions of the observations known by then, over all history, so they depend on no run's start.
An input that has missed three expected values takes its dimension back to the start label at once, and the
first new value brings the machine's label back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D, Int1D, Int8, Time1D
from pipeline.calendar.stale import GIVE_UP_AFTER
from pipeline.config.regimes import ActivityRule, MacroRule, RegimeSettings, TrendRule, VolRule
from pipeline.regimes.classifiers import (
    TREND_INPUTS,
    crypto_labels,
    equity_labels,
    macro_labels,
    realised_points,
    trend_inputs,
    vol_labels,
)
from pipeline.regimes.machine import confirmed
from pipeline.regimes.observations import Observations, as_number, as_time, carried, nothing
from pipeline.regimes.vocabulary import START, code

INPUTS: Mapping[str, tuple[str, ...]] = {
    "equity": TREND_INPUTS,
    "vol": ("points",),
    "crypto": TREND_INPUTS,
    "macro": ("activity", "slope"),
}
"""What each dimension's rule compares, by name."""


@dataclass(frozen=True, eq=False)
class Labels:
    """One dimension at each decision, every array of shape ``(bars,)``.

    Attributes
    ----------
    codes
        Label in force.
    observed
        Session, UTC day or reference period of the newest observation known, NaT before the first.
    missed
        Expected observations that are overdue, NaN before the first is known.
    inputs
        What the rule compared at that observation, by name.
    """

    codes: Int8
    observed: Time1D
    missed: Float1D
    inputs: Mapping[str, Float1D]

    @property
    def stale(self) -> Bool1D:
        """Where so many observations are missed that the label fell back."""
        return self.missed >= GIVE_UP_AFTER


@dataclass(frozen=True, eq=False)
class Classification:
    """All dimensions at each decision, shape ``(bars,)``."""

    decisions: Time1D
    of: Mapping[str, Labels]

    @property
    def codes(self) -> dict[str, Int8]:
        """Codes by dimension, as a context takes them."""
        return {dimension: labels.codes for dimension, labels in self.of.items()}


def classify(
    decisions: Time1D, observations: Mapping[str, Observations], rules: RegimeSettings
) -> Classification:
    """Return the labels in force at each decision.

    Parameters
    ----------
    decisions
        Shape ``(bars,)``, ascending, ``datetime64[us]``.
    observations
        By symbol or series; one that is missing was never seen.
    rules
        From ``regimes.yaml``.
    """
    seen = {name: observations.get(name, nothing()) for name in inputs_of(rules)}
    vol = rules.vol
    quoted = [_vol(vol, seen[name], decisions) for name in (vol.symbol, vol.series)]
    return Classification(
        decisions,
        {
            "equity": _trend("equity", rules.equity, seen[rules.equity.symbol], decisions),
            "vol": _first_known([*quoted, _realised(vol, seen[vol.realised.symbol], decisions)]),
            "crypto": _trend("crypto", rules.crypto, seen[rules.crypto.symbol], decisions),
            "macro": _first_known(
                [_macro(rules.macro, one, seen[name], seen, decisions) for name, one in _activities(rules)]
            ),
        },
    )


def names_of(rules: RegimeSettings, dimension: str) -> tuple[str, ...]:
    """Return the inputs whose observations a dimension counts; the first one that has any is taken."""
    vol = rules.vol
    return {
        "equity": (rules.equity.symbol,),
        "vol": (vol.symbol, vol.series, vol.realised.symbol),
        "crypto": (rules.crypto.symbol,),
        "macro": tuple(rules.macro.activity),
    }[dimension]


def inputs_of(rules: RegimeSettings) -> dict[str, str]:
    """Return every input by name: ``daily`` of a symbol, ``daily_series`` or ``monthly_series``."""
    symbols = (rules.equity.symbol, rules.vol.symbol, rules.vol.realised.symbol, rules.crypto.symbol)
    series = dict.fromkeys((rules.vol.series, rules.macro.slope.series), "daily_series")
    return dict.fromkeys(symbols, "daily") | series | dict.fromkeys(rules.macro.activity, "monthly_series")


def _activities(rules: RegimeSettings) -> list[tuple[str, ActivityRule]]:
    return list(rules.macro.activity.items())


def _trend(dimension: str, trend: TrendRule, closes: Observations, decisions: Time1D) -> Labels:
    named = equity_labels if dimension == "equity" else crypto_labels

    def values_of(rows: Int1D) -> Float2D:
        inputs = trend_inputs(trend, closes.values[rows])
        return _after_each(dimension, named(inputs), trend.confirm, inputs)

    return _labels(dimension, closes, decisions, values_of)


def _vol(vol: VolRule, index: Observations, decisions: Time1D) -> Labels:
    def values_of(rows: Int1D) -> Float2D:
        points = index.values[rows]
        return _after_each("vol", vol_labels(vol, points), vol.confirm, points[None, :])

    return _labels("vol", index, decisions, values_of)


def _realised(vol: VolRule, closes: Observations, decisions: Time1D) -> Labels:
    def values_of(rows: Int1D) -> Float2D:
        points = realised_points(vol.realised, closes.values[rows])
        return _after_each("vol", vol_labels(vol, points), vol.confirm, points[None, :])

    return _labels("vol", closes, decisions, values_of)


def _macro(
    macro: MacroRule,
    levels: ActivityRule,
    releases: Observations,
    seen: Mapping[str, Observations],
    decisions: Time1D,
) -> Labels:
    slopes = _slope_at_release(releases, seen[macro.slope.series])

    def values_of(rows: Int1D) -> Float2D:
        inputs = np.stack([releases.values[rows], slopes[rows]])
        raw = macro_labels(*inputs, levels, macro.slope)
        return _after_each("macro", raw, macro.confirm, inputs)

    return _labels("macro", releases, decisions, values_of)


def _slope_at_release(releases: Observations, slope: Observations) -> Float1D:
    """Return the slope known when each label was first released, for its later versions too; NaN if stale."""
    first = np.searchsorted(releases.ts, releases.ts, side="left")
    moments, place = np.unique(releases.known_at[first], return_inverse=True)
    known = carried(slope, moments, lambda rows: slope.values[rows][None, :], 1)[0]
    return np.where(slope.given_up(moments), np.nan, known)[place]


def _after_each(dimension: str, raw: Int8, confirm: int, inputs: Float2D) -> Float2D:
    in_force = confirmed(raw, confirm, code(START[dimension]))
    return np.vstack([in_force.astype(np.float64), inputs])


def _labels(
    dimension: str, series: Observations, decisions: Time1D, values_of: Callable[[Int1D], Float2D]
) -> Labels:
    names = INPUTS[dimension]

    def with_labels(rows: Int1D) -> Float2D:
        return np.vstack([values_of(rows), as_number(series.ts[rows])])

    held = carried(series, decisions, with_labels, len(names) + 2)
    missed = series.missed(decisions)
    silent = np.isnan(held[0]) | (missed >= GIVE_UP_AFTER)
    codes = np.where(silent, code(START[dimension]), np.nan_to_num(held[0])).astype(np.int8)
    return Labels(codes, as_time(held[-1]), missed, dict(zip(names, held[1:-1], strict=True)))


def _first_known(candidates: Sequence[Labels]) -> Labels:
    """Return at each decision the first candidate that had any observation by then, else the last one."""
    *others, chosen = candidates
    for better in reversed(others):
        seen = ~np.isnat(better.observed)
        chosen = Labels(
            np.where(seen, better.codes, chosen.codes),
            np.where(seen, better.observed, chosen.observed),
            np.where(seen, better.missed, chosen.missed),
            {name: np.where(seen, values, chosen.inputs[name]) for name, values in better.inputs.items()},
        )
    return chosen
