"""Causality as a test: what must not change when the future is cut off or replaced by noise.

A computation takes ``(panel, daily)`` and returns arrays of shape ``(bars, assets)`` or ``(bars,)`` by name,
one row for each decision.  Both functions return what they caught as sentences: a test of a good computation
asserts an empty list, a test of a planted leak asserts that it was named.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from pipeline.calendar.grid import from_time64
from pipeline.market.panel import Panel

Computation = Callable[[Panel, pl.DataFrame], Mapping[str, np.ndarray]]

_GONE = 0.1
"""Share of later bars that the noise takes away."""
_PRICES = ("open", "high", "low", "close")
_TIMES = ("open_at", "close_at", "known_at")


def prefix_violations(
    compute: Computation, panel: Panel, daily: pl.DataFrame, cuts: Iterable[int]
) -> list[str]:
    """Compare ``compute(context up to i)[-1]`` with ``compute(whole context)[i]``, bit for bit."""
    whole = compute(panel, daily)
    found = []
    for i in cuts:
        short = compute(known_bars(panel, i), daily.filter(_known_by(panel, i)))
        found += [
            f"{name} at bar {i} changes when what comes after is cut off: {short[name][-1]}, not {values[i]}"
            for name, values in whole.items()
            if not np.array_equal(_bits(short[name][-1]), _bits(values[i]))
        ]
    return found


def noise_violations(
    compute: Computation, panel: Panel, daily: pl.DataFrame, cuts: Iterable[int], seed: int
) -> list[str]:
    """Replace everything known after decision ``i`` by noise; no row up to ``i`` may change by a bit."""
    whole = compute(panel, daily)
    found = []
    for i in cuts:
        noisy_panel, noisy_daily = with_noise_after(panel, daily, i, np.random.default_rng([seed, i]))
        other = compute(noisy_panel, noisy_daily)
        for name, values in whole.items():
            differs = _bits(values[: i + 1]) != _bits(other[name][: i + 1])
            if differs.any():
                first = int(np.argwhere(differs)[0][0])
                found.append(f"{name} at bar {first} changes with what becomes known after decision {i}")
    return found


def known_bars(panel: Panel, i: int) -> Panel:
    """Return the panel up to bar ``i`` without the bars that decision ``i`` does not know."""
    short = panel.upto(i)
    unknown = short.present & (short.known_at > panel.decisions[i])
    arrays = {name: getattr(short, name).copy() for name in (*_PRICES, "volume", *_TIMES)}
    for name, array in arrays.items():
        array[unknown] = np.datetime64("NaT") if name in _TIMES else np.nan
    return replace(short, **arrays)


def with_noise_after(
    panel: Panel, daily: pl.DataFrame, i: int, rng: np.random.Generator
) -> tuple[Panel, pl.DataFrame]:
    """Return both with every bar that is known after decision ``i`` made up, and some of them gone."""
    later = panel.present & (panel.known_at > panel.decisions[i])
    gone = later & (rng.random(later.shape) < _GONE)
    arrays = {name: getattr(panel, name).copy() for name in (*_PRICES, "volume")}
    made_up = np.exp(rng.normal(0.0, 0.5, later.shape))
    for array in arrays.values():
        array[later] *= made_up[later]
        array[gone] = np.nan
    times = {name: getattr(panel, name).copy() for name in _TIMES}
    for array in times.values():
        array[gone] = np.datetime64("NaT")
    factor = pl.Series(np.exp(rng.normal(0.0, 0.5, daily.height)))
    known = _known_by(panel, i)
    prices = [pl.when(known).then(name).otherwise(pl.col(name) * factor).alias(name) for name in _PRICES]
    return replace(panel, **arrays, **times), daily.with_columns(prices)


def _known_by(panel: Panel, i: int) -> pl.Expr:
    return pl.col("known_at") <= from_time64(panel.decisions[i])


def _bits(values: np.ndarray | float) -> np.ndarray:
    """Bit patterns, all NaN alike."""
    array = np.array(values, dtype=np.float64)
    array[np.isnan(array)] = np.nan
    return np.atleast_1d(array).view(np.int64)
