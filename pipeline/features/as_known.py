"""Values computed from a history as far as it was known at each decision.

A row that arrives after later rows was missing until then, and whoever computed in between did so without
it: neither is it used before it is known, nor do the others wait for it: that would be knowing that it comes.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from pipeline.arrays import Bool1D, Float2D, Int1D, Time1D
from pipeline.market.panel import at_decisions


def late_rows(known_at: Time1D) -> Bool1D:
    """Return which rows, in the order of their labels, become known after a row that follows them."""
    late = np.zeros(known_at.size, np.bool_)
    if known_at.size:
        earliest_after = np.minimum.accumulate(known_at[::-1])[::-1]
        late[:-1] = known_at[:-1] > earliest_after[1:]
    return late


def at_each_decision(
    values_of: Callable[[Int1D], Float2D], known_at: Time1D, decisions: Time1D, features: int
) -> Float2D:
    """Return values of the newest row known at each decision, computed from the rows known by then.

    Parameters
    ----------
    values_of
        Computes values of the chosen rows, from these rows only: ``rows -> (features, rows.size)``.  Called
        once, and once more for every arrival of a late row.
    known_at
        Shape ``(n,)``, in the order of the labels.
    decisions
        Shape ``(bars,)``, ascending.
    features
        How many values a row has.

    Returns
    -------
    Float2D
        Shape ``(features, bars)``; NaN before the first row is known.
    """
    answer = np.full((features, decisions.size), np.nan)
    for rows, begin, end in _histories(known_at, decisions):
        held = np.maximum.accumulate(known_at[rows])
        latest = at_decisions(np.arange(rows.size, dtype=np.float64), held, decisions[begin:end])
        seen = np.flatnonzero(~np.isnan(latest))
        answer[:, begin + seen] = values_of(rows)[:, latest[seen].astype(np.int64)]
    return answer


def _histories(known_at: Time1D, decisions: Time1D) -> Iterator[tuple[Int1D, int, int]]:
    """Yield the rows that exist for decisions ``begin`` to ``end``, from one late arrival to the next."""
    if not known_at.size or not decisions.size:
        return
    late = late_rows(known_at)
    arrivals = np.unique(known_at[late])
    borders = [0, *np.searchsorted(decisions, arrivals, side="left"), decisions.size]
    for number, (begin, end) in enumerate(pairwise(borders)):
        if begin == end:
            continue
        pending = late & (known_at >= arrivals[number]) if number < arrivals.size else np.zeros_like(late)
        rows = np.flatnonzero(~pending & (known_at <= decisions[end - 1]))
        if rows.size:
            yield rows, int(begin), int(end)
