"""What planted leaks and their twins work on: rows as first published, by series, and cells made of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Time1D
from pipeline.calendar.grid import CELL64
from pipeline.features.as_known import late_rows
from pipeline.lookahead.perturb import LAYOUTS, World

H4, DAILY, MACRO = "market.ohlcv_h4", "market.ohlcv_daily", "market.macro"
REACH = np.timedelta64(60, "D")
"""Axes go on so long after a series' last row, so that what is cut off shortens none that is looked at."""


@dataclass(frozen=True, eq=False)
class Bars:
    """The rows of one series as first published, those that came late left out; shapes ``(rows,)``."""

    name: str
    ts: Time1D
    open_at: Time1D
    known_at: Time1D
    high: Float1D
    close: Float1D
    volume: Float1D

    @property
    def hour(self) -> np.ndarray:
        """Hour of day of each label."""
        return (self.ts - self.ts.astype("datetime64[D]")).astype("timedelta64[h]").astype(np.int64)


def series_of(world: World, table: str) -> list[Bars]:
    """Return the bars of every symbol of a table."""
    layout = LAYOUTS[table]
    first = world[table].unique(layout.key, keep="first", maintain_order=True)
    found = []
    for (name,), rows in first.sort(*layout.key).group_by(layout.series, maintain_order=True):
        kept = rows.filter(pl.Series(~late_rows(times(rows, "known_at"))))
        found.append(
            Bars(
                str(name),
                ts=times(kept, "ts"),
                open_at=times(kept, "open_at"),
                known_at=times(kept, "known_at"),
                high=kept["high"].to_numpy(),
                close=kept["close"].to_numpy(),
                volume=kept["volume"].to_numpy(),
            )
        )
    return found


def cells_of(series: Iterable[Bars], values_of: Callable[[Bars], Float1D]) -> pl.DataFrame:
    """Return one value for each row, claimed to be known with the row."""
    return gathered((bar.name, bar.ts, values_of(bar), bar.known_at) for bar in series)


def gathered(parts: Iterable[tuple[str, Time1D, Float1D, Time1D]]) -> pl.DataFrame:
    """Return ``symbol, ts, value, known_at`` of all parts."""
    frames = [
        pl.DataFrame({"ts": ts, "value": value, "known_at": known_at}).select(
            pl.lit(name).alias("symbol"), "ts", "value", "known_at"
        )
        for name, ts, value, known_at in parts
        if ts.size
    ]
    aware = (
        pl.col(column).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for column in ("ts", "known_at")
    )
    return pl.concat(frames).with_columns(aware)


def decisions_over(bar: Bars) -> Time1D:
    """Return every H4 decision from a series' first label on."""
    first = bar.ts[0].astype("datetime64[D]").astype("datetime64[us]")
    return np.arange(first + CELL64, bar.ts[-1] + REACH, CELL64)


def newest_by(clock: Time1D, values: Float1D, decisions: Time1D) -> Float1D:
    """Return the value with the latest ``clock`` at or before each decision, NaN before the first."""
    order = np.argsort(clock, kind="stable")
    return np.concatenate([[np.nan], values[order]])[np.searchsorted(clock[order], decisions, side="right")]


def times(rows: pl.DataFrame, column: str) -> Time1D:
    """Return a column of instants, ``datetime64[us]``."""
    return rows[column].dt.replace_time_zone(None).to_numpy()
