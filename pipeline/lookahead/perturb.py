"""Other futures: source rows that became known after an instant are made up, taken away or exchanged.

What was known by then stays as it is, to the last bit; a world is source rows by table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from pipeline.arrays import Bool1D

World: TypeAlias = Mapping[str, pl.DataFrame]
"""Source rows by full name of their table, every version of them, each with ``known_at``."""

Mode = Literal["noise", "drop", "shuffle"]
MODES: tuple[Mode, ...] = ("noise", "drop", "shuffle")
"""Values made up, rows gone, values exchanged between rows."""

PRICES = ("open", "high", "low", "close")
CHAIN = ("price_usd", "fees_btc", "realized_cap_usd", "mvrv", "hash_rate_ths")
"""What may differ of a day of the chain; counts and coins are those of the schedule in any future."""
LATE = timedelta(days=4)
"""So much later than they were, at most, some of the noisy rows become known."""


@dataclass(frozen=True)
class Layout:
    """How the rows of one source table are laid out.

    Parameters
    ----------
    series
        The column that names what a row is about.
    key
        Columns that name a row.
    values
        What is made up or exchanged.
    """

    series: str
    key: tuple[str, ...]
    values: tuple[str, ...]


LAYOUTS: Mapping[str, Layout] = {
    "market.ohlcv_h4": Layout("symbol", ("symbol", "ts"), (*PRICES, "volume")),
    "market.ohlcv_daily": Layout("symbol", ("symbol", "ts"), (*PRICES, "volume")),
    "market.macro": Layout("series", ("series", "ts"), ("value",)),
    "market.corporate_actions": Layout("symbol", ("symbol", "ts", "kind"), ("value",)),
    "market.truth": Layout("scope", ("scope", "ts"), ("label",)),
    "chain.metrics_daily": Layout("feed", ("ts",), CHAIN),
}
"""The source tables.  A table that is not here cannot be perturbed, so a world that holds it is refused."""


@dataclass(frozen=True)
class Strength:
    """How far a future may differ.

    Parameters
    ----------
    noise
        Standard deviation of the logarithm by which values are multiplied.
    level
        The same for a factor common to a whole series: it reorders series by size.
    late
        How many noisy rows of a table become known later than they were, at most.
    gone
        Largest share of rows that are dropped one by one.
    cut
        Chance that a drop takes all that follows, of everything or of some series.
    revised
        Chance that noise comes with later versions of rows known before.
    reach
        Rows of a series are shuffled in blocks of so many; None: all of them.
    """

    noise: float = 0.5
    level: float = 2.0
    late: int = 3
    gone: float = 0.9
    cut: float = 0.3
    revised: float = 0.5
    reach: int | None = None


WILD = Strength()
"""For kernels, which take any price."""
MILD = Strength(noise=0.003, level=0.0, late=0, gone=0.01, cut=0.5, revised=0.0, reach=3)
"""For stores with checks, which would rightly stop at wild prices."""


def perturbed(
    world: World, at: datetime, mode: Mode, rng: np.random.Generator, strength: Strength = WILD
) -> dict[str, pl.DataFrame]:
    """Return the world with another future after ``at``.

    Parameters
    ----------
    world
        Source rows by table, columns as `LAYOUTS` says, ``known_at`` never NULL.
    at
        Every row with ``known_at <= at`` stays as it is.
    mode
        What happens to the others.
    rng
        Where the other future comes from.
    strength
        How far it may differ.

    Returns
    -------
    dict
        The same tables in the order of their keys, versions in the order in which they became known.
    """
    whole = bool(mode == "drop" and rng.random() < strength.cut)
    revisions = at + timedelta(hours=float(rng.integers(1, 240)))
    revise = bool(mode == "noise" and rng.random() < strength.revised)
    answer = {}
    for name, rows in world.items():
        layout = LAYOUTS[name]
        later = (rows["known_at"] > at).to_numpy()
        if mode == "drop":
            frame = rows.filter(pl.Series(~_gone(rows, layout, later, rng, strength, whole=whole)))
        elif mode == "shuffle":
            frame = _shuffled(rows, layout, later, rng, strength)
        else:
            frame = _noisy(rows, layout, later, rng, strength)
            if revise:
                old = _revised(rows.filter(pl.Series(~later)), layout, revisions, rng)
                frame = pl.concat([frame, old]).sort(*layout.key, "known_at", maintain_order=True)
        answer[name] = frame
    return answer


def forming_perturbed(world: World, at: datetime, rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """Return the world with other values in the bars that had opened by ``at`` and were not yet known."""
    answer = dict(world)
    for name in ("market.ohlcv_h4", "market.ohlcv_daily"):
        if name in world:
            forming = (world[name]["open_at"] <= at) & (world[name]["known_at"] > at)
            answer[name] = _noisy(world[name], LAYOUTS[name], forming.to_numpy(), rng, _FORMING)
    return answer


_FORMING = Strength(late=0)


def _noisy(
    rows: pl.DataFrame, layout: Layout, later: Bool1D, rng: np.random.Generator, strength: Strength
) -> pl.DataFrame:
    count = rows.height
    series, names = _series(rows, layout)
    changes = []
    factor = np.exp(rng.normal(0.0, strength.noise, count) + _levels(rng, names, strength)[series])
    for column in layout.values:
        if rows.schema[column] == pl.String:
            changes.append(_exchanged(rows, column, _order(series, later, rng, strength.reach)))
            continue
        if column == "volume":
            factor = np.exp(rng.normal(0.0, strength.noise, count) + _levels(rng, names, strength)[series])
        made_up = pl.Series(np.where(later, factor, 1.0))
        changes.append((pl.col(column) * made_up).alias(column))
    delay = np.zeros(count, np.int64)
    late = rng.permutation(np.flatnonzero(later))[: rng.integers(0, strength.late + 1)]
    delay[late] = rng.integers(1, LATE // timedelta(microseconds=1), late.size)
    changes.append(pl.col("known_at") + pl.Series(delay).cast(pl.Duration("us")))
    return rows.with_columns(changes)


def _gone(
    rows: pl.DataFrame,
    layout: Layout,
    later: Bool1D,
    rng: np.random.Generator,
    strength: Strength,
    *,
    whole: bool,
) -> Bool1D:
    series, names = _series(rows, layout)
    if whole:
        return later
    share = rng.uniform(0.0, strength.gone)
    ended = rng.random(names) < strength.cut / 2.0
    return later & ((rng.random(rows.height) < share) | ended[series])


def _shuffled(
    rows: pl.DataFrame, layout: Layout, later: Bool1D, rng: np.random.Generator, strength: Strength
) -> pl.DataFrame:
    series, _ = _series(rows, layout)
    order = _order(series, later, rng, strength.reach)
    return rows.with_columns(_exchanged(rows, column, order) for column in layout.values)


def _revised(known: pl.DataFrame, layout: Layout, when: datetime, rng: np.random.Generator) -> pl.DataFrame:
    """Return later versions of some rows: other values, known at ``when``."""
    numbers = [name for name in layout.values if known.schema[name].is_numeric()]
    newest = known.unique(layout.key, keep="last", maintain_order=True)
    chosen = newest.filter(pl.Series(rng.random(newest.height) < 0.02))  # noqa: PLR2004 - enough to be met
    factor = pl.Series(np.exp(rng.normal(0.0, 0.1, chosen.height)))
    changed = chosen.with_columns((pl.col(name) * factor).alias(name) for name in numbers)
    return changed.with_columns(pl.lit(when).cast(known.schema["known_at"]).alias("known_at"))


def _series(rows: pl.DataFrame, layout: Layout) -> tuple[np.ndarray, int]:
    """Return the number of each row's series, shape ``(rows,)``, and how many there are."""
    codes = rows[layout.series].rank("dense").to_numpy().astype(np.int64) - 1
    return codes, int(codes.max(initial=-1)) + 1


def _levels(rng: np.random.Generator, names: int, strength: Strength) -> np.ndarray:
    return rng.normal(0.0, 1.0, max(names, 1)) * strength.level


def _order(series: np.ndarray, later: Bool1D, rng: np.random.Generator, reach: int | None) -> np.ndarray:
    """Return a permutation of all rows that moves only later ones, each within its series."""
    order = np.arange(series.size)
    places = np.flatnonzero(later)
    places = places[np.argsort(series[places], kind="stable")]
    block = np.arange(places.size) // (reach or places.size or 1)
    order[places] = places[np.lexsort((rng.random(places.size), block, series[places]))]
    return order


def _exchanged(rows: pl.DataFrame, column: str, order: np.ndarray) -> pl.Series:
    return rows[column].gather(order)
