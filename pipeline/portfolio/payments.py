"""What an account receives and pays between two decisions without trading: dividends, splits, interest.

Due when a cell begins: on the units held and the cash at hand after the fills of the cell before, so who buys
at the open of an ex-date is paid no dividend.  Where the amounts come from is `pipeline.market.cell_flows`.
"""

from typing import NamedTuple

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D
from pipeline.jit import inlined
from pipeline.market.flows import Flows
from pipeline.portfolio.account import Record, Records


class Payments(NamedTuple):
    """The flows of a panel as kernels take them; every array is empty where nothing is ever paid.

    ``action`` marks the cells with a dividend or a split, shape ``(bars,)``; ``units`` says how many units of
    the last cell one unit of a cell became, ``(bars, assets)``, empty without splits; ``paid`` sums dividends
    up to and with each cell on one unit of the last, empty without any; ``credit`` and ``debit`` are
    interest, and ``earns`` says whether any is ever credited.
    """

    action: Bool1D
    dividend: Float2D
    split: Float2D
    units: Float2D
    paid: Float2D
    credit: Float1D
    debit: Float1D
    earns: bool


def payments_of(flows: Flows | None) -> Payments:
    """Return the flows as arrays for kernels."""
    nothing, none = np.empty((0, 0)), np.empty(0)
    if flows is None or not (flows.interest or flows.actions):
        return Payments(np.empty(0, np.bool_), nothing, nothing, nothing, nothing, none, none, earns=False)
    split = (flows.split != 1.0).any(axis=1)
    return Payments(
        flows.dividend.any(axis=1) | split,
        flows.dividend.copy(order="C"),
        flows.split.copy(order="C"),
        _units_at_last(flows.split) if split.any() else nothing,
        _paid_by_then(flows) if flows.dividend.any() else nothing,
        flows.credit.copy(),
        flows.debit.copy(),
        earns=bool(flows.credit.any()),
    )


def _units_at_last(split: Float2D) -> Float2D:
    """Return the product of the splits after each cell, shape ``(bars, assets)``."""
    after = np.ones(split.shape)
    after[:-1] = np.cumprod(split[:0:-1], axis=0)[::-1]
    return after


def _paid_by_then(flows: Flows) -> Float2D:
    """Return the dividends until then on one unit of the last cell; each comes before a split of its cell."""
    return np.cumsum(flows.dividend / (flows.split * _units_at_last(flows.split)), axis=0)


@inlined
def accrue(book: Record, lines: Records, payments: Payments, row: int) -> None:
    """Book what is due when cell ``row`` begins; ``cash``, units, open orders and both sums change."""
    if payments.action[row]:
        for a in range(lines.size):
            paid = lines[a].quantity * payments.dividend[row, a]
            book.cash += paid
            book.dividends += paid
            lines[a].quantity *= payments.split[row, a]
            lines[a].order *= payments.split[row, a]
    interest = book.cash * (payments.credit[row] if book.cash > 0.0 else payments.debit[row])
    book.cash += interest
    book.interest += interest


@inlined
def bears_interest(book: Record, payments: Payments) -> bool:
    """Return whether interest may move cash in cells without a dividend or split.

    Cash a rounding below zero, as an account that is all in may hold, is no debt where nothing is ever paid.
    """
    return payments.action.size > 0 and (payments.earns or book.cash < 0.0)
