"""The step kernel: one decision of one account, and the loop of it over history.

``step`` fills what is open, marks the account, applies the limits and places the orders that the trading
threshold asks for.  A live desk calls it once; a backtest calls `run_history`.  The same source runs as plain
Python (``.py_func``).  No metrics and no frames here; the records are those of `pipeline.portfolio.account`.
"""

import math
from typing import NamedTuple

from pipeline.arrays import Float1D, Float2D, Int1D, Int2D
from pipeline.backtest.kernel_market import NO_TRADE_ROW, fill_bar, volume_limit
from pipeline.jit import inlined, kernel
from pipeline.portfolio.account import NEVER, NO_TRADE, NOTHING, OPEN, REST, Record, Records
from pipeline.portfolio.attribution import Ledger, attribute, pay_members
from pipeline.portfolio.payments import Payments, accrue
from pipeline.portfolio.sizing import crosses_band, order_quantity, tidied, whole_lots
from pipeline.risk.limits import clamp, mark_strained, move_drawdown

ROUNDING = 1e-12
"""An order of less than this fraction of NAV is the rounding of a sum, not a trade; less cash is none."""


class History(NamedTuple):
    """The market of a backtest, shape ``(bars, assets)``; ``ts`` ``(bars,)`` labels the cells; times in us.

    ``recent`` is working memory, as long as the look-back of the volume cap; ``payments`` what is due when
    each cell begins.
    """

    ts: Int1D
    open_at: Int2D
    known_at: Int2D
    open: Float2D
    close: Float2D
    volume: Float2D
    mark: Float2D
    recent: Float1D
    payments: Payments


class Track(NamedTuple):
    """What a run leaves per decision: NAV, cash, gross exposure, rule mask; units and target per asset."""

    nav: Float1D
    cash: Float1D
    gross: Float1D
    mask: Int1D
    quantity: Float2D
    target: Float2D


@kernel
def fill_orders(
    book: Record, lines: Records, quotes: Records, rules: Record, terms: Records, log: Records, row: int
) -> None:
    """Fill the open orders at their opens in the order of time; of one instant, sales before purchases.

    Purchases that cash cannot pay are cut alike.  What the volume cap cuts off stays open as REST when the
    rules carry it, else it is dropped; what cash cuts off is dropped.
    """
    for a in range(lines.size):
        if lines[a].working != NOTHING and quotes[a].fill_at == NO_TRADE:
            book.refused += 1
    done = -1
    while True:
        now = NEVER
        for a in range(lines.size):
            if lines[a].working != NOTHING and done < quotes[a].fill_at < now:
                now = quotes[a].fill_at
        if now == NEVER:
            return
        done = now
        need = 0.0
        for a in range(lines.size):
            line = lines[a]
            if line.working == NOTHING or quotes[a].fill_at != now:
                continue
            line.working = NOTHING
            allowed = whole_lots(quotes[a].max_quantity, terms[a].lot)
            if abs(line.order) > allowed:
                book.volume_cut += 1
                line.order = math.copysign(allowed, line.order)
                line.working = REST if rules.carry else NOTHING
            if line.order > 0.0:
                need += line.order * quotes[a].fill_open * (1.0 + terms[a].slippage) * (1.0 + terms[a].fee)
            else:
                _book_fill(book, lines, quotes, rules, terms, log, row, a)
        at_hand = book.cash + rules.borrowing * book.nav
        if at_hand <= ROUNDING * book.nav:
            at_hand = 0.0
        scale = 1.0
        if need > at_hand:
            scale = at_hand / need
            book.cash_cut += 1
        for a in range(lines.size):
            if quotes[a].fill_at == now and lines[a].order > 0.0:
                if scale < 1.0:
                    lines[a].order = whole_lots(lines[a].order * scale, terms[a].lot)
                _book_fill(book, lines, quotes, rules, terms, log, row, a)


@kernel
def _book_fill(
    book: Record,
    lines: Records,
    quotes: Records,
    rules: Record,
    terms: Records,
    log: Records,
    row: int,
    a: int,
) -> None:
    quantity, before = lines[a].order, quotes[a].fill_open
    lines[a].order = 0.0
    if quantity == 0.0:
        return
    price = before * (1.0 + math.copysign(terms[a].slippage, quantity))
    fee = abs(quantity) * price * terms[a].fee
    book.cash -= quantity * price + fee
    lines[a].quantity += quantity
    if terms[a].lot > 0.0:
        lines[a].quantity = tidied(lines[a].quantity, terms[a].lot)
    fill = log[book.fills]
    fill.row, fill.bar, fill.asset = row, quotes[a].bar, a
    fill.quantity, fill.price_open, fill.price, fill.fee = quantity, before, price, fee
    fill.slippage = abs(quantity) * abs(price - before)
    fill.capped = 1
    if quotes[a].max_quantity == math.inf and rules.volume_share != math.inf:
        fill.capped = 0
        book.uncapped += 1
    book.fills += 1


@inlined
def mark_account(book: Record, lines: Records, quotes: Records) -> None:
    """Mark to the last known closes: NAV, held weights, gross exposure, the largest weight ever held."""
    nav = book.cash
    for a in range(lines.size):
        value = lines[a].quantity * quotes[a].mark if lines[a].quantity != 0.0 else 0.0
        lines[a].held = value
        nav += value
    book.nav = nav
    book.gross = 0.0
    if nav > 0.0:
        for a in range(lines.size):
            lines[a].held /= nav
            book.gross += abs(lines[a].held)
            book.largest_held = max(book.largest_held, abs(lines[a].held))
    else:
        book.bankrupt = 1


@inlined
def place_orders(book: Record, lines: Records, quotes: Records, rules: Record, terms: Records) -> None:
    """Replace whatever is open by the orders that clamped targets and trading threshold ask for."""
    book.open_orders = 0
    floor = max(rules.min_trade_nav * book.nav, rules.min_trade_usd)
    for a in range(lines.size):
        line = lines[a]
        if (
            line.working == NOTHING
            and (book.any_strained == 0 or line.strained == 0)
            and not crosses_band(line.target, line.held, line.acted, rules.band_nav, rules.band_target)
        ):
            continue
        replaces = line.working != NOTHING
        line.working = NOTHING
        line.order = 0.0
        line.asked = 0.0
        price = quotes[a].mark
        if math.isnan(price):
            book.unpriced += 1 if line.target != 0.0 else 0
            continue
        quantity = order_quantity(line.target, book.nav, price, line.quantity, terms[a].lot)
        notional = abs(quantity) * price
        if line.target != 0.0 and notional <= ROUNDING * book.nav:
            quantity = notional = 0.0
        line.asked = quantity
        if quantity != 0.0 and line.target != 0.0 and notional < floor:
            book.below_floor += 1
        elif quantity != 0.0 and notional < terms[a].min_notional:
            book.rejected += 1
        else:
            line.acted = line.target
            if quantity != 0.0:
                line.order = quantity
                line.working = OPEN
                book.open_orders += 1
                if replaces:
                    book.replaced += 1
                else:
                    book.orders += 1


@inlined
def step(
    book: Record, lines: Records, quotes: Records, rules: Record, terms: Records, log: Records, row: int
) -> None:
    """Take one decision: fill what is open, mark, limit, order; ``book``, ``lines`` and ``log`` change.

    Parameters
    ----------
    book, lines
        The account (BOOK, LINE).
    quotes
        What the decision sees, and the opens at which orders of the previous one fill (QUOTE).
    rules, terms
        What it must obey (RULE, TERM).
    log
        Room for fills (FILL); the next one goes to ``book.fills``.
    row
        Number of the cell, kept with the fills.
    """
    if book.open_orders > 0:
        fill_orders(book, lines, quotes, rules, terms, log, row)
    mark_account(book, lines, quotes)
    if not book.bankrupt:
        move_drawdown(book, rules)
        clamp(book, lines, quotes, rules, terms)
        mark_strained(book, lines, rules, terms)
        place_orders(book, lines, quotes, rules, terms)


@kernel
def run_history(
    first: int,
    weights: Float2D,
    market: History,
    rules: Record,
    terms: Records,
    book: Record,
    lines: Records,
    quotes: Records,
    log: Records,
    track: Track,
    ledger: Ledger | None = None,
    killed: Int1D | None = None,
) -> int:
    """Step through the rows from ``first`` on.

    Parameters
    ----------
    first
        First row that decides; earlier rows only feed marks and volumes.
    weights
        Target weights of each decision, shape ``(bars, assets)``.
    track
        Written from row 0, which is decision ``first``.
    ledger
        Where the run is attributed to the members of a book; None: nowhere, which costs nothing.
    killed
        Whether the kill switch is on at each decision (0 or 1), shape ``(bars,)``; None: never.

    Returns
    -------
    int
        Number of decisions taken; fewer than there are rows only when the account went bankrupt.
    """
    bars, assets = weights.shape
    mark, nav, cash, gross = market.mark, track.nav, track.cash, track.gross
    mask, quantity, target = track.mask, track.quantity, track.target
    for i in range(first, bars):
        for a in range(assets):
            quotes[a].weight = weights[i, a]
            quotes[a].mark = mark[i, a]
            quotes[a].fill_at = NEVER
            if lines[a].working != NOTHING:
                quote_fill(market, quotes, rules, i, a)
        if killed is not None:
            book.killed = killed[i]
        if market.payments.action.size > 0:
            if ledger is not None and market.payments.action[i]:
                pay_members(ledger, market.payments, i, i - first)
            accrue(book, lines, market.payments, i)
        step(book, lines, quotes, rules, terms, log, i)
        k = i - first
        if ledger is not None:
            attribute(ledger, i, k, book, lines, quotes, terms, log)
        nav[k], cash[k] = book.nav, book.cash
        gross[k], mask[k] = book.gross, book.mask
        for a in range(assets):
            quantity[k, a] = lines[a].quantity
            target[k, a] = lines[a].target
        if book.bankrupt:
            return k + 1
    return bars - first


@kernel
def quote_fill(market: History, quotes: Records, rules: Record, i: int, a: int) -> None:
    """Write where, when and up to what quantity an order of the decision before row ``i`` fills."""
    row = fill_bar(market.ts, market.open_at, market.close, market.volume, i, a)
    if row == NO_TRADE_ROW:
        quotes[a].fill_at = NO_TRADE
    elif row >= 0:
        quotes[a].fill_at = market.open_at[row, a]
        quotes[a].fill_open = market.open[row, a]
        quotes[a].bar = row
        quotes[a].max_quantity = volume_limit(
            market.volume,
            market.open_at,
            market.known_at,
            market.ts,
            market.payments.split,
            i,
            row,
            a,
            rules.volume_share,
            market.recent,
        )
