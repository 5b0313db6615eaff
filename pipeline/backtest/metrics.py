"""The numbers of a run, each in one place; unknown is None.

Returns are simple returns of NAV; annualisation is ``n / Y`` with the window's own ``Y`` in years of 365.25
days, so bars of a closed market change nothing.  Nothing here knows how the NAV came about; long sums are in
`kernel_sums`.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Int1D
from pipeline.backtest import kernel_ratios as ratios
from pipeline.backtest import kernel_sums as sums
from pipeline.portfolio.account import Record

YEAR_DAYS = 365.25
SHORTEST_CAGR_YEARS = ratios.SHORTEST_CAGR_YEARS
_ROWS_PER_DAY = 6
_CELL_US = 4 * 3_600_000_000


class Ratio(NamedTuple):
    """An annualised ratio and its standard error; both None where they are not defined."""

    value: float | None
    error: float | None


@dataclass(frozen=True)
class Metrics:
    """Headline numbers; fractions, drawdown positive, None where unknown.

    ``trades`` counts fills, ``round_trips`` closed trips only.  ``sharpe`` is the headline on daily NAV, with
    the value on H4 returns and the one with Newey-West variance beside it.
    """

    total_return: float
    cagr: float | None
    sharpe: float | None
    sharpe_se: float | None
    sharpe_h4: float | None
    sharpe_h4_se: float | None
    sharpe_nw: float | None
    sharpe_nw_se: float | None
    volatility: float | None
    sortino: float | None
    max_drawdown: float
    calmar: float | None
    win_rate: float | None
    profit_factor: float | None
    bps: float | None
    turnover: float
    cost_drag: float
    trades: int
    round_trips: int
    open_round_trips: int
    mean_exposure: float
    largest_weight: float
    years: float


NAMES = tuple(field.name for field in fields(Metrics))
"""Names of the metrics, in the order of `pipeline.backtest.kernel_ratios.ratios_into`."""
_COUNTS = ("trades", "round_trips", "open_round_trips")


def daily_rows(ts: Int1D, has_bar: Bool1D | None) -> Int1D:
    """Return the decisions that end a day: 00:00 UTC, for session books only after days with a session.

    NAV at 00:00 UTC is NAV at the session's close, marked at the first decision at which it is surely known.

    Parameters
    ----------
    ts
        Labels of the decisions in microseconds, gapless, shape ``(bars,)``.
    has_bar
        Whether some asset of the book has a bar in the cell; None for a book that may hold an asset whose
        market never closes.
    """
    first = int(-(ts[0] // _CELL_US + 1) % _ROWS_PER_DAY) if ts.size else 0
    rows = np.arange(first, ts.size, _ROWS_PER_DAY)
    if has_bar is None:
        return rows
    seen = np.concatenate([[0], np.cumsum(has_bar)])
    return rows[seen[rows + 1] > seen[np.maximum(rows + 1 - _ROWS_PER_DAY, 0)]]


def simple_returns(nav: Float1D, initial: float) -> Float1D:
    """Return ``nav_t / nav_(t-1) - 1``, the first against ``initial``."""
    returns = np.empty(nav.size)
    sums.returns_into(nav, initial, returns)
    return returns


def sharpe(returns: Float1D, years: float, cash: float = 0.0) -> Ratio:
    """Sharpe ratio ``mean / sd * sqrt(n / Y)`` of returns in excess of ``cash`` per period; sd with ddof 1.

    The standard error is Mertens' (2002): ``sqrt((1 - skew s + (kurt - 1) / 4 s^2) / n)`` per period.
    """
    if returns.size < ratios.FEWEST:
        return Ratio(None, None)
    return _ratio(ratios.sharpe_of(*sums.moments(returns), returns.size, years, cash))


def newey_west_sharpe(returns: Float1D, years: float, cash: float = 0.0) -> Ratio:
    """Sharpe ratio with the long-run standard deviation in place of the sample's (Lo 2002).

    Bartlett weights, ``floor(4 (n / 100)^(2/9))`` lags.  The standard error is that of the ratio's influence
    function ``(r - m) / sd - s / 2 ((r - m)^2 / sd^2 - 1)`` under the same weights.
    """
    plain = sharpe(returns, years, cash)
    if plain.value is None:
        return Ratio(None, None)
    middle, second, _, _ = sums.moments(returns)
    n = returns.size
    long_run = sums.long_run(returns, middle, second, cash, np.empty(n))
    return _ratio(ratios.newey_west_of(plain.value, second, *long_run, n, years))


def sortino(returns: Float1D, years: float, cash: float = 0.0) -> float | None:
    """Mean excess return by the root mean square of its negative part, annualised; None without losses."""
    if returns.size < ratios.FEWEST:
        return None
    below = sums.downside(returns, cash)
    return _known(ratios.sortino_of(sums.mean(returns), below, returns.size, years, cash))


def volatility(returns: Float1D, years: float) -> float | None:
    """Standard deviation (ddof 1) of returns, annualised by ``sqrt(n / Y)``."""
    if returns.size < ratios.FEWEST:
        return None
    return _known(ratios.volatility_of(sums.moments(returns)[1], returns.size, years))


def cagr(initial: float, final: float, years: float) -> float | None:
    """Compound annual growth ``(final / initial)^(1 / Y) - 1``; None below a quarter of a year."""
    return _known(ratios.growth_of(initial, final, years))


def drawdown(nav: Float1D, initial: float) -> Float1D:
    """Fall from the highest NAV so far, the initial one included: ``1 - nav / peak``, positive."""
    peak = np.maximum.accumulate(nav)
    np.maximum(peak, initial, out=peak)
    return (peak - nav) / peak


def calmar(growth: float | None, deepest: float) -> float | None:
    """CAGR by maximal drawdown; None where either is unknown or there was no drawdown."""
    return None if growth is None else _known(ratios.quotient(growth, deepest))


def win_rate(won: int, closed: int) -> float | None:
    """Share of closed round trips with a profit after costs; None without any."""
    return won / closed if closed else None


def profit_factor(gained: float, lost: float) -> float | None:
    """Gross profit by gross loss of closed round trips; None without a loss."""
    return _known(ratios.quotient(gained, lost))


def balanced_score(
    ratio: float | None, growth: float | None, wins: float | None, deepest: float | None
) -> float | None:
    """Balanced performance score ``0.4 Sharpe + 0.3 CAGR + 0.2 win rate - 0.1 max drawdown``.

    None when a part is None.

    Examples
    --------
    >>> round(balanced_score(1.5, 0.20, 0.65, 0.15), 12)
    0.775
    """
    parts = (math.nan if part is None else part for part in (ratio, growth, wins, deepest))
    return _known(ratios.balanced_of(*parts))


def per_year(amount: float, mean_nav: float, years: float) -> float:
    """Return an amount of money as a fraction of mean NAV and year: turnover of notional, drag of costs."""
    return float(ratios.per_year_of(amount, mean_nav, years))


def elapsed_years(first: int, last: int) -> float:
    """Return the years of 365.25 days between two instants in microseconds."""
    return (last - first) / (YEAR_DAYS * 86_400e6)


def of_summary(found: Record, initial: float, years: float) -> Metrics:
    """Return the metrics that the sums of a run make.

    Parameters
    ----------
    found
        SUMMARY, from `pipeline.backtest.kernel_summary.summarise`.
    initial
        Money at the start.
    years
        Length of the window, from `elapsed_years`.
    """
    numbers = np.empty(len(NAMES))
    ratios.ratios_into(found, initial, years, numbers)
    known: dict[str, Any] = dict(zip(NAMES, map(_known, numbers.tolist()), strict=True))
    return Metrics(**known | {name: int(known[name]) for name in _COUNTS})


def _ratio(pair: tuple[float, float]) -> Ratio:
    return Ratio(_known(pair[0]), _known(pair[1]))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
