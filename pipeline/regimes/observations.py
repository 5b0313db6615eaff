"""What classifiers read: every version of an input's values, and what of it was known at each decision.

One idea: a decision sees the newest version of each value known by then, in the order of the labels, and
whatever is computed is computed from these alone.  A late or corrected value changes what follows from its
own ``known_at`` on, never before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D, Time1D
from pipeline.calendar.stale import GIVE_UP_AFTER, closes_missed
from pipeline.errors import SchemaError
from pipeline.features.as_known import late_rows

_EPOCH = np.datetime64(0, "us")
_TICK = np.timedelta64(1, "us")


@dataclass(frozen=True, eq=False)
class Observations:
    """One input: its values in all their versions, and which values its calendar expects.

    Attributes
    ----------
    ts
        Session, UTC day or reference period of each version, ascending, shape ``(n,)``, ``datetime64[us]``.
    known_at
        When the world could know it; ascending among versions of one label.
    values
        In the units of the series.
    expected_ts, expected_known_at
        The same of every value that the calendar expects, shape ``(m,)``.

    Raises
    ------
    SchemaError
        When shapes differ, an instant or a value is missing, or the versions are out of order.
    """

    ts: Time1D
    known_at: Time1D
    values: Float1D
    expected_ts: Time1D
    expected_known_at: Time1D

    def __post_init__(self) -> None:
        if not self.ts.shape == self.known_at.shape == self.values.shape:
            raise SchemaError("one instant and one value per label", "values", self.values.shape, "one shape")
        if np.isnat(self.ts).any() or np.isnat(self.known_at).any() or np.isnan(self.values).any():
            raise SchemaError("an observation lacks something", "values", None, "known labels and numbers")
        steps, later = np.diff(self.ts), np.diff(self.known_at)
        nothing = np.timedelta64(0, "us")
        if ((steps < nothing) | ((steps == nothing) & (later < nothing))).any():
            raise SchemaError("versions are out of order", "ts", None, "sorted by ts, then known_at")

    @property
    def n(self) -> int:
        """Number of versions."""
        return self.ts.size

    def missed(self, decisions: Time1D) -> Float1D:
        """Return how many expected values are overdue at each decision, NaN before the first is known."""
        return closes_missed(self.ts, self.known_at, self.expected_ts, self.expected_known_at, decisions)

    def given_up(self, decisions: Time1D) -> np.ndarray:
        """Tell for each decision whether so many values are missed that the last one no longer counts."""
        return self.missed(decisions) >= GIVE_UP_AFTER


def counted_by(instants: Time1D, decisions: Time1D) -> Int1D:
    """Return how many of the instants have come by each decision; both ascend."""
    first_seen = np.searchsorted(decisions, instants, side="left")
    return np.cumsum(np.bincount(first_seen, minlength=decisions.size + 1)[: decisions.size])


def nothing() -> Observations:
    """Return an input that nobody ever saw."""
    none = np.array([], "datetime64[us]")
    return Observations(none, none, np.array([]), none, none)


def as_number(times: Time1D) -> Float1D:
    """Return instants as microseconds since 1970, exact in float64 until the year 2255; NaT is NaN."""
    numbers = ((times - _EPOCH) / _TICK).astype(np.float64)
    return np.where(np.isnat(times), np.nan, numbers)


def as_time(numbers: Float1D) -> Time1D:
    """Return the inverse of `as_number`."""
    times = np.full(numbers.shape, np.datetime64("NaT", "us"))
    known = ~np.isnan(numbers)
    times[known] = numbers[known].astype(np.int64).astype("datetime64[us]")
    return times


def carried(
    series: Observations, decisions: Time1D, values_of: Callable[[Int1D], Float2D], width: int
) -> Float2D:
    """Return what belongs to the newest value known at each decision.

    Parameters
    ----------
    series
        The input.
    decisions
        Shape ``(bars,)``, ascending.
    values_of
        Computes ``width`` numbers for each of the chosen versions, from these only: ``rows -> (width,
        rows.size)``.  Called once, and once more for every arrival that is late or corrects a value.
    width
        How many numbers there are.

    Returns
    -------
    Float2D
        Shape ``(width, bars)``; NaN before the first value is known.
    """
    answer = np.full((width, decisions.size), np.nan)
    for rows, begin, end in _histories(series, decisions):
        held = np.maximum.accumulate(series.known_at[rows])
        newest = counted_by(held, decisions[begin:end]) - 1
        seen = np.flatnonzero(newest >= 0)
        answer[:, begin + seen] = values_of(rows)[:, newest[seen]]
    return answer


def _histories(series: Observations, decisions: Time1D) -> Iterator[tuple[Int1D, int, int]]:
    """Yield the versions that count for decisions ``begin`` to ``end``, from one late arrival to the next."""
    if not series.n or not decisions.size:
        return
    known_at = series.known_at
    again = np.concatenate([[False], series.ts[1:] == series.ts[:-1]])
    late = late_rows(known_at) | again
    arrivals = np.unique(known_at[late])
    borders = [0, *np.searchsorted(decisions, arrivals, side="left"), decisions.size]
    for number, (begin, end) in enumerate(pairwise(borders)):
        if begin == end:
            continue
        pending = late & (known_at >= arrivals[number]) if number < arrivals.size else np.zeros_like(late)
        rows = np.flatnonzero(~pending & (known_at <= decisions[end - 1]))
        if rows.size:
            newest = np.concatenate([series.ts[rows][1:] != series.ts[rows][:-1], [True]])
            yield rows[newest], int(begin), int(end)
