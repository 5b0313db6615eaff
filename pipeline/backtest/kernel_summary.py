"""Everything that the metrics of one run are made of, summed in one call (`kernel_sums` has the sums).

A run and a member of a population are summed by the same code; ratios are made in `metrics`.
"""

import math
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float1D, Int1D
from pipeline.backtest.kernel_sums import (
    deepest_fall,
    downside,
    long_run,
    mean,
    moments,
    returns_into,
    tally,
)
from pipeline.jit import kernel
from pipeline.portfolio.account import Record, Records


class Summary(NamedTuple):
    """The sums of a run.

    NAV at the end and its mean, mean gross exposure, deepest fall from a peak; of daily returns the mean, the
    central moments (divided by n), the mean square below zero, the long-run variances of returns and of the
    Sharpe ratio's influence function; mean and moments of H4 returns; of fills the notional traded and the
    costs; gross profit and loss of closed trips; the largest weight ever held; how many there are.  NaN where
    there is nothing to sum.
    """

    final: float
    mean_nav: float
    mean_gross: float
    deepest: float
    day_mean: float
    day_second: float
    day_third: float
    day_fourth: float
    day_below: float
    day_long_run: float
    day_influence: float
    bar_mean: float
    bar_second: float
    bar_third: float
    bar_fourth: float
    notional: float
    costs: float
    gained: float
    lost: float
    largest: float
    days: int
    bars: int
    fills: int
    trips: int
    closed: int
    won: int


SUMMARY = np.dtype(
    [(name, "f8" if kind is float else "i8") for name, kind in Summary.__annotations__.items()]
)
"""The same as a record."""


@kernel
def excess_into(returns: Float1D, credit: Float1D, daily: Int1D, out: Float1D) -> None:
    """Write daily returns less what cash earned on those days, interest on interest included."""
    t = 0
    for d in range(daily.size):
        grown = 1.0
        while t <= daily[d]:
            grown *= 1.0 + credit[t]
            t += 1
        out[d] = returns[d] - (grown - 1.0)


@kernel
def summarise(
    nav: Float1D,
    gross: Float1D,
    daily: Int1D,
    fills: Records,
    trips: Records,
    initial: float,
    largest: float,
    returns: Float1D,
    work: Float1D,
    credit: Float1D,
    found: Record,
) -> None:
    """Sum one run.

    Parameters
    ----------
    nav, gross
        After each decision, shape ``(bars,)``, at least one.
    daily
        Decisions that end a day, shape ``(days,)``.
    fills, trips
        FILL and TRIP records.
    initial, largest
        Money at the start; the largest weight ever held.
    returns
        Written: daily returns, shape ``(days,)``.
    work
        Working memory, shape ``(bars + 1,)``.
    credit
        What a unit of cash earned in each cell, shape ``(bars,)``; moments are of returns in excess of it.
        Empty where cash earns nothing.
    found
        Written: SUMMARY.
    """
    days = daily.size
    found.final, found.largest = nav[-1], largest
    found.days, found.bars, found.fills, found.trips = days, nav.size, fills.size, trips.size
    found.mean_nav, found.mean_gross, found.deepest = mean(nav), mean(gross), deepest_fall(nav, initial)
    bars = work[: nav.size]
    returns_into(nav, initial, bars)
    for t in range(credit.size):
        bars[t] -= credit[t]
    found.bar_mean, found.bar_second, found.bar_third, found.bar_fourth = moments(bars)
    for d in range(days):
        work[d] = nav[daily[d]]
    returns_into(work[:days], initial, returns)
    if credit.size > 0:
        excess_into(returns, credit, daily, work[days : 2 * days])
        _sum_days(work[days : 2 * days], work[:days], found)
    else:
        _sum_days(returns, work[:days], found)
    found.notional, found.costs, found.closed, found.won, found.gained, found.lost = tally(fills, trips)


@kernel
def _sum_days(excess: Float1D, work: Float1D, found: Record) -> None:
    found.day_mean, found.day_second, found.day_third, found.day_fourth = moments(excess)
    found.day_below = downside(excess, 0.0)
    found.day_long_run = found.day_influence = math.nan
    if excess.size > 1 and found.day_second > 0.0:
        found.day_long_run, found.day_influence = long_run(
            excess, found.day_mean, found.day_second, 0.0, work
        )
