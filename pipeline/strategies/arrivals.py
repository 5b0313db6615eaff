"""When a scan over bars may move: which decisions learn of a new bar, and how many bars were known by then.

A strategy that remembers counts bars, not cells: a weekend is no time, and a bar that arrives late is news
when it arrives.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.arrays import Int2D, Int8
from pipeline.calendar.grid import CELL64
from pipeline.features.compute import LONGEST_HOLE
from pipeline.strategies.kernel import FORGOTTEN, NEW_BAR

if TYPE_CHECKING:
    from pipeline.strategies.context import Context

_LONGEST = int(LONGEST_HOLE / CELL64)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """What each decision learns of each asset's bars.

    Attributes
    ----------
    news
        ``NEW_BAR`` where the newest known bar is newer than at the decision before, ``FORGOTTEN`` where none
        is known or the newest lies more than ten days back, else ``NOTHING``; shape ``(bars, assets)``.
    known
        Bars known by each decision, shape ``(bars, assets)``.
    """

    news: Int8
    known: Int2D


def arrivals(context: "Context") -> Arrivals:
    """Return what each decision of the context learns, by ``known_at`` and by nothing else."""
    panel = context.panel
    news, known = np.zeros(context.shape, np.int8), np.zeros(context.shape, np.int64)
    cells = np.arange(panel.n_bars)
    for column in range(panel.n_assets):
        rows = np.flatnonzero(panel.present[:, column])
        arrived = np.searchsorted(panel.decisions, panel.known_at[rows, column])
        seen = arrived < panel.n_bars
        newest = np.full(panel.n_bars, -1)
        np.maximum.at(newest, arrived[seen], rows[seen])
        newest = np.maximum.accumulate(newest)
        known[:, column] = np.bincount(arrived[seen], minlength=panel.n_bars).cumsum()
        news[np.diff(newest, prepend=-1) > 0, column] = NEW_BAR
        news[(newest < 0) | (cells - newest > _LONGEST), column] = FORGOTTEN
    return Arrivals(news, known)
