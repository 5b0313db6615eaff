"""Many books of one market: the loop over their decisions, and the sums of each, without what nobody reads.

The decision is `step`; between two that change something the account glides (`kernel_quiet`).  Marks, fill
bars and volume caps are found once for all members.  No series is kept but NAV and gross exposure of the
member at work.
"""

import math
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Bool1D, Bool2D, Float1D, Float2D, Float3D, Int1D
from pipeline.backtest.kernel import History, quote_fill, step
from pipeline.backtest.kernel_quiet import at_rest, glide, next_change
from pipeline.backtest.kernel_stretch import Held, room_for
from pipeline.backtest.kernel_summary import summarise
from pipeline.backtest.round_trips import TRIP, trace_trips
from pipeline.jit import kernel
from pipeline.portfolio.account import FILL, LINE, NEVER, NOTHING, QUOTE, Record, Records, records
from pipeline.portfolio.payments import Payments, accrue


class Sheet(NamedTuple):
    """The market as every member sees it.

    ``quotes`` are QUOTE records of shape ``(bars, assets)`` with all but the weight, as if an order were open
    at each decision; ``marks`` the last known closes from the first decision on, ``(assets, decisions)``;
    ``next_action`` the first row from each one on in which a dividend or split is due, empty without any;
    ``units``, ``paid`` and, where cash earns, ``credit`` as in `Payments`, from the first decision on.
    """

    quotes: Records
    marks: Float2D
    payments: Payments
    next_action: Int1D
    units: Float2D
    paid: Float2D
    credit: Float1D


class Bench(NamedTuple):
    """Working memory for one member at a time."""

    lines: Records
    quotes: Records
    log: Records
    running: Records
    position: Float1D
    trips: Records
    nav: Float1D
    gross: Float1D
    work: Float1D
    returns: Float1D
    held: Held


def bench_for(bars: int, assets: int) -> Bench:
    """Return working memory for ``bars`` decisions on ``assets``."""
    return Bench(
        lines=records(LINE, assets + 1), quotes=records(QUOTE, assets), log=np.empty(bars * assets, FILL),
        running=records(TRIP, assets), position=np.zeros(assets),
        trips=np.empty(bars * assets + assets, TRIP), nav=np.empty(bars), gross=np.empty(bars),
        work=np.empty(bars + 1), returns=np.empty(bars), held=room_for(assets),
    )  # fmt: skip


def sheet_of(market: History, rules: Record, first: int) -> Sheet:
    """Return what all members see of a market whose row ``first`` decides first."""
    quotes = np.zeros(market.close.shape, QUOTE)
    _quote_all(market, rules, quotes)
    payments, bars = market.payments, market.ts.size
    due = np.where(payments.action, np.arange(payments.action.size), bars)
    following = np.minimum.accumulate(due[::-1])[::-1].copy()
    marks = np.ascontiguousarray(market.mark[first:].T)
    credit = payments.credit[first:].copy() if payments.earns else np.empty(0)
    units, paid = payments.units[first:].copy(), payments.paid[first:].copy()
    return Sheet(quotes, marks, payments, following, units, paid, credit)


@kernel
def _quote_all(market: History, rules: Record, quotes: Records) -> None:
    bars, assets = market.close.shape
    for i in range(bars):
        for a in range(assets):
            quotes[i, a].mark = market.mark[i, a]
            quotes[i, a].fill_at = NEVER
            quote_fill(market, quotes[i], rules, i, a)


@kernel
def find_used(members: Int1D, weights: Float3D, first: int, last: int, used: Bool2D) -> None:
    """Write which columns each member ever weighs in the rows ``[first, last)``, shape ``(n, assets)``."""
    for k in range(members.size):
        for a in range(weights.shape[2]):
            i = first
            while i < last and weights[members[k], i, a] == 0.0:
                i += 1
            used[k, a] = i < last


@kernel
def run_members(
    members: Int1D,
    weights: Float3D,
    first: int,
    last: int,
    sheet: Sheet,
    rules: Record,
    terms: Records,
    opening: Records,
    bench: Bench,
    daily: Int1D,
    days: Int1D,
    returns: Float2D,
    found: Records,
    ruined: Bool1D,
) -> None:
    """Run members of a block one after the other.

    Parameters
    ----------
    members
        Which ones, shape ``(n,)``.
    weights
        Target weights of the block, shape ``(members, bars, assets)``.
    first, last
        Rows that decide: ``[first, last)``.
    opening
        Two BOOK records: the account at the start, and working memory.
    bench
        Working memory.
    daily, days
        Decisions that end a day of these members, and of the population, counted from ``first``; of equal
        length only when equal.
    returns
        Written: returns from one of ``days`` to the next, shape ``(members, days)``; after a bankruptcy -1,
        then NaN.
    found
        Written: SUMMARY records, shape ``(members,)``; nothing where an account went bankrupt.
    ruined
        Written: whether it did, shape ``(members,)``.
    """
    initial = opening[0].nav
    for m in members:
        opening[1] = opening[0]
        book = opening[1]
        n = _run_member(first, last, weights[m], sheet, rules, terms, book, bench)
        ruined[m] = book.bankrupt
        if book.bankrupt or daily.size != days.size:
            _returns_of_days(bench.nav[:n], initial, days, book.bankrupt, returns[m])
        if book.bankrupt:
            continue
        bench.position[:] = 0.0
        fills = bench.log[: book.fills]
        own = returns[m] if daily.size == days.size else bench.returns[: daily.size]
        count = trace_trips(fills, bench.running, bench.position, bench.trips, sheet.units, sheet.paid)
        summarise(
            bench.nav, bench.gross, daily, fills, bench.trips[:count], initial, book.largest_held,
            own, bench.work, sheet.credit, found[m],
        )  # fmt: skip


@kernel
def _returns_of_days(nav: Float1D, initial: float, days: Int1D, ruined: bool, out: Float1D) -> None:
    before, alive = initial, nav.size - 1 if ruined else nav.size
    for d in range(days.size):
        now = nav[days[d]] if days[d] < alive else 0.0 if before > 0.0 else math.nan
        out[d] = now / before - 1.0
        before = now


@kernel
def _run_member(
    first: int,
    last: int,
    weights: Float2D,
    sheet: Sheet,
    rules: Record,
    terms: Records,
    book: Record,
    bench: Bench,
) -> int:
    assets = weights.shape[1]
    lines, quotes, log, nav, gross = bench.lines[:assets], bench.quotes, bench.log, bench.nav, bench.gross
    for a in range(assets):
        lines[a] = bench.lines[assets]
    i = first
    while i < last:
        for a in range(assets):
            quotes[a].weight = weights[i, a]
            quotes[a].mark = sheet.quotes[i, a].mark
            quotes[a].fill_at = NEVER
            if lines[a].working != NOTHING:
                quotes[a].fill_at = sheet.quotes[i, a].fill_at
                quotes[a].fill_open = sheet.quotes[i, a].fill_open
                quotes[a].bar = sheet.quotes[i, a].bar
                quotes[a].max_quantity = sheet.quotes[i, a].max_quantity
        if sheet.payments.action.size > 0:
            accrue(book, lines, sheet.payments, i)
        step(book, lines, quotes, rules, terms, log, i - first)
        nav[i - first], gross[i - first] = book.nav, book.gross
        i += 1
        if book.bankrupt:
            return i - first
        if i < last and at_rest(book, lines, rules, sheet.payments):
            stop = next_change(weights, i, last) - first
            if sheet.next_action.size > 0:
                stop = min(stop, sheet.next_action[i] - first)
            k = glide(i - first, stop, sheet.marks, rules, terms, book, lines, bench.held, nav, gross)
            i = first + k
    return i - first
