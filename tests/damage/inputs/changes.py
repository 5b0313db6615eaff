"""Damages as functions of clean rows and a generator of numbers: where they hit is drawn."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl

from tests.damage.inputs.case import Change

OHLC = ("open", "high", "low", "close")
ROW = pl.int_range(pl.len())
MARGIN = 60
"""Rows kept clean at both ends, so that rules know what is usual."""


def time_of(rows: pl.DataFrame) -> str:
    """Return the name of the column of labels."""
    return next(name for name in ("timestamp", "date", "ts") if name in rows.columns)


def place(rows: pl.DataFrame, rng: np.random.Generator, length: int = 1) -> int:
    """Draw the first row of a stretch of that length, clear of both ends."""
    margin = min(MARGIN, rows.height // 4)
    return int(rng.integers(margin, rows.height - margin - length))


def put(column: str, value: object) -> Change:
    """Put a value into one cell."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = place(rows, rng)
        return rows.with_columns(pl.when(at == ROW).then(value).otherwise(column).alias(column))

    return change


def scaled(factor: float, length: int | None, columns: tuple[str, ...] = OHLC, volume: float = 1.0) -> Change:
    """Multiply prices (and volume) from a row on, for so many rows or to the end."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = place(rows, rng, length or 1)
        hit = (at <= ROW) & (at + (length or rows.height) > ROW)
        factors = dict.fromkeys(columns, factor) | ({"volume": volume} if "volume" in rows.columns else {})
        return rows.with_columns(
            pl.when(hit).then(pl.col(c) * f).otherwise(c).alias(c) for c, f in factors.items()
        )

    return change


def stretch(length: int, made: Callable[[pl.DataFrame, int], list[pl.Expr]]) -> Change:
    """Replace columns on a stretch; ``made`` sees the rows and the place of the stretch."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = place(rows, rng, length)
        hit = ROW.is_between(at, at + length - 1)
        made_of = made(rows, at)
        return rows.with_columns(
            pl.when(hit).then(e).otherwise(e.meta.output_name()).alias(e.meta.output_name()) for e in made_of
        )

    return change


def straight(length: int, decimals: int | None = None) -> Change:
    """Draw a stretch with a ruler, as pandas' interpolate does, perhaps rounded."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = place(rows, rng, length)
        hit = ROW.is_between(at, at + length - 1)
        columns = [*OHLC, *(["volume"] if "volume" in rows.columns else [])]
        drawn = rows.with_columns(
            pl.when(hit).then(None).otherwise(c).alias(c) for c in columns
        ).with_columns(pl.col(c).interpolate() for c in columns)  # fmt: skip
        rounded = drawn if decimals is None else drawn.with_columns(pl.col(c).round(decimals) for c in OHLC)
        return rows.with_columns(pl.when(hit).then(rounded[c]).otherwise(c).alias(c) for c in columns)

    return change


def filled(length: int, volume: float | None) -> Change:
    """Carry the last close forward; volume is a number, or that of the row before."""

    def made(rows: pl.DataFrame, at: int) -> list[pl.Expr]:
        close = rows["close"].to_list()[at - 1]
        out = [pl.lit(close).alias(c) for c in OHLC]
        if "volume" in rows.columns:
            out.append(pl.lit(rows["volume"].to_list()[at - 1] if volume is None else volume).alias("volume"))
        return out

    return stretch(length, made)


def frozen(length: int) -> Change:
    """Repeat the prices of one row; volume goes on."""
    return stretch(length, lambda rows, at: [pl.lit(rows[c].to_list()[at - 1]).alias(c) for c in OHLC])


def no_volume(length: int) -> Change:
    """Let nothing trade."""
    return stretch(length, lambda _rows, _at: [pl.lit(0.0).alias("volume")])


def quote_volume(length: int) -> Change:
    """Give volume in the quote currency."""
    return stretch(length, lambda _rows, _at: [(pl.col("volume") * pl.col("close")).alias("volume")])


def dropped(length: int) -> Change:
    """Leave out rows."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = place(rows, rng, length)
        return rows.filter(~ROW.is_between(at, at + length - 1))

    return change


def again(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Deliver one row twice."""
    at = place(rows, rng)
    return pl.concat([rows[: at + 1], rows[at : at + 1], rows[at + 1 :]])


def again_otherwise(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Deliver one row twice, with another number in its last column but one."""
    at = place(rows, rng)
    column = "close" if "close" in rows.columns else rows.columns[-1]
    other = rows[at : at + 1].with_columns(pl.col(column) * 1.00001)
    return pl.concat([rows[: at + 1], other, rows[at + 1 :]])


def moved(by: timedelta, *, whole: bool = False, days: int = 0) -> Change:
    """Move one stamp, or all of them."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        name, at = time_of(rows), place(rows, rng)
        later = pl.col(name) + (timedelta(days=days) or by)
        return rows.with_columns(pl.when(pl.lit(whole) | (at == ROW)).then(later).otherwise(name).alias(name))

    return change


def reversed_order(rows: pl.DataFrame, _rng: np.random.Generator) -> pl.DataFrame:
    """Put the newest row first."""
    return rows.reverse()


def two_swapped(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Let two neighbours change places in the file."""
    at = place(rows, rng, 2)
    return pl.concat([rows[:at], rows[at + 1 : at + 2], rows[at : at + 1], rows[at + 2 :]])


def last_year(length: int, back: int) -> Change:
    """Deliver the prices of earlier rows under later labels."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = int(rng.integers(back, rows.height - length))
        old = rows[at - back : at - back + length].drop(time_of(rows))
        new = rows[at : at + length].select(time_of(rows))
        middle = pl.concat([new, old], how="horizontal").select(rows.columns)
        return pl.concat([rows[:at], middle, rows[at + length :]])

    return change


def blanked(share: float) -> Change:
    """Leave out the close of so many rows."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        gone = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(close=pl.when(gone).then(float("nan")).otherwise("close"))

    return change


def spiked(factor: float, column: str) -> Change:
    """Let one price, and the extreme it needs, leave the others; the order of OHLC is kept."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        at = place(rows, rng)
        hit = at == ROW
        out = rows.with_columns(pl.when(hit).then(pl.col(column) * factor).otherwise(column).alias(column))
        return out.with_columns(high=pl.max_horizontal(OHLC), low=pl.min_horizontal(OHLC))

    return change


def on_day(weekday: int) -> Change:
    """Add a row dated on that day of the week."""

    def change(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        days = rows.filter(pl.col("date").dt.weekday() == 5)
        friday = days[int(rng.integers(5, days.height - 5))]
        extra = friday.with_columns(pl.col("date") + pl.duration(days=weekday - 5))
        return pl.concat([rows, extra]).sort("date", maintain_order=True)

    return change
