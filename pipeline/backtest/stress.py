"""What a run's own book would have lost in two worlds that its history need not hold: gaps, and one market.

Nothing is traded again: the positions are those of the run, at every decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.backtest.rerun import Account
from pipeline.backtest.result import Simulation
from pipeline.backtest.window import history_of

GAPS: Mapping[str, float] = {"equity": -0.10, "crypto": -0.40}
"""Return between two bars by class: every equity falls as SPY does, every coin as BTC does, all at once."""
CORRELATION = 0.9
"""What every correlation rises to; one that is higher stays."""
_FEWEST_DAYS = 30


@dataclass(frozen=True)
class Stress:
    """Answers of one run; None where it says nothing.

    Attributes
    ----------
    gap_loss
        Largest loss of a book of the run in the gap, a positive fraction of NAV.
    volatility_factor
        Volatility of its books with the raised correlations by that with its own; None when it held nothing.
    drawdown
        Its largest fall times that factor.
    """

    gap_loss: float | None
    volatility_factor: float | None
    drawdown: float | None


def stress(account: Account, run: Simulation) -> Stress:
    """Put the books of a run under stress.

    Parameters
    ----------
    account, run
        The account and its run.
    """
    marks = history_of(account.panel, account.rules.volume_lookback).mark
    flows = account.panel.flows
    units = np.ones_like(marks) if flows is None else np.cumprod(flows.split, axis=0)
    weights: Float2D = np.nan_to_num(run.quantity * marks[account.start :] / run.nav[:, None])
    gaps = np.array([GAPS[asset.asset_class] for asset in account.assets])
    values = (marks * units)[account.start :][run.daily]
    factor = volatility_factor(weights[run.daily], values[1:] / values[:-1] - 1.0)
    fall = run.metrics.max_drawdown
    return Stress(
        gap_loss=float((-weights @ gaps).max()),
        volatility_factor=factor,
        drawdown=None if factor is None or fall is None else fall * factor,
    )


def volatility_factor(weights: Float2D, returns: Float2D) -> float | None:
    """Return how much more books move when every correlation is at least 0.9.

    Parameters
    ----------
    weights
        Books as fractions of NAV, one a day, shape ``(days, assets)``.
    returns
        Daily returns of the assets, shape ``(days - 1, assets)``; a day that one of those held lacks is left
        out.

    Examples
    --------
    >>> rng = np.random.default_rng(8)
    >>> even = np.full((1001, 2), 0.5)
    >>> round(volatility_factor(even, rng.normal(0.0, 0.01, (1000, 2))), 1)
    1.4
    """
    held = np.flatnonzero((weights != 0.0).any(axis=0))
    books, moves = weights[:, held], returns[:, held]
    moves = moves[np.isfinite(moves).all(axis=1)]
    if held.size == 0 or moves.shape[0] < _FEWEST_DAYS:
        return None
    covariance = np.atleast_2d(np.cov(moves, rowvar=False))
    deviations: Float1D = np.sqrt(np.diag(covariance))
    scale = np.outer(deviations, deviations)
    raised = np.maximum(covariance, CORRELATION * scale)
    np.fill_diagonal(raised, np.diag(covariance))
    own, stressed = (np.einsum("ta,ab,tb->", books, matrix, books) for matrix in (covariance, raised))
    return float(np.sqrt(stressed / own)) if own > 0.0 else None
