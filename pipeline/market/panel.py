"""Bars of several assets on one gapless H4 axis, and the one join by what was known when.

A value reaches a decision only by its ``known_at``, never by its label.  Nothing is filled forward here
but by `at_decisions`, and nothing is computed from prices (`pipeline.features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from pipeline.arrays import Bool2D, Float1D, Float2D, Time1D, Time2D
from pipeline.calendar.grid import CELL64, cells, decisions_at
from pipeline.errors import SchemaError, TimestampError
from pipeline.market.bars import UTC_TIME
from pipeline.market.flows import Flows

_NAT = np.datetime64("NaT", "us")
_TIMES = ("open_at", "close_at", "known_at")
_VALUES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False)
class Panel:
    """Bars of several assets on the H4 axis; NaN and NaT where an asset has no bar in a cell.

    Attributes
    ----------
    symbols
        One per column.
    ts
        Labels of all cells of the window without a hole, shape ``(bars,)``, ``datetime64[us]`` UTC.
    open_at, close_at, known_at
        Shape ``(bars, assets)``, ``datetime64[us]``.
    open, high, low, close, volume
        Shape ``(bars, assets)``, float64, C order, in the quote currency and in units traded.
    flows
        Dividends, splits and interest on the same cells; None where nobody asked for them.
    """

    symbols: tuple[str, ...]
    ts: Time1D
    open_at: Time2D
    close_at: Time2D
    known_at: Time2D
    open: Float2D
    high: Float2D
    low: Float2D
    close: Float2D
    volume: Float2D
    flows: Flows | None = None

    @property
    def n_bars(self) -> int:
        """Number of cells."""
        return self.ts.size

    @property
    def n_assets(self) -> int:
        """Number of columns."""
        return len(self.symbols)

    @property
    def decisions(self) -> Time1D:
        """The decision instant of each cell, ``ts + 4 h``, shape ``(bars,)``."""
        return self.ts + CELL64

    @property
    def present(self) -> Bool2D:
        """Where an asset has a bar, shape ``(bars, assets)``."""
        return ~np.isnat(self.close_at)

    def upto(self, i: int) -> "Panel":
        """Return the panel that ends with bar ``i``, views on the same memory.

        Raises
        ------
        IndexError
            When there is no bar ``i`` (negative numbers are not counted from the end).
        """
        if not 0 <= i < self.n_bars:
            raise IndexError(f"bar {i} of {self.n_bars}")
        arrays = (getattr(self, name)[: i + 1] for name in ("ts", *_TIMES, *_VALUES))
        return Panel(self.symbols, *arrays, flows=None if self.flows is None else self.flows.upto(i))


def build_panel(bars_h4: pl.DataFrame, symbols: Sequence[str], start: datetime, end: datetime) -> Panel:
    """Lay bars out on all cells of ``[start, end)``.

    Parameters
    ----------
    bars_h4
        Rows of `pipeline.market.bars.BAR_SCHEMA`; other symbols and other times are left out.
    symbols
        The columns, in this order; one without any bar is a column of NaN.
    start, end
        On the grid.

    Raises
    ------
    SchemaError
        When a column is missing or a symbol is named twice.
    TimestampError
        When a bound or a label is off the grid, or a symbol has two bars in one cell.
    """
    names = tuple(symbols)
    if len(set(names)) != len(names):
        raise SchemaError("a symbol is named twice", "symbols", list(names), "distinct symbols")
    ts = cells(start, end)
    taken = _select(bars_h4, names, start, end)
    row, column = _places(taken, ts, names)
    shape = (ts.size, len(names))
    arrays: dict[str, np.ndarray] = {}
    for name in _TIMES:
        arrays[name] = np.full(shape, _NAT)
        arrays[name][row, column] = taken[name].dt.replace_time_zone(None).to_numpy()
    for name in _VALUES:
        arrays[name] = np.full(shape, np.nan)
        arrays[name][row, column] = taken[name].to_numpy()
    open_at, close_at, known_at = (arrays[name] for name in _TIMES)
    open_, high, low, close, volume = (arrays[name] for name in _VALUES)
    return Panel(names, ts, open_at, close_at, known_at, open_, high, low, close, volume)


def at_decisions(values: Float1D, known_at: Time1D, decisions: Time1D) -> Float1D:
    """Return the last value known at or before each decision, NaN where there is none yet.

    Parameters
    ----------
    values
        Shape ``(n,)``; a NaN is a value like any other: the last thing known is that nothing is known.
    known_at
        Shape ``(n,)``, never decreasing; of two values known at once the later row counts.
    decisions
        Shape ``(bars,)``, in any order.

    Raises
    ------
    TimestampError
        When ``known_at`` goes back or holds NaT, or a decision is NaT.

    Examples
    --------
    >>> known = np.array(["2024-07-01T20:15", "2024-07-02T20:15"], "datetime64[us]")
    >>> when = np.array(["2024-07-01T20:00", "2024-07-02T00:00", "2024-07-03T00:00"], "datetime64[us]")
    >>> at_decisions(np.array([1.0, 2.0]), known, when)
    array([nan,  1.,  2.])
    """
    if values.shape != known_at.shape:
        raise SchemaError("one known_at per value", "known_at", known_at.shape, f"shape {values.shape}")
    if np.isnat(known_at).any() or np.isnat(decisions).any():
        raise TimestampError("an instant is missing", "known_at", "NaT", "known instants")
    if (np.diff(known_at) < np.timedelta64(0, "us")).any():
        raise TimestampError("known_at goes back", "known_at", None, "never decreasing", "sort by known_at")
    latest = np.searchsorted(known_at, decisions, side="right")
    return np.concatenate([[np.nan], values])[latest]


def _select(bars: pl.DataFrame, names: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
    _require_columns(bars, ("symbol", "ts", *_TIMES, *_VALUES))
    for name in ("ts", *_TIMES):
        if bars.schema[name] != UTC_TIME:
            raise SchemaError("a column has the wrong type", name, str(bars.schema[name]), str(UTC_TIME))
    inside = pl.col("symbol").is_in(names) & (pl.col("ts") >= start) & (pl.col("ts") < end)
    return bars.lazy().select("symbol", "ts", *_TIMES, *_VALUES).filter(inside).collect()


def _places(taken: pl.DataFrame, ts: Time1D, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    labels = taken["ts"].dt.replace_time_zone(None).to_numpy()
    decisions_at(labels)  # names the first label off the grid
    row = ((labels - ts[0]) // CELL64).astype(np.int64) if labels.size else np.zeros(0, np.int64)
    position = pl.Series(taken["symbol"]).replace_strict(
        list(names), list(range(len(names))), return_dtype=pl.Int64
    )
    column = position.to_numpy()
    place = row * len(names) + column
    counts = np.bincount(place, minlength=1)
    if counts.max(initial=0) > 1:
        double = int(np.argmax(counts > 1))
        raise TimestampError(
            "two bars in one cell",
            "ts",
            f"{names[double % len(names)]} {ts[double // len(names)]}",
            "one bar per symbol and cell",
            "run the validation first: it quarantines duplicates",
        )
    return row, column


def _require_columns(frame: pl.DataFrame, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in frame.columns:
            raise SchemaError("a required column is missing", name, sorted(frame.columns), ", ".join(names))
