"""Round trips: from zero to zero quantity of one asset, profit after all costs, found in the log of fills.

Dividends on what was held are part of the profit; interest on cash belongs to the account and to no trip.
What is still held at the end is an open trip, listed with the others and never counted as won or lost.
"""

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.jit import kernel
from pipeline.portfolio.account import Record, Records

TRIP = np.dtype(
    [(name, "f8") for name in ("quantity", "opened", "cost", "dividends", "pnl", "return_")]
    + [(name, "i8") for name in ("asset", "entry_bar", "exit_bar", "entry_row", "exit_row")]
)
"""Largest units held; units opened; average cost of a unit opened, costs inside; dividends received; profit
after all costs, dividends inside, and the same by the money put in (NaN while open, dividends too); column;
rows of the bars and of the cells of entry and exit (-1 while open)."""

_NOTHING_LEFT = 1e-9
NOTHING_PAID = np.empty((0, 0))


def round_trips(
    fills: Records, assets: int, units: Float2D = NOTHING_PAID, paid: Float2D = NOTHING_PAID
) -> Records:
    """Return the trips in the order of their entries per asset and time of closing; open ones come last.

    Parameters
    ----------
    fills
        FILL records in the order they happened, shape ``(fills,)``.
    assets
        Number of columns.
    units
        How many units of the end one unit of a row became by splits, shape ``(rows, assets)`` counted as the
        fills count rows; empty without splits.
    paid
        Dividends on one unit of the end up to and with each row, shape ``(rows, assets)``: a fill of the row
        comes after them; empty without dividends.

    Returns
    -------
    numpy.ndarray
        TRIP records, in units of the end.  A fill that turns a position around ends one trip and begins the
        next, its fee shared by quantity.
    """
    trips = np.empty(fills.size + assets, TRIP)
    return trips[: trace_trips(fills, np.zeros(assets, TRIP), np.zeros(assets), trips, units, paid)]


@kernel
def trace_trips(
    fills: Records, running: Records, position: Float1D, trips: Records, units: Float2D, paid: Float2D
) -> int:
    """Write the trips of a log of fills and return how many there are.

    Parameters
    ----------
    fills
        FILL records.
    running, position
        Working memory, one entry per asset; ``position`` is zeros.
    trips
        Room for ``fills + assets`` TRIP records.
    units, paid
        As for `round_trips`.
    """
    count = 0
    for k in range(fills.size):
        fill = fills[k]
        a = fill.asset
        scale = units[fill.row, a] if units.size > 0 else 1.0
        left = fill.quantity * scale
        while left != 0.0:
            trip, held = running[a], position[a]
            if held == 0.0:
                trip.quantity = trip.opened = trip.cost = trip.dividends = trip.pnl = 0.0
                trip.asset, trip.entry_bar, trip.entry_row = a, fill.bar, fill.row
                trip.exit_bar = -1
            elif paid.size > 0:
                trip.dividends += held * (paid[fill.row, a] - paid[trip.exit_row, a])
            trip.exit_row = fill.row  # while it is open: of its newest fill
            taken = left
            if held * left < 0.0 and abs(left) > abs(held):
                taken = -held
            money = taken / scale * fill.price + fill.fee * abs(taken / scale / fill.quantity)
            trip.pnl -= money
            if held * left >= 0.0:
                trip.opened += abs(taken)
                trip.cost += money
            position[a] = held + taken
            trip.quantity = max(trip.quantity, abs(position[a]))
            if abs(position[a]) <= _NOTHING_LEFT * trip.quantity:
                position[a] = 0.0
                trip.exit_bar = fill.bar
                _settle(trip, trips, count)
                count += 1
            left = _rest(left - taken, trip)
    for a in range(running.size):
        if position[a] != 0.0:
            running[a].dividends, running[a].exit_row = np.nan, -1
            _settle(running[a], trips, count)
            count += 1
    return count


@kernel
def _rest(left: float, trip: Record) -> float:
    """Return what is left of a fill; what rounding leaves begins no trip."""
    return 0.0 if abs(left) <= _NOTHING_LEFT * trip.quantity else left


@kernel
def _settle(trip: Record, trips: Records, k: int) -> None:
    trips[k] = trip
    trips[k].pnl = trip.pnl + trip.dividends
    trips[k].return_ = trips[k].pnl / abs(trip.cost)
    trips[k].cost = abs(trip.cost) / trip.opened
