"""What a book leaves for each of its members: shares of every target, profit and loss, and their numbers.

Where the numbers come from is `pipeline.backtest.member_numbers`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.portfolio.attribution import Ledger

_FEWEST_DAYS = 3
"""Two days always lie on a line."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Who owns each target, one entry for each asset and decision at which something changed.

    For every entry ``weight.sum + delta.sum = share.sum``, the clamped target, and ``share.sum + term.sum``
    is what the account held after the fill, at the prices and the NAV of the decision.  Between two entries
    of an asset only the term ``band`` moves, with prices.

    Attributes
    ----------
    members
        Names of the strategies, the columns of ``weight`` and ``share``.
    row, asset
        Decision and column, shape ``(entries,)``.
    weight, share
        Budget times weight before the risk rules, and what they left of it, shape ``(entries, members)``.
    delta
        What each rule of `pipeline.portfolio.account.RULE_NAMES` changed, shape ``(entries, 6)``.
    term
        `pipeline.portfolio.attribution.TERM_NAMES`, owned by no strategy, shape ``(entries, 4)``.
    """

    members: tuple[str, ...]
    row: Int1D
    asset: Int1D
    weight: Float2D
    share: Float2D
    delta: Float2D
    term: Float2D

    @property
    def target(self) -> Float1D:
        """Clamped target of each entry."""
        return self.share.sum(axis=1)

    @property
    def held(self) -> Float1D:
        """Weight after the fill of each entry, at the prices of the decision."""
        return self.share.sum(axis=1) + self.term.sum(axis=1)


@dataclass(frozen=True, eq=False)
class MemberResult:
    """One strategy inside a book.

    Attributes
    ----------
    strategy, version, parameters, universe
        What it was.
    budget
        Its mean budget over the run, after regimes, a fraction of NAV.
    mean_share
        Mean over decisions of its gross share of the targets, after the risk rules.
    pnl
        Profit after costs of the positions it owns, money; over all members it is the book's, but for
        interest on cash, which belongs to nobody.
    turnover
        Notional traded for it, by mean NAV and year.
    trades
        Fills of which it paid a part; a fill that serves two strategies counts for both.
    daily_pnl, daily_returns
        Profit from one end of day to the next, in money and by the book's NAV before, shape ``(days,)``.
    contribution
        ``prod(1 + daily return) - 1``.
    sharpe, sharpe_se, volatility, max_drawdown, cagr
        Of those daily returns; None where unknown.
    """

    strategy: str
    version: str
    parameters: Mapping[str, Any]
    universe: tuple[str, ...]
    budget: float
    mean_share: float
    pnl: float
    turnover: float
    trades: int
    daily_pnl: Float1D
    daily_returns: Float1D
    contribution: float
    sharpe: float | None
    sharpe_se: float | None
    volatility: float | None
    max_drawdown: float
    cagr: float | None


@dataclass(frozen=True, eq=False)
class BookParts:
    """Members and attribution of a book; ``budgets`` in force at each decision, ``(bars, members)``."""

    members: tuple[MemberResult, ...]
    budgets: Float2D
    attribution: Attribution

    @property
    def correlations(self) -> Float2D:
        """Correlations of the members' daily returns, shape ``(members, members)``; see `correlations`."""
        return correlations(np.stack([member.daily_returns for member in self.members]))


def correlations(returns: Float2D) -> Float2D:
    """Return the correlations of daily returns, shape ``(n, n)``, by rows of ``returns`` ``(n, days)``.

    NaN where one of the two never moved, or there are fewer than three days.
    """
    n, days = returns.shape
    moved = returns.std(axis=1) > 0.0
    found = np.full((n, n), np.nan)
    if days >= _FEWEST_DAYS and moved.any():
        found[np.ix_(moved, moved)] = np.corrcoef(returns[moved])
    return found


def attribution_of(ledger: Ledger, names: Sequence[str]) -> Attribution:
    """Return the entries of a ledger; what was reserved beyond them is given back."""
    n = int(ledger.count[0])
    return Attribution(
        members=tuple(names),
        row=ledger.row[:n].copy(),
        asset=ledger.asset[:n].copy(),
        weight=ledger.weight[:n].copy(),
        share=ledger.share[:n].copy(),
        delta=ledger.delta[:n].copy(),
        term=ledger.term[:n].copy(),
    )
