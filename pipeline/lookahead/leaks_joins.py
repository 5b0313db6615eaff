"""Planted leaks of joins, versions and choices, each with an honest twin.

A leak carries a value to a decision by a label, a wrong clock or a later version of it.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Time1D
from pipeline.lookahead.perturb import LAYOUTS, World
from pipeline.lookahead.published import (
    DAILY,
    H4,
    MACRO,
    REACH,
    Bars,
    decisions_over,
    gathered,
    newest_by,
    series_of,
)

_DAY = np.timedelta64(1, "D")
_MONTH, _QUARTER = np.timedelta64(30, "D"), np.timedelta64(90, "D")
_NEW_YORK = "America/New_York"


def daily_by_label(world: World) -> pl.DataFrame:
    """The daily close at each H4 decision, joined by the date of its session."""
    return _at_decisions(series_of(world, DAILY), lambda bar: bar.ts, lambda bar: bar.close)


def daily_by_known(world: World) -> pl.DataFrame:
    """The daily close at each H4 decision, joined by when it was known."""
    return _at_decisions(series_of(world, DAILY), lambda bar: bar.known_at, lambda bar: bar.close)


def zone_slip(world: World) -> pl.DataFrame:
    """The daily close joined by New York's wall clock, taken for UTC."""
    return _at_decisions(series_of(world, DAILY), _wall_clock, lambda bar: bar.close)


def forming_bar(world: World) -> pl.DataFrame:
    """The high of the newest bar that has opened."""
    return _at_decisions(series_of(world, H4), lambda bar: bar.open_at, lambda bar: bar.high)


def closed_bar(world: World) -> pl.DataFrame:
    """The high of the newest bar that is known."""
    return _at_decisions(series_of(world, H4), lambda bar: bar.known_at, lambda bar: bar.high)


def backfilled(world: World) -> pl.DataFrame:
    """The close of every calendar day, a day without one filled from the next."""

    def filled(bar: Bars) -> tuple[str, Time1D, Float1D, Time1D]:
        days = _days(bar)
        place = np.searchsorted(bar.ts, days, side="left")
        return bar.name, days, bar.close[np.minimum(place, bar.ts.size - 1)], days + 2 * _DAY

    return gathered(filled(bar) for bar in series_of(world, DAILY) if bar.ts.size)


def carried_forward(world: World) -> pl.DataFrame:
    """The close of every calendar day, the newest one known when the day is well over."""

    def filled(bar: Bars) -> tuple[str, Time1D, Float1D, Time1D]:
        days = _days(bar)
        return bar.name, days, newest_by(bar.known_at, bar.close, days + 2 * _DAY), days + 2 * _DAY

    return gathered(filled(bar) for bar in series_of(world, DAILY) if bar.ts.size)


def latest_revision(world: World) -> pl.DataFrame:
    """Each value in its newest revision, as if it had been published like that."""
    return _published(world, "last")


def first_release(world: World) -> pl.DataFrame:
    """Each value as it was first published."""
    return _published(world, "first")


def universe_by_future_volume(world: World) -> pl.DataFrame:
    """The half of the symbols whose volume grows most over the ninety days to come."""
    return _universe(series_of(world, DAILY), lambda bar, at: _traded(bar, at, at + _QUARTER))


def universe_by_recent_volume(world: World) -> pl.DataFrame:
    """The half of the symbols whose volume grew most over the thirty days that are over."""
    return _universe(series_of(world, DAILY), lambda bar, at: _traded(bar, at - _MONTH, at))


def _at_decisions(
    series: Sequence[Bars], clock: Callable[[Bars], Time1D], values: Callable[[Bars], Float1D]
) -> pl.DataFrame:
    parts = []
    for bar in series:
        if bar.ts.size:
            at = decisions_over(bar)
            parts.append((bar.name, at, newest_by(clock(bar), values(bar), at), at))
    return gathered(parts)


def _days(bar: Bars) -> Time1D:
    return np.arange(bar.ts[0], bar.ts[-1] + REACH, _DAY)


def _wall_clock(bar: Bars) -> Time1D:
    aware = pl.Series(bar.known_at).dt.replace_time_zone("UTC").dt.convert_time_zone(_NEW_YORK)
    return aware.dt.replace_time_zone(None).to_numpy()


def _published(world: World, keep: Literal["first", "last"]) -> pl.DataFrame:
    parts = []
    for table, column in ((MACRO, "value"), (DAILY, "close")):
        layout, rows = LAYOUTS[table], world[table]
        first = rows.unique(layout.key, keep="first", maintain_order=True)
        chosen = rows.unique(layout.key, keep=keep, maintain_order=True)
        values = chosen[column].cast(pl.Float64).to_numpy()
        labels = first.select(pl.col(layout.series).alias("symbol"), "ts", "known_at")
        parts.append(
            labels.with_columns(pl.Series("value", values)).select("symbol", "ts", "value", "known_at")
        )
    return pl.concat(parts).sort("symbol", "ts")


def _traded(bar: Bars, after: np.datetime64, by: np.datetime64) -> float:
    """Return the mean value traded on the days known in ``(after, by]``; 0 without any."""
    inside = (bar.known_at > after) & (bar.known_at <= by)
    return float(np.nan_to_num(bar.volume * bar.close)[inside].sum() / max(inside.sum(), 1))


def _universe(series: Sequence[Bars], size: Callable[[Bars, np.datetime64], float]) -> pl.DataFrame:
    present = [bar for bar in series if bar.ts.size]
    first, last = min(bar.ts[0] for bar in present), max(bar.ts[-1] for bar in present)
    months = np.arange(first.astype("datetime64[M]") + 1, (last + REACH).astype("datetime64[M]"))
    at, held = months.astype("datetime64[us]"), np.full((months.size, len(present)), np.nan)
    for row, moment in enumerate(at):
        listed = [place for place, bar in enumerate(present) if (bar.known_at <= moment).any()]
        growth = [
            size(present[place], moment) / max(_traded(present[place], moment - _QUARTER, moment), 1e-9)
            for place in listed
        ]
        ranked = np.array(listed)[np.array(growth).argsort(kind="stable")[::-1]]
        held[row, listed] = 0.0
        held[row, ranked[: (len(listed) + 1) // 2]] = 1.0
    seen = ~np.isnan(held)
    columns = ((bar.name, seen[:, place], held[:, place]) for place, bar in enumerate(present))
    return gathered((name, at[rows], column[rows], at[rows]) for name, rows, column in columns)
