"""The numbers of one member of a book, from the ledger and the book's account."""

from typing import Any

import numpy as np

from pipeline.arrays import Float2D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest import metrics as m
from pipeline.backtest.result import Simulation
from pipeline.portfolio.attribution import Ledger


def numbers_of(ledger: Ledger, column: int, budgets: Float2D, simulation: Simulation) -> dict[str, Any]:
    """Return the fields of a `MemberResult` that are numbers, for the member of a column."""
    years, nav = simulation.metrics.years, simulation.nav
    earned = np.cumsum(ledger.pnl[:, column])
    daily_pnl = np.diff(earned[simulation.daily], prepend=0.0)
    before = np.concatenate([[simulation.initial_nav], nav[simulation.daily][:-1]])
    returns = daily_pnl / before
    grown = np.cumprod(1.0 + returns)
    final = float(grown[-1]) if grown.size else 1.0
    ratio = m.sharpe(returns, years)
    return {
        "budget": float(budgets[:, column].mean()),
        "mean_share": float(ledger.exposure[:, column].mean()),
        "pnl": float(earned[-1]),
        "turnover": m.per_year(float(ledger.traded[column]), sums.mean(nav), years),
        "trades": int(ledger.trades[column]),
        "daily_pnl": daily_pnl,
        "daily_returns": returns,
        "contribution": final - 1.0,
        "sharpe": None if simulation.credit.size else ratio.value,
        "sharpe_se": None if simulation.credit.size else ratio.error,
        "volatility": m.volatility(returns, years),
        "max_drawdown": sums.deepest_fall(grown, 1.0),
        "cagr": m.cagr(1.0, final, years),
    }
