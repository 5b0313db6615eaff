"""The rules by which one observation names a label, before hysteresis; unknown numbers name the quiet one.

Plain comparisons over arrays; what an observation is and when it is known is not decided here.
"""

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D, Int8
from pipeline.config.regimes import ActivityRule, RealisedRule, SlopeRule, TrendRule, VolRule
from pipeline.features.indicators import indicators
from pipeline.features.registry import parse
from pipeline.regimes.vocabulary import CryptoRegime, EquityRegime, MacroRegime, VolRegime, code

SESSIONS_PER_YEAR = 252
POINTS = 100.0

TREND_INPUTS = ("close", "sma", "momentum_low", "momentum_high")
"""Close, its mean, and the least and the greatest of the momenta: all that the rule compares."""


def trend_inputs(trend: TrendRule, closes: Float1D) -> Float2D:
    """Return `TREND_INPUTS` after each close, shape ``(4, n)``; NaN where the history is too short."""
    specs = [parse(f"sma_{trend.sma_days}d"), *(parse(f"momentum_{days}d") for days in trend.momentum_days)]
    prices = np.ascontiguousarray(closes[:, None])
    values = indicators(prices, prices, prices, specs)[:, :, 0]
    return np.stack([closes, values[0], values[1:].min(axis=0), values[1:].max(axis=0)])


def equity_labels(inputs: Float2D) -> Int8:
    """Bull above the mean with all momenta above 0, bear below it with all below 0, else neutral."""
    close, mean, _low, high = inputs
    labels = np.full(close.size, code(EquityRegime.NEUTRAL), np.int8)
    labels[rising(inputs)] = code(EquityRegime.BULL)
    labels[(close < mean) & (high < 0.0)] = code(EquityRegime.BEAR)
    return labels


def crypto_labels(inputs: Float2D) -> Int8:
    """Risk on above the mean with all momenta above 0, else risk off."""
    return np.where(rising(inputs), code(CryptoRegime.RISK_ON), code(CryptoRegime.RISK_OFF)).astype(np.int8)


def rising(inputs: Float2D) -> Bool1D:
    """Tell where the close is above its mean and every momentum above 0."""
    close, mean, low, _high = inputs
    return (close > mean) & (low > 0.0)


def realised_points(realised: RealisedRule, closes: Float1D) -> Float1D:
    """Return the volatility of log returns a year, in points, NaN where the history is too short."""
    prices = np.ascontiguousarray(closes[:, None])
    daily = indicators(prices, prices, prices, [parse(f"volatility_{realised.days}d")])[0, :, 0]
    return POINTS * np.sqrt(SESSIONS_PER_YEAR) * daily


def vol_labels(vol: VolRule, points: Float1D) -> Int8:
    """Low below one threshold, high above the other, else normal."""
    labels = np.full(points.size, code(VolRegime.NORMAL), np.int8)
    labels[points < vol.low_below] = code(VolRegime.LOW)
    labels[points > vol.high_above] = code(VolRegime.HIGH)
    return labels


def macro_labels(activity: Float1D, slope: Float1D, levels: ActivityRule, slopes: SlopeRule) -> Int8:
    """Expansion with activity and slope above, contraction with one of them below, else neutral.

    A slope that nobody knows (NaN) neither hinders an expansion nor makes a contraction.
    """
    labels = np.full(activity.size, code(MacroRegime.NEUTRAL), np.int8)
    steep = (slope > slopes.expansion_above) | np.isnan(slope)
    labels[(activity > levels.expansion_above) & steep] = code(MacroRegime.EXPANSION)
    inverted = slope < slopes.contraction_below
    labels[(activity < levels.contraction_below) | inverted] = code(MacroRegime.CONTRACTION)
    return labels
