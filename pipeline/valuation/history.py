"""The history that valuation models read: consecutive UTC days of chain metrics, and when each row was known.

Rows are named by their day.  ``price_usd`` of a day is the price at its END.  NaN is unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Int1D, Time1D
from pipeline.errors import InsufficientDataError, SchemaError, TimestampError

if TYPE_CHECKING:
    import polars as pl

DAY = np.timedelta64(1, "D")
LONGEST_LAG = np.timedelta64(2, "D")
"""A row that comes later than this after the end of its day no longer holds up the next day's forecast."""


@dataclass(frozen=True, eq=False)
class ChainHistory:
    """Consecutive days of chain metrics.

    Parameters
    ----------
    date
        ``datetime64[D]``, shape ``(n,)``: every day once, in order, none left out.
    known_at
        ``datetime64[us]`` UTC, shape ``(n,)``: when each row could be known.
    columns
        By the names of ``chain.metrics_daily``, float64 of shape ``(n,)``; NaN is unknown.

    Raises
    ------
    TimestampError
        When the days are not consecutive, or a row was known before its day ended.
    SchemaError
        When an array has another length or kind.
    """

    date: Time1D
    known_at: Time1D
    columns: Mapping[str, Float1D]

    def __post_init__(self) -> None:
        if self.date.dtype != "datetime64[D]" or self.known_at.dtype != "datetime64[us]":
            raise SchemaError(
                "the times of a chain history are of another kind",
                "date, known_at",
                (str(self.date.dtype), str(self.known_at.dtype)),
                "datetime64[D] and datetime64[us]",
            )
        for name, values in {"known_at": self.known_at, **self.columns}.items():
            if values.shape != self.date.shape:
                raise SchemaError(
                    "a column has another length", name, values.shape, f"{self.date.shape} values"
                )
        if np.any(np.diff(self.date) != DAY):
            wrong = self.date[1:][np.diff(self.date) != DAY][0]
            raise TimestampError(
                "the days are not consecutive", "date", str(wrong), "each day once, in order", "sort and fill"
            )
        if np.any(self.known_at < self.date + DAY):
            wrong = self.date[self.known_at < self.date + DAY][0]
            raise TimestampError(
                "a row is known before its day has ended", "known_at", str(wrong), "known_at >= the day's end"
            )

    @classmethod
    def from_frame(cls, frame: "pl.DataFrame") -> "ChainHistory":
        """Return the history of rows of ``chain.metrics_daily`` as of one instant.

        Parameters
        ----------
        frame
            Columns ``ts`` (00:00 UTC of the day), ``known_at``, and any numbers.  Rows may come in any order;
            a day that is left out becomes a row of unknowns, known to be missing when the next one came.
            An infinite number is unknown, and so is a price that is not above 0.

        Raises
        ------
        SchemaError
            When ``ts`` or ``known_at`` is missing or holds nulls.
        TimestampError
            When a day stands twice, or `ChainHistory` refuses the rows.
        InsufficientDataError
            When there is no row.
        """
        for name in ("ts", "known_at"):
            if name not in frame.columns or frame[name].null_count():
                raise SchemaError(
                    "a chain history lacks a time", name, None, f"a column {name} without nulls"
                )
        if frame.is_empty():
            raise InsufficientDataError("there is no chain history", "chain.metrics_daily", 0, ">= 1 row")
        frame = frame.sort("ts")
        days = frame["ts"].dt.replace_time_zone(None).to_numpy().astype("datetime64[D]")
        repeated = np.flatnonzero(np.diff(days) == np.timedelta64(0, "D"))
        if repeated.size:
            raise TimestampError("a day stands twice", "ts", str(days[repeated[0]]), "each day once")
        whole = np.arange(days[0], days[-1] + DAY)
        at = (days - days[0]).astype(np.int64)
        came = frame["known_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
        known_at = came[np.searchsorted(at, np.arange(whole.size))]
        columns: dict[str, Float1D] = {}
        for name in frame.columns:
            if name in {"ts", "known_at"} or not frame[name].dtype.is_numeric():
                continue
            told = frame[name].cast(float).fill_null(float("nan")).to_numpy()
            good = np.isfinite(told) & ((told > 0.0) | (name != "price_usd"))
            columns[name] = np.full(whole.size, np.nan)
            columns[name][at[good]] = told[good]
        return cls(whole, known_at, MappingProxyType(columns))

    @property
    def n(self) -> int:
        """Number of days."""
        return self.date.size

    def column(self, name: str) -> Float1D:
        """Return one column.

        Raises
        ------
        SchemaError
            When the history does not have it.
        """
        if name not in self.columns:
            raise SchemaError(
                "the chain history lacks a column",
                name,
                sorted(self.columns),
                "the columns of chain.metrics_daily",
                "choose a chain source that delivers it",
            )
        return self.columns[name]

    def before(self, day: date | np.datetime64) -> "ChainHistory":
        """Return the rows dated before a day."""
        return self._part(slice(0, int(self.index(day))))

    def since(self, day: date | np.datetime64) -> "ChainHistory":
        """Return the rows of a day and later."""
        return self._part(slice(int(self.index(day)), None))

    def known_by(self, instant: datetime | np.datetime64) -> "ChainHistory":
        """Return what was known at an instant: later rows at the end go, later ones between are unknown."""
        zoned = isinstance(instant, datetime)  # numpy knows no zones
        then = np.asarray(
            instant.astimezone(UTC).replace(tzinfo=None) if zoned else instant, "datetime64[us]"
        )
        late = self.known_at > then
        if not late.any():
            return self
        kept = int(np.flatnonzero(~late)[-1]) + 1 if not late.all() else 0
        part = self._part(slice(0, kept))
        return part._without(late[:kept])  # noqa: SLF001 - of its own class

    def at_origin(self, day: date | np.datetime64) -> "ChainHistory":
        """Return what a forecast of origin ``day`` may read.

        The forecast is made when the row of the day before is known, two days after that day's end at the
        latest: rows dated before ``day`` that were known by then.
        """
        rows = self.before(day)
        return rows.known_by(self.made_at(day)) if rows.n else rows

    def made_at(self, days: Any) -> Any:
        """Return when the forecast of each origin is made, ``datetime64[us]``.

        With the newest row before it, two days after that day at the latest; an origin before all rows
        counts as the first day with one.
        """
        row = np.maximum(self.index(days) - 1, 0)
        return np.minimum(self.known_at[row], self.date[row] + DAY + LONGEST_LAG)

    def index(self, days: Any) -> Any:
        """Return where each day stands, clipped to 0 and n (n is "after the last row")."""
        if not self.n:
            return np.zeros_like(np.asarray(days), dtype=np.int64)[()]
        offset = (np.asarray(days, "datetime64[D]") - self.date[0]).astype(np.int64)
        return np.clip(offset, 0, self.n)[()]

    def values_at(self, name: str, days: Time1D) -> Float1D:
        """Return a column at given days; NaN where the history has no such row."""
        values, where = self.column(name), rows_of(self, days)
        found = values[np.clip(where, 0, max(self.n - 1, 0))] if self.n else np.full(where.shape, np.nan)
        return np.where(where >= 0, found, np.nan)

    def timely(self, origins: Time1D) -> Bool1D:
        """Return whether the row before each origin exists and came no later than two days after its day."""
        where = rows_of(self, origins - DAY)
        if not self.n:
            return np.zeros(where.shape, np.bool_)
        soon = self._soon()
        return np.asarray((where >= 0) & soon[np.clip(where, 0, self.n - 1)])

    def states(self, origins: Time1D) -> "Iterator[tuple[Int1D, ChainHistory]]":
        """Yield places of timely origins, and the history as it was known when those forecasts were made.

        A row is unknown to the origins whose row of the day before came earlier than it, and to no others.
        """
        where = np.flatnonzero(self.timely(origins))
        newest = rows_of(self, origins[where] - DAY)
        waiting = np.maximum.accumulate(self.known_at)[newest] > self.known_at[newest]
        yield where[~waiting], self
        groups: dict[bytes, list[int]] = {}
        for place, row in zip(where[waiting], newest[waiting], strict=True):
            unknown = np.zeros(self.n, np.bool_)
            unknown[: row + 1] = self.known_at[: row + 1] > self.known_at[row]
            groups.setdefault(unknown.tobytes(), []).append(int(place))
        for unknown, places in groups.items():
            yield np.array(places, np.int64), self._without(np.frombuffer(unknown, np.bool_))

    def _soon(self) -> Bool1D:
        return self.known_at <= self.date + DAY + LONGEST_LAG

    def _part(self, rows: slice) -> "ChainHistory":
        return ChainHistory(
            self.date[rows], self.known_at[rows], {name: v[rows] for name, v in self.columns.items()}
        )

    def _without(self, late: Bool1D) -> "ChainHistory":
        if not late.any():
            return self
        columns = {name: np.where(late, np.nan, values) for name, values in self.columns.items()}
        return ChainHistory(self.date, self.known_at, columns)


def rows_of(history: ChainHistory, days: Time1D) -> Int1D:
    """Return the row of each day, -1 where there is none."""
    if not history.n:
        return np.full(np.shape(days), -1, np.int64)
    offset = (np.asarray(days, "datetime64[D]") - history.date[0]).astype(np.int64)
    return np.where((offset >= 0) & (offset < history.n), offset, -1)
