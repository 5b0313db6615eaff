"""Decisions at which nothing happens, run without the step: marks move, no rule, band or order does.

Whether a decision is quiet is found from bounds that are never wider than the rules of `step`; where they
fail, the caller takes the whole step, so a bound that is too narrow costs time and never a bit.  A new rule
that changes an account at every decision must make `at_rest` false.
"""

import math

from pipeline.arrays import Float1D, Float2D
from pipeline.backtest.kernel_stretch import STRETCH, Held, bounds_of, mark_stretch
from pipeline.jit import inlined, kernel
from pipeline.portfolio.account import NOTHING, Record, Records
from pipeline.portfolio.payments import Payments, bears_interest
from pipeline.portfolio.sizing import crosses_band

_SHORT = 12
"""Rows below which marking them one by one is faster."""


@inlined
def at_rest(book: Record, lines: Records, rules: Record, payments: Payments) -> bool:
    """Return whether decisions after this one can be quiet: no order or interest due, no limit in the way."""
    if bears_interest(book, payments) or book.open_orders > 0 or book.any_strained or book.killed:
        return False
    if book.units != 1.0:
        return False
    for a in range(lines.size):
        line = lines[a]
        if line.working != NOTHING or line.quantity * line.target < 0.0:
            return False
        held = line.target if line.quantity != 0.0 else 0.0
        if crosses_band(line.target, held, line.acted, rules.band_nav, rules.band_target):
            return False
    return True


@kernel
def next_change(weights: Float2D, row: int, last: int) -> int:
    """Return the first row from ``row`` on with other weights than the row before, or ``last``."""
    assets = weights.shape[1]
    flat = weights.reshape(-1)
    now, before = flat[row * assets : last * assets], flat[(row - 1) * assets : (last - 1) * assets]
    start = 0
    while start < now.size:
        stop = min(start + STRETCH, now.size)
        if _count_equal(now[start:stop], before[start:stop]) < stop - start:
            while now[start] == before[start]:
                start += 1
            return row + start // assets
        start = stop
    return last


@kernel
def _count_equal(left: Float1D, right: Float1D) -> int:
    equal = 0
    for t in range(left.size):
        equal += 1 if left[t] == right[t] else 0
    return equal


@inlined
def glide(
    row: int,
    stop: int,
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
    marks
        Last known closes, shape ``(assets, rows)``.
    held
        Working memory.
    nav, gross
        Written, shape ``(rows,)``.

    Returns
    -------
    int
        The first row that is not quiet, or ``stop``.  Peak, largest weight, the age of a halt, and NAV and
        gross exposure of the book are as `step` would have left them before it.
    """
    if book.halted and rules.resume_after > 0:
        stop = min(stop, row + max(0, rules.resume_after - book.halt_age - 1))
    n = _pack(lines, rules, terms, held)
    j = row
    if n == 0 and _cash_is_quiet(book, rules):
        nav[row:stop], gross[row:stop] = book.cash, 0.0
        j = stop
    while j < stop:
        end = min(j + STRETCH, stop)
        if end - j < _SHORT or not mark_stretch(j, end, n, marks, rules, book, held, nav, gross):
            j = _mark_rows(j, end, n, marks, rules, book, held, nav, gross)
            if j < end:
                break
        j = end
    if j > row:
        book.nav, book.gross = nav[j - 1], gross[j - 1]
        if book.halted:
            book.halt_age += j - row
    return j


@inlined
def _pack(lines: Records, rules: Record, terms: Records, held: Held) -> int:
    """Write what is held and return how many positions there are."""
    n = 0
    for a in range(lines.size):
        line = lines[a]
        if line.quantity == 0.0:
            continue
        cut = line.kill * line.halt * line.derisk * line.asset_cap * line.class_cap * line.leverage < 1.0
        held.column[n], held.units[n], held.target[n] = a, line.quantity, line.target
        held.band[n] = max(rules.band_nav, rules.band_target * abs(line.target))
        held.limit[n] = min(rules.asset_cap, abs(line.target)) if cut else rules.asset_cap
        held.leader[n] = terms[a].leader if terms[a].class_cap < math.inf else -1
        held.cap[n] = terms[a].class_cap
        n += 1
    return n


@inlined
def _cash_is_quiet(book: Record, rules: Record) -> bool:
    lowest, highest = bounds_of(book, rules, book.peak)
    return lowest < book.cash < highest and book.cash <= book.peak


@inlined
def _mark_rows(
    row: int,
    stop: int,
    n: int,
    marks: Float2D,
    rules: Record,
    book: Record,
    held: Held,
    nav: Float1D,
    gross: Float1D,
) -> int:
    """Mark quiet rows one by one and return the first that is not, or ``stop``."""
    lowest, highest = bounds_of(book, rules, book.peak)
    for j in range(row, stop):
        value = book.cash
        for h in range(n):
            value += held.units[h] * marks[held.column[h], j]
        if not lowest < value < highest:
            return j
        total, quiet = 0.0, True
        for a in range(marks.shape[0]):
            held.exposure[a] = 0.0
        for h in range(n):
            weight = held.units[h] * marks[held.column[h], j] / value
            size = abs(weight)
            held.sizes[h, 0] = size
            total += size
            quiet &= abs(weight - held.target[h]) <= held.band[h] and size <= held.limit[h]
            if held.leader[h] >= 0:
                held.exposure[held.leader[h]] += size
                quiet &= held.exposure[held.leader[h]] <= held.cap[h]
        if not quiet or total > rules.max_gross:
            return j
        for h in range(n):
            book.largest_held = max(book.largest_held, held.sizes[h, 0])
        if value > book.peak:
            book.peak = value
            lowest, highest = bounds_of(book, rules, value)
        nav[j], gross[j] = value, total
    return stop
