"""The ratios that the sums of a run make, in one compiled call; `metrics` says what each is, NaN is unknown.

Members of a population and single runs go through the same call, so a number has one way to come about.
"""

import math

from pipeline.arrays import Bool1D, Float1D, Float2D, Int1D
from pipeline.jit import kernel
from pipeline.portfolio.account import Record, Records

FEWEST = 2
"""Returns below which nothing is said of their spread."""
SHORTEST_CAGR_YEARS = 0.25


@kernel
def sharpe_of(
    mean: float, second: float, third: float, fourth: float, n: int, years: float, cash: float
) -> tuple[float, float]:
    """Return the annualised Sharpe ratio of ``n`` returns and its standard error, from their moments."""
    if n < FEWEST or years <= 0.0 or not second > (1e-15 * max(1.0, abs(mean))) ** 2:
        return math.nan, math.nan
    annual = math.sqrt(n / years)
    ratio = (mean - cash) / math.sqrt(second * n / (n - 1))
    skew, kurt = third / (second * math.sqrt(second)), fourth / (second * second)
    variance = max(0.0, 1.0 - skew * ratio + (kurt - 1.0) / 4.0 * ratio * ratio) / n
    return ratio * annual, math.sqrt(variance) * annual


@kernel
def newey_west_of(
    plain: float, second: float, variance: float, influence: float, n: int, years: float
) -> tuple[float, float]:
    """Return a Sharpe ratio with the long-run standard deviation, and its standard error."""
    if math.isnan(plain) or not variance > 0.0:
        return math.nan, math.nan
    shrink = math.sqrt(second * n / (n - 1)) / math.sqrt(variance * n / (n - 1))
    return plain * shrink, math.sqrt(max(0.0, influence) / years) * shrink


@kernel
def sortino_of(mean: float, below: float, n: int, years: float, cash: float) -> float:
    """Return the annualised mean by the root mean square of what lies below ``cash``."""
    if n < FEWEST or years <= 0.0 or below == 0.0:
        return math.nan
    return (mean - cash) / math.sqrt(below) * math.sqrt(n / years)


@kernel
def volatility_of(second: float, n: int, years: float) -> float:
    """Return the annualised standard deviation, ddof 1."""
    if n < FEWEST or years <= 0.0:
        return math.nan
    return math.sqrt(second * n / (n - 1)) * math.sqrt(n / years)


@kernel
def growth_of(initial: float, final: float, years: float) -> float:
    """Return compound annual growth."""
    if years < SHORTEST_CAGR_YEARS or final <= 0.0:
        return math.nan
    return (final / initial) ** (1.0 / years) - 1.0


@kernel
def quotient(amount: float, other: float) -> float:
    """Return one amount by another that must be above zero: CAGR by drawdown, gross profit by gross loss."""
    return amount / other if other > 0.0 else math.nan


@kernel
def per_year_of(amount: float, mean_nav: float, years: float) -> float:
    """Return an amount of money as a fraction of mean NAV and year."""
    return amount / mean_nav / years if years > 0.0 else 0.0


@kernel
def balanced_of(ratio: float, growth: float, wins: float, deepest: float) -> float:
    """Return the balanced performance score; unknown where a part is."""
    return 0.4 * ratio + 0.3 * growth + 0.2 * wins - 0.1 * deepest


@kernel
def ratios_into(found: Record, initial: float, years: float, out: Float1D) -> None:
    """Write the ratios of one run.

    Parameters
    ----------
    found
        SUMMARY of the run.
    initial, years
        Money at the start; length of the window.
    out
        Written: the fields of `pipeline.backtest.metrics.Metrics` in their order.
    """
    ratio, error = sharpe_of(
        found.day_mean, found.day_second, found.day_third, found.day_fourth, found.days, years, 0.0
    )
    growth, wins = growth_of(initial, found.final, years), math.nan
    if found.closed > 0:
        wins = found.won / found.closed
    out[0], out[1] = found.final / initial - 1.0, growth
    out[2], out[3] = ratio, error
    out[4], out[5] = sharpe_of(
        found.bar_mean, found.bar_second, found.bar_third, found.bar_fourth, found.bars, years, 0.0
    )
    out[6], out[7] = newey_west_of(
        ratio, found.day_second, found.day_long_run, found.day_influence, found.days, years
    )
    out[8] = volatility_of(found.day_second, found.days, years)
    out[9] = sortino_of(found.day_mean, found.day_below, found.days, years, 0.0)
    out[10], out[11] = found.deepest, quotient(growth, found.deepest)
    out[12], out[13] = wins, quotient(found.gained, found.lost)
    out[14] = balanced_of(ratio, growth, wins, found.deepest)
    out[15] = per_year_of(found.notional, found.mean_nav, years)
    out[16] = per_year_of(found.costs, found.mean_nav, years)
    out[17], out[18], out[19] = found.fills, found.closed, found.trips - found.closed
    out[20], out[21], out[22] = found.mean_gross, found.largest, years


@kernel
def rate_members(
    members: Int1D, found: Records, ruined: Bool1D, initial: float, years: float, out: Float2D
) -> None:
    """Write the ratios of members of a block, shape ``(members, ratios)``.

    Of an account that went bankrupt only total return (-1) and maximal drawdown (1) are known.
    """
    for m in members:
        if ruined[m]:
            out[m, :] = math.nan
            out[m, 0], out[m, 10] = -1.0, 1.0
        else:
            ratios_into(found[m], initial, years, out[m])
