"""The numbers of a run, each in one place; unknown is None.

Returns are simple returns of NAV; annualisation is ``n / Y`` with the window's own ``Y`` in years of 365.25
days, so bars of a closed market change nothing.  Nothing here knows how the NAV came about; long sums are in
`kernel_sums`.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Int1D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest.kernel_summary import Summary

YEAR_DAYS = 365.25
SHORTEST_CAGR_YEARS = 0.25
_ROWS_PER_DAY = 6
_FEWEST = 2
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
    if returns.size < _FEWEST:
        return Ratio(None, None)
    return _sharpe(sums.moments(returns), returns.size, years, cash)


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
    return _newey_west(plain, second, sums.long_run(returns, middle, second, cash, np.empty(n)), n, years)


def sortino(returns: Float1D, years: float, cash: float = 0.0) -> float | None:
    """Mean excess return by the root mean square of its negative part, annualised; None without losses."""
    if returns.size < _FEWEST:
        return None
    return _sortino(sums.mean(returns), sums.downside(returns, cash), returns.size, years, cash)


def volatility(returns: Float1D, years: float) -> float | None:
    """Standard deviation (ddof 1) of returns, annualised by ``sqrt(n / Y)``."""
    return _volatility(sums.moments(returns)[1], returns.size, years) if returns.size >= _FEWEST else None


def cagr(initial: float, final: float, years: float) -> float | None:
    """Compound annual growth ``(final / initial)^(1 / Y) - 1``; None below a quarter of a year."""
    if years < SHORTEST_CAGR_YEARS or final <= 0.0:
        return None
    return (final / initial) ** (1.0 / years) - 1.0


def drawdown(nav: Float1D, initial: float) -> Float1D:
    """Fall from the highest NAV so far, the initial one included: ``1 - nav / peak``, positive."""
    peak = np.maximum.accumulate(nav)
    np.maximum(peak, initial, out=peak)
    return (peak - nav) / peak


def calmar(growth: float | None, deepest: float) -> float | None:
    """CAGR by maximal drawdown; None where either is unknown or there was no drawdown."""
    return None if growth is None or deepest == 0.0 else growth / deepest


def win_rate(won: int, closed: int) -> float | None:
    """Share of closed round trips with a profit after costs; None without any."""
    return won / closed if closed else None


def profit_factor(gained: float, lost: float) -> float | None:
    """Gross profit by gross loss of closed round trips; None without a loss."""
    return gained / lost if lost > 0.0 else None


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
    if ratio is None or growth is None or wins is None or deepest is None:
        return None
    return 0.4 * ratio + 0.3 * growth + 0.2 * wins - 0.1 * deepest


def per_year(amount: float, mean_nav: float, years: float) -> float:
    """Return an amount of money as a fraction of mean NAV and year: turnover of notional, drag of costs."""
    return amount / mean_nav / years if years > 0.0 else 0.0


def elapsed_years(first: int, last: int) -> float:
    """Return the years of 365.25 days between two instants in microseconds."""
    return (last - first) / (YEAR_DAYS * 86_400e6)


def of_summary(found: Summary, initial: float, years: float) -> dict[str, Any]:
    """Return the metrics that the sums of a run make, by the names of `Metrics`.

    Parameters
    ----------
    found
        From `pipeline.backtest.kernel_summary.summarise`.
    initial
        Money at the start.
    years
        Length of the window, from `elapsed_years`.
    """
    daily = found.day_mean, found.day_second, found.day_third, found.day_fourth
    bars = found.bar_mean, found.bar_second, found.bar_third, found.bar_fourth
    ratio, ratio_h4 = _sharpe(daily, found.days, years), _sharpe(bars, found.bars, years)
    long_run = found.day_long_run, found.day_influence
    ratio_nw = _newey_west(ratio, found.day_second, long_run, found.days, years)
    growth, wins = cagr(initial, found.final, years), win_rate(found.won, found.closed)
    return {
        "total_return": found.final / initial - 1.0,
        "cagr": growth,
        "sharpe": ratio.value,
        "sharpe_se": ratio.error,
        "sharpe_h4": ratio_h4.value,
        "sharpe_h4_se": ratio_h4.error,
        "sharpe_nw": ratio_nw.value,
        "sharpe_nw_se": ratio_nw.error,
        "volatility": _volatility(found.day_second, found.days, years),
        "sortino": _sortino(found.day_mean, found.day_below, found.days, years),
        "max_drawdown": found.deepest,
        "calmar": calmar(growth, found.deepest),
        "win_rate": wins,
        "profit_factor": profit_factor(found.gained, found.lost),
        "bps": balanced_score(ratio.value, growth, wins, found.deepest),
        "turnover": per_year(found.notional, found.mean_nav, years),
        "cost_drag": per_year(found.costs, found.mean_nav, years),
        "trades": found.fills,
        "round_trips": found.closed,
        "open_round_trips": found.trips - found.closed,
        "mean_exposure": found.mean_gross,
        "largest_weight": found.largest,
        "years": years,
    }


def _sharpe(moments: tuple[float, float, float, float], n: int, years: float, cash: float = 0.0) -> Ratio:
    mean, second, third, fourth = moments
    if n < _FEWEST or years <= 0.0 or not second > (1e-15 * max(1.0, abs(mean))) ** 2:
        return Ratio(None, None)
    annual = math.sqrt(n / years)
    ratio = (mean - cash) / math.sqrt(second * n / (n - 1))
    skew, kurt = third / second**1.5, fourth / second**2
    variance = max(0.0, 1.0 - skew * ratio + (kurt - 1.0) / 4.0 * ratio * ratio) / n
    return Ratio(ratio * annual, math.sqrt(variance) * annual)


def _newey_west(plain: Ratio, second: float, long_run: tuple[float, float], n: int, years: float) -> Ratio:
    variance, influence = long_run
    if plain.value is None or not variance > 0.0:
        return Ratio(None, None)
    shrink = math.sqrt(second * n / (n - 1)) / math.sqrt(variance * n / (n - 1))
    return Ratio(plain.value * shrink, math.sqrt(max(0.0, influence) / years) * shrink)


def _sortino(mean: float, below: float, n: int, years: float, cash: float = 0.0) -> float | None:
    if n < _FEWEST or years <= 0.0 or below == 0.0:
        return None
    return (mean - cash) / math.sqrt(below) * math.sqrt(n / years)


def _volatility(second: float, n: int, years: float) -> float | None:
    if n < _FEWEST or years <= 0.0:
        return None
    return math.sqrt(second * n / (n - 1)) * math.sqrt(n / years)
