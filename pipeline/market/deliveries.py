"""A seeded history of deliveries as a bad year brings them: late, provisional, revised, repeated, torn.

Honest rows go in, and out come the frames in which a source would have handed them over, in time order.  What
a store should make of them is `two_clocks`' business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Int1D
from pipeline.market.bars import PRICES, BarState
from pipeline.seeds import stream

FIRST, LATE, LESSER, REVISED, AGAIN = 0.06, 0.04, 0.02, 0.03, 0.05
"""Shares of bars that come unfinished first, late, less complete afterwards, revised, and once more."""
MOST_STEPS = 80
TARDY, UNKNOWN = 0.3, 0.03
"""Shares of published values that reach us late, and that the publisher leaves blank."""
SPLIT = 0.5
"""Factor by which the whole history of some symbols is restated."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Delivery:
    """What a source hands over at one instant for one table.

    Parameters
    ----------
    at
        When it is stored.
    table
        ``h4``, ``daily`` or ``macro``.
    rows
        In the columns of the table's frame, in no particular order; equal rows may repeat.
    dies
        Whether the writer dies before the write is whole.
    """

    at: datetime
    table: str
    rows: pl.DataFrame
    dies: bool = False


def deliveries(frames: Mapping[str, pl.DataFrame], *, seed: int) -> list[Delivery]:
    """Return deliveries of ``frames`` (``h4``, ``daily``, ``macro``) in steps of equal length.

    Macro series alternate between those with vintages (``as_published``) and those without.
    """
    known = pl.concat([frame["known_at"] for frame in frames.values()]).sort().to_list()
    steps = min(MOST_STEPS, 2 + len(known) // 40)
    begin, stride = known[0], (known[-1] - known[0]) / (steps - 1)
    made: list[Delivery] = []
    for offset, (table, frame) in enumerate(sorted(frames.items())):
        rng = stream(seed, f"deliveries of {table}")
        base = frame.sort("known_at")
        natural = np.ceil((base["known_at"] - begin) / stride).cast(pl.Int64).to_numpy()
        rows = _published(base, begin, stride, rng) if table == "macro" else _events(base, natural, rng)
        start = begin + offset * _MINUTE + _MINUTE
        made += [
            Delivery(start + step * stride, table, _shuffled(part.drop("step"), rng))
            for (step,), part in rows.sort("step").group_by("step", maintain_order=True)
        ]
        if table != "macro":
            made += _restated(base, table)
    return sorted(made, key=lambda delivery: delivery.at)


def _events(base: pl.DataFrame, natural: Int1D, rng: np.random.Generator) -> pl.DataFrame:
    """Return the bars of every step, each as it comes in that step."""
    n = base.height
    every = np.arange(n)
    first = natural + (rng.random(n) < LATE) * rng.integers(1, 20, n)
    kind = rng.random(n)
    final = first + (kind < FIRST) * rng.integers(1, 4, n)
    lesser, revised, again = (np.flatnonzero(rng.random(n) < share) for share in (LESSER, REVISED, AGAIN))
    corrected = final[revised] + rng.integers(1, 30, revised.size)
    back = rng.random(revised.size) < 1 / 3
    after = rng.integers(1, 10, n)
    provisional, imputed = (
        np.flatnonzero(kind < 0.8 * FIRST),
        np.flatnonzero((kind >= 0.8 * FIRST) & (kind < FIRST)),
    )
    third = np.array_split(lesser, 3)
    parts = [
        _as(base, provisional, first[provisional], BarState.PROVISIONAL, 1.001),
        _as(base, imputed, first[imputed], BarState.IMPUTED, 0.999),
        _as(base, every, final),
        _as(base, third[0], (final + after)[third[0]], BarState.PROVISIONAL, 1.002),
        _as(base, third[1], (final + after)[third[1]], BarState.IMPUTED, 1.003),
        _as(base, third[2], (final + after)[third[2]], factor=1.004, covered=0.5),
        _as(base, revised, corrected, factor=1.01),
        _as(base, revised[back], (corrected + after[revised])[back]),
        _as(base, again, (final + after)[again]),
    ]
    once = pl.concat(parts).unique(["step", "symbol", "ts"], keep="first", maintain_order=True)
    return once.with_columns(source=pl.format("step {}", "step"))


def _as(
    base: pl.DataFrame,
    rows: Int1D,
    step: Int1D,
    state: BarState = BarState.FINAL,
    factor: float = 1.0,
    covered: float = 1.0,
) -> pl.DataFrame:
    return base[rows].with_columns(
        pl.Series("step", step, pl.Int64),
        pl.col(*PRICES, "volume") * factor,
        (pl.col("covered_minutes") * covered).cast(pl.Int32),
        state=pl.lit(str(state)),
    )


def _restated(base: pl.DataFrame, table: str) -> list[Delivery]:
    """Return the restated history of a third of the symbols, twice: the first writer dies."""
    when = base["known_at"].to_list()[int(0.6 * base.height)] + 30 * _MINUTE
    symbols = base["symbol"].unique().sort()
    split = pl.col("symbol").is_in(symbols.head(-(-symbols.len() // 3)).implode())
    rows = base.filter(split, pl.col("known_at") <= when).with_columns(
        pl.col(PRICES) * SPLIT, adjustment=pl.lit("split"), source=pl.lit("restated")
    )
    return [Delivery(when, table, rows, dies=True), Delivery(when + _MINUTE, table, rows)]


def _published(
    base: pl.DataFrame, begin: datetime, stride: timedelta, rng: np.random.Generator
) -> pl.DataFrame:
    """Return the values of every step: several vintages of a period, or a value that changes."""
    names = base["series"].unique().sort().to_list()
    vintaged = pl.col("series").is_in(names[::2])
    rounds = []
    for number in range(4):
        some = base.filter(pl.Series(rng.random(base.height) < (1.0 if number == 0 else 0.5)))
        change = rng.choice([1.0, 1.01, 0.98], some.height) if number else np.ones(some.height)
        rounds.append(_vintage(some, number, change, rng))
    told = pl.concat(rounds)
    late = pl.Series((rng.random(told.height) < TARDY) * rng.integers(1, 25, told.height))
    step = ((pl.col("appeared") - begin) / stride).ceil().cast(pl.Int64) + late
    known = pl.when(vintaged).then("appeared").otherwise("known_at")
    vintage = pl.when(vintaged).then(pl.lit("as_published")).otherwise(pl.lit("latest_revision"))
    rows = told.with_columns(step=step, known_at=known, vintage=vintage).drop("appeared")
    wrong = rows.filter(pl.Series(rng.random(rows.height) < AGAIN)).with_columns(
        pl.col("step") + 3, pl.col("value") * 1.5
    )
    once = pl.concat([rows, wrong]).unique(
        ["step", "series", "ts", "known_at"], keep="first", maintain_order=True
    )
    dated = once.filter(vintaged)
    undated = once.filter(~vintaged).unique(["step", "series", "ts"], keep="first", maintain_order=True)
    return pl.concat([dated, undated]).with_columns(source=pl.format("step {}", "step"))


def _vintage(some: pl.DataFrame, number: int, change: Float1D, rng: np.random.Generator) -> pl.DataFrame:
    days = (rng.integers(1, 40, some.height) + 40 * (number - 1)) * (number > 0)
    unknown = pl.Series(rng.random(some.height) < UNKNOWN)
    return some.with_columns(
        appeared=pl.col("known_at") + pl.Series(days * np.timedelta64(1, "D").astype("timedelta64[us]")),
        value=pl.when(unknown).then(None).otherwise(pl.col("value") * pl.Series(change)),
    )


def _shuffled(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the rows in any order, the first of them twice."""
    order = rng.permutation(rows.height)
    return rows[np.append(order, order[:1])]
