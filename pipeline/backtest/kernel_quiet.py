"""Decisions at which nothing happens, run without the step: marks move, no rule, band or order does.

Whether a decision is quiet is found from bounds that are never wider than the rules of `step`; where they
fail, the caller takes the whole step, so a bound that is too narrow costs time and never a bit.  A new rule
that changes an account at every decision must make `at_rest` false.
"""

import math
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.jit import inlined
from pipeline.portfolio.account import NOTHING, Record, Records
from pipeline.portfolio.sizing import crosses_band

_MARGIN = 1e-9
"""Distance kept from a drawdown at which a state would change; rounding moves one by less than 1e-15."""


class Held(NamedTuple):
    """What is held while nothing happens, packed, shape ``(assets,)``.

    Column, units, target weight, the largest distance from it and the largest weight that ask for no order;
    the first asset of the class where that class has a cap, else -1; working memory for the value of a
    position, and per class.
    """

    column: Int1D
    units: Float1D
    target: Float1D
    band: Float1D
    limit: Float1D
    leader: Int1D
    worth: Float1D
    exposure: Float1D


def room_for(assets: int) -> Held:
    """Return empty arrays for ``assets`` positions."""
    return Held(
        column=np.zeros(assets, np.int64), units=np.zeros(assets), target=np.zeros(assets),
        band=np.zeros(assets), limit=np.zeros(assets), leader=np.zeros(assets, np.int64),
        worth=np.zeros(assets), exposure=np.zeros(assets),
    )  # fmt: skip


@inlined
def at_rest(book: Record, lines: Records, rules: Record) -> bool:
    """Return whether decisions after this one can be quiet: no order open or due, no limit in the way."""
    if book.open_orders > 0 or book.any_strained or book.killed or book.units != 1.0:
        return False
    for a in range(lines.size):
        line = lines[a]
        if line.working != NOTHING or line.quantity * line.target < 0.0:
            return False
        held = line.target if line.quantity != 0.0 else 0.0
        if crosses_band(line.target, held, line.acted, rules.band_nav, rules.band_target):
            return False
    return True


@inlined
def next_change(weights: Float2D, row: int, last: int) -> int:
    """Return the first row from ``row`` on with other weights than the row before, or ``last``."""
    assets = weights.shape[1]
    for j in range(row, last):
        for a in range(assets):
            if weights[j, a] != weights[j - 1, a]:
                return j
    return last


@inlined
def glide(
    row: int,
    stop: int,
    first: int,
    marks: Float2D,
    rules: Record,
    terms: Records,
    book: Record,
    lines: Records,
    held: Held,
    nav: Float1D,
    gross: Float1D,
) -> int:
    """Mark the account at the rows from ``row`` on that are quiet, all under the same target weights.

    Parameters
    ----------
    row, stop
        Rows to go through; the one before ``row`` left the account `at_rest`.
    first
        Row of the first decision, which ``nav`` and ``gross`` begin with.
    marks
        Last known closes, shape ``(assets, bars)``.
    held
        Working memory.

    Returns
    -------
    int
        The first row that is not quiet, or ``stop``.  NAV, gross exposure, peak, largest weight and the age
        of a halt are as `step` would have left them before it.
    """
    column, units, target, band = held.column, held.units, held.target, held.band
    limit, leader, worth, exposure = held.limit, held.leader, held.worth, held.exposure
    if book.halted and rules.resume_after > 0:
        stop = min(stop, row + max(0, rules.resume_after - book.halt_age - 1))
    fall = math.inf if book.halted else rules.halt
    fall = fall if book.derisked else min(fall, rules.trigger)
    cash, peak, largest, most = book.cash, book.peak, book.largest_held, rules.max_gross
    lowest = max(0.0, peak * (1.0 - fall + _MARGIN))
    highest = peak * (1.0 - rules.release - _MARGIN) if book.derisked else math.inf
    highest = highest if fall > 0.0 else peak
    n, capped = 0, False
    for a in range(lines.size):
        line = lines[a]
        if line.quantity != 0.0:
            cut = line.kill * line.halt * line.derisk * line.asset_cap * line.class_cap * line.leverage < 1.0
            column[n], units[n], target[n] = a, line.quantity, line.target
            band[n] = max(rules.band_nav, rules.band_target * abs(line.target))
            limit[n] = min(rules.asset_cap, abs(line.target)) if cut else rules.asset_cap
            leader[n] = terms[a].leader if terms[a].class_cap < math.inf else -1
            capped |= leader[n] >= 0
            n += 1
    j = row
    while j < stop:
        value = cash
        for h in range(n):
            worth[h] = units[h] * marks[column[h], j]
            value += worth[h]
        if not lowest < value < highest:
            break
        total, quiet = 0.0, True
        for h in range(n):
            weight = worth[h] / value
            quiet &= abs(weight - target[h]) <= band[h]
            worth[h] = abs(weight)
            quiet &= worth[h] <= limit[h]
            total += worth[h]
        if capped:
            exposure[:] = 0.0
            for h in range(n):
                if leader[h] >= 0:
                    exposure[leader[h]] += worth[h]
                    quiet &= exposure[leader[h]] <= terms[leader[h]].class_cap
        if not quiet or total > most:
            break
        if value > peak:
            peak = value
            lowest = max(0.0, peak * (1.0 - fall + _MARGIN))
        for h in range(n):
            largest = max(largest, worth[h])
        nav[j - first], gross[j - first] = value, total
        j += 1
    if j > row:
        book.nav, book.gross, book.peak, book.largest_held = (
            nav[j - 1 - first],
            gross[j - 1 - first],
            peak,
            largest,
        )
        if book.halted:
            book.halt_age += j - row
    return j
