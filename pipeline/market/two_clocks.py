"""What was known when, kept in plain Python from the deliveries alone: the truth that a warehouse must match.

It follows the rules as the design states them, one row at a time, and shares no code with the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
import polars.selectors as cs

from pipeline.market.bars import STATES

MOST_PLACES = 20
"""So many differing cells are named; all are counted."""


class _Version(NamedTuple):
    known: int
    place: int
    values: tuple[Any, ...]
    grade: tuple[int, int]


@dataclass
class KnownHistory:
    """Every version of one table's rows, by key.

    Parameters
    ----------
    key
        Columns that identify a row.
    uncompared
        Columns whose difference makes no version.
    """

    key: tuple[str, ...]
    uncompared: tuple[str, ...] = ("source",)
    _delivered: list[pl.DataFrame] = field(default_factory=list)
    _versions: dict[tuple[Any, ...], list[_Version]] = field(default_factory=dict)

    def deliver(self, rows: pl.DataFrame, now: datetime, *, dated: bool = False) -> None:
        """Take what was stored at ``now``.

        Parameters
        ----------
        rows
            With ``known_at``; bars with ``state`` and ``covered_minutes``.
        now
            When it was stored.
        dated
            Whether ``known_at`` is the publisher's own word for every value: then it stands, and only a
            row of the same ``known_at`` can be a repetition.
        """
        offset = sum(frame.height for frame in self._delivered)
        self._delivered.append(rows)
        plain = rows.with_columns(cs.datetime().to_physical())
        aside = {*self.key, *self.uncompared, "known_at"}
        values = plain.select(name for name in plain.columns if name not in aside).rows()
        instant = pl.Series([now], dtype=pl.Datetime("us", "UTC")).to_physical().item()
        places = range(offset, offset + rows.height)
        keys, known, grades = plain.select(self.key).rows(), plain["known_at"].to_list(), _grades(rows)
        for place, key, at, value, grade in zip(places, keys, known, values, grades, strict=True):
            versions = self._versions.setdefault(key, [])
            if dated:
                same = [version for version in versions if version.known == at]
                if not same or same[-1].values != value:
                    versions.append(_Version(at, place, value, grade))
            elif not versions:
                versions.append(_Version(at, place, value, grade))
            else:
                newest = max(versions)
                if newest.values != value and grade >= newest.grade:
                    versions.append(_Version(max(at, instant, newest.known), place, value, grade))

    def as_of(self, at: datetime) -> pl.DataFrame:
        """Return the newest version of each key that was known at ``at``, sorted by key."""
        instant = pl.Series([at], dtype=pl.Datetime("us", "UTC")).to_physical().item()
        chosen = [
            max(known)[:2]
            for versions in self._versions.values()
            if (known := [version for version in versions if version.known <= instant])
        ]
        when = pl.Series("known_at", [known for known, _ in chosen], pl.Int64)
        rows = pl.concat(self._delivered)[[place for _, place in chosen]]
        return rows.with_columns(when.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).sort(self.key)


def _grades(rows: pl.DataFrame) -> Sequence[tuple[int, int]]:
    """Return how complete each row is: its state, then the minutes it covers."""
    if "state" not in rows.columns:
        return [(0, 0)] * rows.height
    states = [STATES.index(state) for state in rows["state"]]
    return list(zip(states, rows["covered_minutes"].to_list(), strict=True))


def differing_cells(
    expected: pl.DataFrame, found: pl.DataFrame, key: Sequence[str]
) -> tuple[int, int, list[dict[str, Any]]]:
    """Compare two frames cell by cell.

    Returns
    -------
    tuple
        Cells compared, cells that differ (all of a row that one frame lacks), and the first of them as
        ``row, column, expected, found``.
    """
    columns = expected.columns
    found = found.select(columns)
    cells = len(columns) * max(expected.height, found.height)
    if expected.equals(found):
        return cells, 0, []
    sides = (f.with_columns(there=pl.lit(value=True)) for f in (expected, found))
    both = next(sides).join(next(sides), on=key, how="full", suffix="_found", coalesce=True)
    lacking = both["there"].is_null() | both["there_found"].is_null()
    alone = both.filter(lacking)
    wrong = alone.height * len(columns)
    places = [
        _place(row, key, None, row["there"] or False, row["there_found"] or False)
        for row in alone.head(MOST_PLACES).to_dicts()
    ]
    for name in (name for name in columns if name not in key):
        off = both.filter(~lacking & pl.col(name).ne_missing(pl.col(f"{name}_found")))
        wrong += off.height
        places += [
            _place(row, key, name, row[name], row[f"{name}_found"])
            for row in off.head(MOST_PLACES).to_dicts()
        ]
    return cells, wrong, places[:MOST_PLACES]


def _place(row: dict[str, Any], key: Sequence[str], column: str | None, *values: Any) -> dict[str, Any]:
    where = {name: row[name] for name in key}
    return {"row": where, "column": column, "expected": values[0], "found": values[1]}
