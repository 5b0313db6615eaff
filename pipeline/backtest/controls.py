"""What a run becomes when the world is a little less kind: dearer, later, or dearer until nothing is left.

Each control runs the same account through the same kernel.  Random strategies are in `random_controls`.
"""

import math
from collections.abc import Callable

import numpy as np

from pipeline.arrays import Float2D
from pipeline.backtest.rerun import Account, with_costs
from pipeline.backtest.result import Simulation
from pipeline.market.panel import Panel

MOST_EXTRA_BPS = 5_000.0
"""Where the search for the break-even cost ends: a side that costs half of what is traded."""
_TOLERANCE_BPS = 0.005
_MOST_STEPS = 40


def doubled_costs(account: Account) -> Simulation | None:
    """Run at twice the slippage and fees; None when that ruins the account."""
    return account.run("costs_x2", rules=with_costs(account.rules, times=2.0), keep=True)


def one_bar_late(account: Account) -> Simulation | None:
    """Run with every order filled one bar of its asset later; None when that ruins the account."""
    return account.run("late", weights=late_weights(account.panel, account.weights), keep=True)


def late_weights(panel: Panel, weights: Float2D) -> Float2D:
    """Return the weights with which each order fills one bar of its asset later.

    Decisions between two opens of an asset fill at the same open, so shifting a book by one decision would
    change nothing for an asset whose market is closed.  The weight of a decision becomes the last one decided
    before the asset's latest open: what filled there fills at the next open.

    Parameters
    ----------
    panel
        Bars.
    weights
        Of every decision, shape ``(bars, assets)``.

    Returns
    -------
    Float2D
        Same shape; 0 before there is an earlier weight.
    """
    late = np.zeros_like(weights)
    decisions = panel.decisions
    for a in range(panel.n_assets):
        opens = panel.open_at[:, a]
        opens = np.sort(opens[~np.isnat(opens)])
        passed = np.searchsorted(opens, decisions, side="left")
        before = np.searchsorted(passed, passed, side="left") - 1
        known = before >= 0
        late[known, a] = weights[before[known], a]
    return late


def break_even_bps(account: Account, base: Simulation, target: float = 0.0) -> float | None:
    """Return the extra cost a side at which the total return falls to ``target``.

    Parameters
    ----------
    account, base
        The account and its run at its own costs.
    target
        A total return: 0 for nothing earned, that of buy-and-hold for nothing gained over it.

    Returns
    -------
    float or None
        Basis points added to what every asset costs; negative when the run misses the target at its own
        costs and meets it at lower ones.  None when it misses it even at no cost or never trades;
        MOST_EXTRA_BPS where even that much leaves it above.
    """

    def above(extra: float) -> float:
        done = account.run("break_even", rules=with_costs(account.rules, extra_bps=extra))
        return -1.0 if done is None else done.metrics.total_return - target

    if not base.fills.size:
        return None
    here = base.metrics.total_return - target
    free = -max((costs.slippage_bps + costs.fee_bps for costs in account.rules.costs.values()), default=0.0)
    if here < 0.0:
        least = above(free)
        return None if least < 0.0 else _root(above, free, least, 0.0, here)
    far, there = _first_below(above)
    return far if there >= 0.0 else _root(above, 0.0, here, far, there)


def _first_below(above: Callable[[float], float]) -> tuple[float, float]:
    """Return the first of growing extra costs at which the target is missed, or the largest of all."""
    extra = 20.0
    while True:
        value = above(extra)
        if value < 0.0 or extra >= MOST_EXTRA_BPS:
            return extra, value
        extra = min(extra * 4.0, MOST_EXTRA_BPS)


def _root(f: Callable[[float], float], low: float, at_low: float, high: float, at_high: float) -> float:
    """Return where ``f`` crosses zero between ``low`` (not below it) and ``high`` (below): regula falsi.

    Whole lots make small steps of ``f``, so halving takes over where the secant stalls (Illinois rule).
    """
    side = 0
    for _ in range(_MOST_STEPS):
        if high - low <= _TOLERANCE_BPS or at_low == 0.0:
            break
        middle = low + (high - low) * at_low / (at_low - at_high)
        if not low < middle < high or math.isnan(middle):
            middle = 0.5 * (low + high)
        value = f(middle)
        if abs(value) < 1e-9:  # noqa: PLR2004 - a ten-thousandth of a cent on a thousand
            return middle
        if value > 0.0:
            low, at_low = middle, value
            at_high *= 0.5 if side > 0 else 1.0
            side = 1
        else:
            high, at_high = middle, value
            at_low *= 0.5 if side < 0 else 1.0
            side = -1
    return low
