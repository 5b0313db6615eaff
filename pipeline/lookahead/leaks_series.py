"""Planted leaks of windows and fits over one series, each with an honest twin.

A leak claims that its value was known with its bar, and needs a later one.
"""

import numpy as np
import polars as pl

from pipeline.arrays import Float1D
from pipeline.lookahead.perturb import World
from pipeline.lookahead.published import H4, Bars, cells_of, series_of

HORIZON = 6
"""Bars that a label looks ahead."""
FITTED = 200
"""Bars at the start that an honest scaler is fitted on."""


def _shifted(values: Float1D, by: int) -> Float1D:
    """Return ``values[i - by]``, NaN where there is none."""
    moved = np.full(values.size, np.nan)
    if abs(by) < values.size:
        moved[max(by, 0) : values.size + min(by, 0)] = values[max(-by, 0) : values.size - max(by, 0)]
    return moved


def next_return(world: World) -> pl.DataFrame:
    """The return to the next bar, as if it were the last one: ``shift(-1)``."""
    return cells_of(series_of(world, H4), lambda bar: _shifted(bar.close, -1) / bar.close - 1.0)


def last_return(world: World) -> pl.DataFrame:
    """The return from the bar before."""
    return cells_of(series_of(world, H4), lambda bar: bar.close / _shifted(bar.close, 1) - 1.0)


def centred_mean(world: World) -> pl.DataFrame:
    """A mean of five bars, two of them later."""
    return cells_of(series_of(world, H4), lambda bar: _mean_of(bar.close, range(-2, 3)))


def trailing_mean(world: World) -> pl.DataFrame:
    """A mean of the last five bars."""
    return cells_of(series_of(world, H4), lambda bar: _mean_of(bar.close, range(5)))


def full_z_score(world: World) -> pl.DataFrame:
    """A z-score with mean and deviation of the whole sample."""
    return cells_of(series_of(world, H4), lambda bar: (bar.close - bar.close.mean()) / bar.close.std())


def expanding_z_score(world: World) -> pl.DataFrame:
    """A z-score with mean and deviation of the bars so far."""
    return cells_of(series_of(world, H4), lambda bar: _expanding_z(bar.close))


def overlapping_labels(world: World) -> pl.DataFrame:
    """The mean of the last 20 labels, though the newest ones end in the future."""
    return cells_of(series_of(world, H4), lambda bar: _mean_of(_labels(bar.close), range(20)))


def purged_labels(world: World) -> pl.DataFrame:
    """The mean of the last 20 labels that have ended."""
    return cells_of(
        series_of(world, H4), lambda bar: _mean_of(_shifted(_labels(bar.close), HORIZON), range(20))
    )


def full_target_encoding(world: World) -> pl.DataFrame:
    """The mean next return of the hour of day, over the whole sample."""
    return cells_of(
        series_of(world, H4), lambda bar: _encoded(bar.hour, _labels(bar.close, 1), expanding=False)
    )


def expanding_target_encoding(world: World) -> pl.DataFrame:
    """The mean next return of the hour of day, over the returns that are known."""
    return cells_of(
        series_of(world, H4), lambda bar: _encoded(bar.hour, _labels(bar.close, 1), expanding=True)
    )


def scaler_fitted_on_all(world: World) -> pl.DataFrame:
    """Momentum scaled by the smallest and the largest of the whole sample."""
    return cells_of(series_of(world, H4), lambda bar: _scaled(_momentum(bar.close), bar.close.size))


def scaler_fitted_before(world: World) -> pl.DataFrame:
    """Momentum scaled by the smallest and the largest of the first bars, which are left out."""

    def scaled(bar: Bars) -> Float1D:
        values = _scaled(_momentum(bar.close), FITTED)
        values[:FITTED] = np.nan
        return values

    return cells_of(series_of(world, H4), scaled)


def _mean_of(values: Float1D, lags: range) -> Float1D:
    return sum((_shifted(values, lag) for lag in lags), np.zeros(values.size)) / len(lags)


def _labels(close: Float1D, horizon: int = HORIZON) -> Float1D:
    return _shifted(close, -horizon) / close - 1.0


def _momentum(close: Float1D) -> Float1D:
    return close / _shifted(close, 10) - 1.0


def _expanding_z(close: Float1D) -> Float1D:
    count = np.arange(1.0, close.size + 1.0)
    mean = np.cumsum(close) / count
    return (close - mean) / np.sqrt(np.maximum(np.cumsum(close * close) / count - mean * mean, 1e-12))


def _scaled(values: Float1D, fitted: int) -> Float1D:
    sample = values[:fitted][~np.isnan(values[:fitted])]
    if not sample.size:
        return np.full(values.size, np.nan)
    low, high = sample.min(), sample.max()
    return (values - low) / max(high - low, 1e-12)


def _encoded(group: np.ndarray, target: Float1D, *, expanding: bool) -> Float1D:
    answer = np.full(target.size, np.nan)
    for name in np.unique(group):
        own = np.flatnonzero(group == name)
        if not expanding:
            answer[own] = np.nanmean(target[own]) if np.isfinite(target[own]).any() else np.nan
            continue
        # The target of the group's bar before is known: its next bar is at this one at the latest.
        before = _shifted(target[own], 1)
        seen = ~np.isnan(before)
        count = np.cumsum(seen)
        total = np.cumsum(np.where(seen, before, 0.0))
        answer[own] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return answer
