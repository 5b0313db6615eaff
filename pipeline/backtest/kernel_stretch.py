"""Quiet decisions marked many at a time: what is held, the bounds it must keep, and the marks of a stretch.

`kernel_quiet` decides which rows to try; a stretch with a row that is not quiet is left to it.
"""

import math
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.backtest.kernel_sums import highest_of
from pipeline.jit import inlined, kernel
from pipeline.portfolio.account import Record

_MARGIN = 1e-9
"""Distance kept from a drawdown at which a state would change; rounding moves one by less than 1e-15."""
STRETCH = 128
"""Rows that are marked at once: enough to fill the lanes of a processor, few enough for its nearest cache."""


class Held(NamedTuple):
    """What is held while nothing happens, packed, shape ``(assets,)``, and working memory.

    Column, units, target weight, the largest distance from it and the largest weight that ask for no order;
    the first asset of the class where that class has a cap, else -1; the cap.  ``sizes`` are absolute weights
    of a stretch, shape ``(assets, rows)``, ``exposure`` their sums by class (by row, and by asset).
    """

    column: Int1D
    units: Float1D
    target: Float1D
    band: Float1D
    limit: Float1D
    leader: Int1D
    cap: Float1D
    sizes: Float2D
    exposure: Float1D


def room_for(assets: int) -> Held:
    """Return empty arrays for ``assets`` positions."""
    return Held(
        column=np.zeros(assets, np.int64), units=np.zeros(assets), target=np.zeros(assets),
        band=np.zeros(assets), limit=np.zeros(assets), leader=np.zeros(assets, np.int64),
        cap=np.zeros(assets), sizes=np.zeros((assets, STRETCH)), exposure=np.zeros(max(assets, STRETCH)),
    )  # fmt: skip


@inlined
def bounds_of(book: Record, rules: Record, peak: float) -> tuple[float, float]:
    """Return the NAVs between which no state of the drawdown changes, under a peak."""
    fall = math.inf if book.halted else rules.halt
    fall = fall if book.derisked else min(fall, rules.trigger)
    highest = peak * (1.0 - rules.release - _MARGIN) if book.derisked else math.inf
    return max(0.0, peak * (1.0 - fall + _MARGIN)), highest if fall > 0.0 else peak


@kernel
def mark_stretch(
    row: int,
    stop: int,
    n: int,
    marks: Float2D,
    rules: Record,
    book: Record,
    held: Held,
    nav: Float1D,
    gross: Float1D,
) -> bool:
    """Mark a stretch of rows at once if all of them are quiet, else change nothing that counts."""
    rows = stop - row
    value, total = nav[row:stop], gross[row:stop]
    value[:] = book.cash
    total[:] = 0.0
    for h in range(n):
        _add_worth(held.units[h], marks[held.column[h], row:stop], value)
    peak = max(book.peak, highest_of(value))
    lowest, highest = bounds_of(book, rules, peak)
    if _count_between(value, lowest, highest) < rows:
        return False
    for h in range(n):
        quiet = _weigh(
            held.units[h], marks[held.column[h], row:stop], value, held.target[h], held.band[h],
            held.limit[h], held.sizes[h, :rows], total,
        )  # fmt: skip
        if quiet < rows:
            return False
    most = highest_of(total)
    if most > rules.max_gross:
        return False
    for h in range(n):
        if held.leader[h] >= 0 and _highest_exposure(h, rows, held) > held.cap[h]:
            return False
    if most > book.largest_held:
        for h in range(n):
            book.largest_held = max(book.largest_held, highest_of(held.sizes[h, :rows]))
    book.peak = peak
    return True


@kernel
def _highest_exposure(h: int, rows: int, held: Held) -> float:
    """Return the highest exposure of the class of position ``h``, of the positions up to it."""
    exposure = held.exposure[:rows]
    exposure[:] = 0.0
    for g in range(h + 1):
        if held.leader[g] == held.leader[h]:
            sizes = held.sizes[g]
            for t in range(rows):
                exposure[t] += sizes[t]
    return highest_of(exposure)


@kernel
def _add_worth(units: float, prices: Float1D, value: Float1D) -> None:
    for t in range(value.size):
        value[t] += units * prices[t]


@kernel
def _count_between(values: Float1D, lowest: float, highest: float) -> int:
    inside = 0
    for t in range(values.size):
        inside += 1 if (values[t] > lowest) & (values[t] < highest) else 0
    return inside


@kernel
def _weigh(
    units: float,
    prices: Float1D,
    value: Float1D,
    target: float,
    band: float,
    limit: float,
    sizes: Float1D,
    total: Float1D,
) -> int:
    """Write and add up absolute weights, and return in how many rows they ask for no order."""
    quiet = 0
    for t in range(value.size):
        weight = units * prices[t] / value[t]
        sizes[t] = abs(weight)
        total[t] += abs(weight)
        quiet += 1 if (abs(weight - target) <= band) & (abs(weight) <= limit) else 0
    return quiet
