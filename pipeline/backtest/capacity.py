"""How much money a run can carry: the NAV at which the volume cap binds in one order of twenty."""

import math

import numpy as np

from pipeline.backtest.rerun import Account
from pipeline.backtest.result import Simulation

BINDS_IN = 0.05
"""Share of orders that the volume cap may cut at capacity."""
SMALLEST, LARGEST = 1e3, 1e13
_PRECISION = 1.02


def capacity(account: Account, base: Simulation) -> float | None:
    """Return the largest NAV, to 2 %, at which the volume cap cuts no more than 5 % of the orders.

    Orders whose cell has too few known bars for a cap are not counted.

    Parameters
    ----------
    account
        What is run again with other money.
    base
        Its run at its own money.

    Returns
    -------
    float or None
        In the quote currency, LARGEST where even that is not too much.  None where nothing is traded, the
        rules have no volume cap, the volumes of a traded asset are unknown, or even SMALLEST is too much.
    """
    if account.rules.volume_share == math.inf or not _volumes_known(base):
        return None
    low = high = float(np.clip(account.initial_nav, SMALLEST, LARGEST))
    if _too_much(account, low):
        while _too_much(account, low):
            if low <= SMALLEST:
                return None
            high, low = low, max(low / 10.0, SMALLEST)
    else:
        while not _too_much(account, high):
            if high >= LARGEST:
                return LARGEST
            low, high = high, min(high * 10.0, LARGEST)
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _too_much(account, middle) else (middle, high)
    return low


def cut_share(done: Simulation) -> float | None:
    """Return the share of capped orders that the volume cap cut; None without any."""
    orders = done.counters["orders"] - done.counters["uncapped"]
    return done.counters["volume_cut"] / orders if orders > 0 else None


def _too_much(account: Account, nav: float) -> bool:
    done = account.run("capacity", initial_nav=nav)
    share = None if done is None else cut_share(done)
    return share is None or share > BINDS_IN


def _volumes_known(base: Simulation) -> bool:
    """Return whether every traded asset had at least one fill under a volume cap."""
    traded = np.unique(base.fills["asset"])
    capped = np.unique(base.fills["asset"][base.fills["capped"] == 1])
    return traded.size > 0 and traded.size == capped.size
