"""The layout of one account as arrays of records, shared by the kernels that limit, size and fill.

Records read the same in numba and in plain Python.  ``BOOK`` and ``LINE`` are what an account carries from
one decision to the next, ``QUOTE`` what a decision sees, ``RULE`` and ``TERM`` what it must obey, ``FILL``
what it leaves.  Layouts and constructors only; the arithmetic is elsewhere.
"""

from typing import Any, TypeAlias

import numpy as np

from pipeline.errors import ConfigError

Record: TypeAlias = Any
"""One record of a layout below: ``book.nav``."""
Records: TypeAlias = Any
"""An array of records, shape ``(assets,)`` unless said otherwise: ``lines[a].quantity``."""

RULE_NAMES = ("kill", "halt", "derisk", "asset_cap", "class_cap", "leverage")
"""The risk rules in the order in which they act; bit ``k`` of ``book.mask`` stands for rule ``k``."""
COUNTERS = (
    "orders", "replaced", "below_floor", "rejected", "unpriced", "refused", "volume_cut", "cash_cut",
    "uncapped", "halts", "fills",
)  # fmt: skip
"""What a run counts: orders placed, orders that replaced an open one; orders not sent because they were below
the trading floors, below the venue's minimum or without a price; bars that did not trade; fills cut by volume
or by cash, or without a known volume cap; drawdown halts; fills."""

NOTHING, OPEN, REST = range(3)
"""States of ``line.working``: no order, an open order, the carried rest of a fill that volume cut."""
NEVER = np.iinfo(np.int64).max
"""``quote.fill_at`` where the cell holds no bar to fill in."""
NO_TRADE = -2
"""``quote.fill_at`` of a bar in which nothing traded."""

BOOK = np.dtype(
    [
        (name, "f8")
        for name in ("cash", "units", "peak", "nav", "gross", "largest_held", "interest", "dividends")
    ]
    + [
        (name, "i8")
        for name in (
            "killed", "halted", "derisked", "halt_age", "bankrupt", "mask", "clamped_under", "any_strained",
            "open_orders", *COUNTERS,
        )
    ]
)  # fmt: skip
"""Cash; units outstanding; peak NAV per unit; NAV; gross exposure and the largest weight ever held
(fractions of NAV); interest earned less paid, and dividends received, so far; states; bars since the
halt; mask of the rules that bound; the states under which the targets were clamped (-1: not yet); whether
some line is strained; orders open; counters."""
LINE = np.dtype(
    [
        (name, "f8")
        for name in (
            "quantity",
            "acted",
            "order",
            "held",
            "weight",
            "target",
            *RULE_NAMES,
            "exposure",
            "asked",
        )
    ]
    + [(name, "i8") for name in ("working", "strained")]
)
"""Units held; target last acted on; open order (signed units); held weight; target as the strategy gave it
and clamped; factor of each rule on the target; sum of ``|w|`` of the class (at its first asset); units that
the last decision with a reason to trade asked for, before floors; state of the order; held beyond a limit."""
QUOTE = np.dtype(
    [(name, "f8") for name in ("weight", "mark", "fill_open", "max_quantity")]
    + [("fill_at", "i8"), ("bar", "i8")]
)
"""Target weight; last known close (NaN: none); open, largest quantity, instant (us) and row of the bar in
which an open order fills."""
RULE = np.dtype(
    [
        (name, "f8")
        for name in (
            "asset_cap", "max_gross", "trigger", "release", "halt", "derisk", "band_nav", "band_target",
            "min_trade_nav", "min_trade_usd", "volume_share", "borrowing", "least_cap",
        )
    ]
    + [(name, "i8") for name in ("resume_after", "carry")]
)  # fmt: skip
"""The account's rules; ``least_cap`` is the smallest of all caps; ``resume_after`` 0 stays halted."""
TERM = np.dtype(
    [(name, "f8") for name in ("slippage", "fee", "lot", "min_notional", "class_cap")] + [("leader", "i8")]
)
"""Per asset: costs a side as fractions, quantity step, smallest order, cap and first asset of its class."""
FILL = np.dtype(
    [(name, "f8") for name in ("quantity", "price_open", "price", "fee", "slippage")]
    + [(name, "i8") for name in ("row", "bar", "asset", "capped")]
)
"""Signed units; open; price after slippage; fee and slippage in money; row of the cell, row of the bar,
column, and whether a volume cap was known."""


def records(layout: np.dtype, n: int) -> Records:
    """Return ``n`` records of zeros; in plain Python read them through `named`."""
    return np.zeros(n, layout)


def named(array: Records) -> Records:
    """Return the same records with their fields as attributes, as numba sees them."""
    return array.view(np.recarray)


def open_book(initial_nav: float) -> Record:
    """Return a book of cash only, one unit.

    Raises
    ------
    ConfigError
        When the money is not a positive number.
    """
    if not 0.0 < initial_nav < np.inf:
        raise ConfigError(
            "the account needs money", "initial_nav", initial_nav, "> 0 and finite", "give a NAV"
        )
    book = records(BOOK, 1)
    for name in ("cash", "nav", "peak"):
        book[name] = initial_nav
    book["units"], book["clamped_under"] = 1.0, -1
    return book[0]
