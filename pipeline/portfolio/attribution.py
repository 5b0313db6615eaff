"""Who owns what: a strategy's share of every target, what each risk rule took, and what the market left open.

A strategy's share of a target is its contribution (budget times weight) times the factors of the risk rules.
What separates the target from what is held after the fill belongs to no strategy: `TERM_NAMES`.  A position
earns and costs for whom it was taken.  `attribute` runs after each step of the kernel and changes nothing
that a step reads.
"""

import math
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float1D, Float2D, Float3D, Int1D
from pipeline.jit import inlined
from pipeline.portfolio.account import NEVER, NO_TRADE, NOTHING, RULE_NAMES, Record, Records, records
from pipeline.portfolio.payments import Payments
from pipeline.portfolio.sizing import whole_lots

TERM_NAMES = ("band", "lot", "volume", "reject")
"""What separates a target from what is held after its fill: the trading threshold; whole lots; the volume
cap; and orders that nobody took (below a floor, unpriced, no trade before the next decision, beyond cash)."""
ROUNDING = 1e-12
"""A share that changed by less than this part of all shares did not change."""
BAND, LOT, VOLUME, REJECT = range(4)

PLACE = np.dtype(
    [(name, "f8") for name in ("quantity", "order", "price", "worth", "target")]
    + [(name, "i8") for name in ("entry", "filled", "mask")]
)
"""An asset after its last decision: units held, units ordered, price, weight of one unit, target; its entry
in the ledger, the fill of its order (-1: none), and the rules that bound."""


class Ledger(NamedTuple):
    """The attribution of a run, one entry for each asset and decision at which something changed.

    Something changed when a contribution, the target or the rules that bind differ from the decision before,
    when the account asked for an order, or while the kill switch is on; between entries only ``band`` moves,
    with prices.

    Attributes
    ----------
    contributions
        Budget times weight of every member, shape ``(bars, members, assets)``; their sums are the weights.
    count
        Number of entries, number of fills seen, shape ``(2,)``.
    row, asset
        Decision (counted from the first) and column of each entry.
    weight, share
        A member's contribution before and after the risk rules, shape ``(entries, members)``.
    delta
        What each rule of `RULE_NAMES` changed, shape ``(entries, 6)``.
    term
        As `TERM_NAMES`, shape ``(entries, 4)``.  Orders open at the end count as not taken.
    pnl
        Profit after costs of each member from one decision to the next, money, shape ``(bars, members)``.
    exposure
        Sum over assets of ``|share|`` at each decision, shape ``(bars, members)``.
    traded, trades
        Notional traded for each member, and fills of which it paid a part, shape ``(members,)``.
    now, owner
        Shares of the last decision, and those for which positions are held, shape ``(assets, members)``.
    places
        PLACE records, shape ``(assets,)``.
    """

    contributions: Float3D
    count: Int1D
    row: Int1D
    asset: Int1D
    weight: Float2D
    share: Float2D
    delta: Float2D
    term: Float2D
    pnl: Float2D
    exposure: Float2D
    traded: Float1D
    trades: Int1D
    now: Float2D
    owner: Float2D
    places: Records


def open_ledger(contributions: Float3D, start: int) -> Ledger:
    """Return an empty ledger for the decisions from row ``start`` on."""
    rows, members, assets = contributions.shape
    bars = rows - start
    most = bars * assets
    return Ledger(
        contributions=contributions,
        count=np.zeros(2, np.int64),
        row=np.empty(most, np.int64),
        asset=np.empty(most, np.int64),
        weight=np.empty((most, members)),
        share=np.empty((most, members)),
        delta=np.empty((most, len(RULE_NAMES))),
        term=np.empty((most, len(TERM_NAMES))),
        pnl=np.zeros((bars, members)),
        exposure=np.zeros((bars, members)),
        traded=np.zeros(members),
        trades=np.zeros(members, np.int64),
        now=np.zeros((assets, members)),
        owner=np.zeros((assets, members)),
        places=records(PLACE, assets),
    )


def worst_error(ledger: Ledger, target: Float2D) -> float:
    """Return how far shares, or weights and deltas, are from adding up to the targets at worst."""
    n = ledger.count[0]
    if not n:
        return 0.0
    whole = target[ledger.row[:n], ledger.asset[:n]]
    kept = ledger.share[:n].sum(axis=1)
    cut = ledger.weight[:n].sum(axis=1) + ledger.delta[:n].sum(axis=1)
    return float(max(np.abs(kept - whole).max(), np.abs(cut - whole).max()))


@inlined
def pay_members(ledger: Ledger, payments: Payments, i: int, k: int) -> None:
    """Give dividends to the owners of what was held, and restate what is remembered in units after a split.

    Interest on cash belongs to nobody.
    """
    for a in range(ledger.places.size):
        place, split = ledger.places[a], payments.split[i, a]
        if place.quantity != 0.0 and payments.dividend[i, a] != 0.0:
            _divide(ledger.pnl, k, ledger.owner, a, place.quantity * payments.dividend[i, a])
        if split != 1.0:
            place.quantity *= split
            place.order *= split
            place.price /= split
            place.worth /= split


@inlined
def attribute(
    ledger: Ledger,
    i: int,
    k: int,
    book: Record,
    lines: Records,
    quotes: Records,
    terms: Records,
    log: Records,
) -> None:
    """Close the entries of the decision before with what its orders became, then enter this decision.

    Parameters
    ----------
    ledger
        Changed; nothing else is.
    i, k
        Row of the decision in ``ledger.contributions``, and its number from the first.
    book, lines, quotes, terms, log
        As after `pipeline.backtest.kernel.step`.
    """
    for a in range(lines.size):
        ledger.places[a].filled = -1
    for f in range(ledger.count[1], book.fills):
        ledger.places[log[f].asset].filled = f
    ledger.count[1] = book.fills
    for a in range(lines.size):
        place = ledger.places[a]
        if place.order != 0.0:
            _close(ledger, lines, quotes, terms, a)
        if place.filled >= 0:
            _earn_and_pay(ledger, k, lines, quotes, log, a)
        elif place.quantity != 0.0:
            _divide(ledger.pnl, k, ledger.owner, a, place.quantity * (quotes[a].mark - place.price))
    if not book.bankrupt:
        for a in range(lines.size):
            if _changed(ledger, i, k, book, lines, a):
                _enter(ledger, i, k, book, lines, quotes, a)
            _remember(ledger, k, book, lines, quotes, a)


@inlined
def _remember(ledger: Ledger, k: int, book: Record, lines: Records, quotes: Records, a: int) -> None:
    """Keep what the next decision must know of this one; without an order the new shares own at once."""
    place, line = ledger.places[a], lines[a]
    if line.working == NOTHING and line.target != 0.0:
        for m in range(ledger.traded.size):
            ledger.owner[a, m] = ledger.now[a, m]
    place.quantity, place.target, place.price = line.quantity, line.target, quotes[a].mark
    place.order = line.order if line.working != NOTHING else 0.0
    place.worth = quotes[a].mark / book.nav
    place.mask = book.mask
    line.asked = math.nan
    for m in range(ledger.traded.size):
        ledger.exposure[k, m] += abs(ledger.now[a, m])


@inlined
def _close(ledger: Ledger, lines: Records, quotes: Records, terms: Records, a: int) -> None:
    """Say what became of an order: filled, cut by volume, or not taken."""
    place, n = ledger.places[a], ledger.places[a].entry
    got, taken = lines[a].quantity - place.quantity, 0.0
    if quotes[a].fill_at != NEVER and quotes[a].fill_at != NO_TRADE:
        allowed = whole_lots(quotes[a].max_quantity, terms[a].lot)
        taken = math.copysign(min(abs(place.order), allowed), place.order)
        ledger.term[n, VOLUME] = (taken - place.order) * place.worth
        left = got - taken
    else:
        left = -place.order
    ledger.term[n, LOT if abs(left) <= 1e-9 * abs(taken) else REJECT] += left * place.worth


@inlined
def _earn_and_pay(ledger: Ledger, k: int, lines: Records, quotes: Records, log: Records, a: int) -> None:
    """Share the profit of a cell with a fill: before the fill for the old owners, after it for the new.

    What the fill cost goes by how much each share has changed, or as the position where none has.
    """
    place = ledger.places[a]
    fill = log[place.filled]
    if place.quantity != 0.0:
        _divide(ledger.pnl, k, ledger.owner, a, place.quantity * (fill.price_open - place.price))
    moved = total = size = 0.0
    for m in range(ledger.traded.size):
        moved += abs(ledger.now[a, m] - ledger.owner[a, m])
        total += ledger.owner[a, m]
        size += abs(ledger.owner[a, m])
    cost, notional = fill.fee + fill.slippage, abs(fill.quantity) * fill.price
    for m in range(ledger.traded.size):
        if moved > ROUNDING * size:
            part = abs(ledger.now[a, m] - ledger.owner[a, m]) / moved
        else:
            part = ledger.owner[a, m] / total
        ledger.pnl[k, m] -= part * cost
        ledger.traded[m] += part * notional
        ledger.trades[m] += 1 if abs(part) > ROUNDING else 0
    if place.target != 0.0:
        for m in range(ledger.traded.size):
            ledger.owner[a, m] = ledger.now[a, m]
    if lines[a].quantity != 0.0:
        _divide(ledger.pnl, k, ledger.owner, a, lines[a].quantity * (quotes[a].mark - fill.price_open))


@inlined
def _divide(pnl: Float2D, k: int, owner: Float2D, a: int, gain: float) -> None:
    total = 0.0
    for m in range(owner.shape[1]):
        total += owner[a, m]
    for m in range(owner.shape[1]):
        pnl[k, m] += owner[a, m] / total * gain


@inlined
def _changed(ledger: Ledger, i: int, k: int, book: Record, lines: Records, a: int) -> bool:
    place = ledger.places[a]
    if k == 0 or book.killed or not math.isnan(lines[a].asked):
        return True
    if place.mask != book.mask or place.target != lines[a].target:
        return True
    for m in range(ledger.traded.size):
        if ledger.contributions[i, m, a] != ledger.contributions[i - 1, m, a]:
            return True
    return False


@inlined
def _enter(ledger: Ledger, i: int, k: int, book: Record, lines: Records, quotes: Records, a: int) -> None:
    line, n = lines[a], ledger.count[0]
    ledger.count[0] += 1
    ledger.places[a].entry = n
    ledger.row[n], ledger.asset[n] = k, a
    weight = _cut(ledger.delta, n, 0, line.weight, line.kill)
    weight = _cut(ledger.delta, n, 1, weight, line.halt)
    weight = _cut(ledger.delta, n, 2, weight, line.derisk)
    weight = _cut(ledger.delta, n, 3, weight, line.asset_cap)
    weight = _cut(ledger.delta, n, 4, weight, line.class_cap)
    _cut(ledger.delta, n, 5, weight, line.leverage)
    kept = line.kill * line.halt * line.derisk * line.asset_cap * line.class_cap * line.leverage
    for m in range(ledger.traded.size):
        ledger.weight[n, m] = ledger.contributions[i, m, a]
        ledger.share[n, m] = ledger.now[a, m] = ledger.weight[n, m] * kept
    for term in range(4):
        ledger.term[n, term] = 0.0
    if math.isnan(line.asked):
        ledger.term[n, BAND] = line.held - line.target
    elif math.isnan(quotes[a].mark):
        ledger.term[n, REJECT] = -line.target
    else:
        worth = quotes[a].mark / book.nav
        ledger.term[n, LOT] = (line.quantity + line.asked) * worth - line.target
        if line.working == NOTHING:
            ledger.term[n, REJECT] = -line.asked * worth


@inlined
def _cut(delta: Float2D, n: int, rule: int, weight: float, factor: float) -> float:
    delta[n, rule] = weight * (factor - 1.0)
    return weight * factor
