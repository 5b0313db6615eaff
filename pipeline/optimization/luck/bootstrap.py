"""Block-bootstrap intervals on the headline figures of one run: Sharpe, CAGR, drawdown and BPS.

Days are drawn in blocks (`blocks.py`), round trips one by one: BPS needs both, and trips have no day of their
own.  The percentile interval is used throughout; a drawdown's is a band of what paths of such days show.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline import seeds
from pipeline.arrays import Float1D
from pipeline.backtest import metrics
from pipeline.backtest.cash import beyond_cash
from pipeline.errors import ConfigError, DataError
from pipeline.optimization.luck.blocks import MEAN_BLOCK, Blocks, draw_blocks
from pipeline.optimization.luck.kernel_bootstrap import path_figures
from pipeline.optimization.luck.sample import defined_days, moves, positive, too_short

DRAWS = 2000
LEVEL = 0.90
FIGURES = ("sharpe", "cagr", "max_drawdown", "bps")
_SHARPE_IN_BPS = 0.4


@dataclass(frozen=True)
class Trips:
    """Closed round trips of a run and those won."""

    won: int
    closed: int

    def __post_init__(self) -> None:
        if not 0 <= self.won <= self.closed:
            raise DataError(
                "more round trips won than closed",
                field="won",
                value=self.won,
                constraint=f"<= {self.closed}",
            )


NO_TRIPS = Trips(0, 0)


@dataclass(frozen=True)
class Interval:
    """A figure, the interval that holds the stated share of draws, and their standard deviation."""

    value: float | None
    low: float | None
    high: float | None
    error: float | None


_NOTHING = Interval(None, None, None, None)


@dataclass(frozen=True)
class Intervals:
    """Intervals on the headline figures; parts are None where a figure is undefined.

    ``n`` counts the days used, ``left_out`` the undefined ones; ``level`` is the share of draws inside, so
    that 0.90 runs from the 5 % to the 95 % quantile.
    """

    sharpe: Interval
    cagr: Interval
    max_drawdown: Interval
    bps: Interval
    n: int
    draws: int
    level: float
    left_out: int
    reason: str | None = None


def intervals(
    returns: Float1D,
    years: float,
    *,
    seed: int,
    trips: Trips = NO_TRIPS,
    cash: Float1D | None = None,
    mean_block: float = MEAN_BLOCK,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Intervals:
    """Return bootstrap intervals on Sharpe ratio, CAGR, maximal drawdown and BPS.

    Parameters
    ----------
    returns
        Daily simple returns of NAV, shape ``(days,)``.
    years
        Length of the window in years of 365.25 days.
    seed
        Of the streams ``luck/intervals`` and ``luck/round_trips``.
    trips
        Round trips, for the win rate in BPS; without any, BPS is undefined.
    cash
        What cash earned on the same days, of which Sharpe ratios are in excess; None or empty: nothing.
    mean_block, draws
        Mean length of a block in days and number of samples.
    level
        Share of draws inside.

    Raises
    ------
    ConfigError
        If years, blocks, draws or the level are out of range.
    """
    positive("years", years, 1e-9)
    if not 0.0 < level < 1.0:
        raise ConfigError("not a level of confidence", field="level", value=level, constraint="0 < level < 1")
    days = defined_days(returns)
    left_out = returns.size - days.size
    reason = too_short(days.size)
    if reason is not None:
        return Intervals(_NOTHING, _NOTHING, _NOTHING, _NOTHING, days.size, draws, level, left_out, reason)
    kept_years = years * days.size / returns.size
    blocks = draw_blocks(seed, "luck/intervals", days.size, mean_block=mean_block, draws=draws)
    drawn = drawn_figures(days, kept_years, blocks, trips, seed=seed)
    seen = figures(days, kept_years, trips)
    if cash is not None and cash.size:
        beyond = beyond_cash(days, cash[np.isfinite(returns)])
        over = drawn_figures(beyond, kept_years, blocks, trips, seed=seed)["sharpe"]
        score = drawn["bps"] + _SHARPE_IN_BPS * (over - drawn["sharpe"])
        drawn = {**drawn, "sharpe": over, "bps": score}
        ratio, wins = figures(beyond, kept_years, trips)["sharpe"], metrics.win_rate(trips.won, trips.closed)
        score_seen = metrics.balanced_score(ratio, seen["cagr"], wins, seen["max_drawdown"])
        seen = {**seen, "sharpe": ratio, "bps": score_seen}
    sharpe, cagr, fall, bps = (_interval(seen[name], drawn[name], level) for name in FIGURES)
    return Intervals(sharpe, cagr, fall, bps, days.size, draws, level, left_out)


def figures(days: Float1D, years: float, trips: Trips) -> dict[str, float | None]:
    """Return the headline figures of daily returns, as `pipeline.backtest.metrics` defines them."""
    nav: Float1D = np.cumprod(1.0 + days).astype(np.float64)
    ratio = metrics.sharpe(days, years).value if moves(days) else None
    growth = metrics.cagr(1.0, float(nav[-1]), years)
    deepest = float(metrics.drawdown(nav, 1.0).max())
    score = metrics.balanced_score(ratio, growth, metrics.win_rate(trips.won, trips.closed), deepest)
    return {"sharpe": ratio, "cagr": growth, "max_drawdown": deepest, "bps": score}


def drawn_figures(
    days: Float1D, years: float, blocks: Blocks, trips: Trips, *, seed: int, run: int = 0
) -> Mapping[str, Float1D]:
    """Return the headline figures of every bootstrap sample, shape ``(draws,)``, NaN where undefined.

    Runs of different number ``run`` meet the same days but draw their round trips apart.
    """
    out = np.empty((blocks.draws, 4))
    path_figures(days, blocks.starts, blocks.lengths, out)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(out[:, 1] * days.size / (days.size - 1))
        ratio = np.where(sd > 0.0, out[:, 0] / sd, np.nan) * math.sqrt(days.size / years)
    known = years >= metrics.SHORTEST_CAGR_YEARS
    growth = np.expm1(out[:, 2] / years) if known else np.full(blocks.draws, np.nan)
    wins = np.full(blocks.draws, np.nan)
    if trips.closed:
        chance = trips.won / trips.closed
        wins = (
            seeds.stream(seed, "luck/round_trips", run).binomial(trips.closed, chance, blocks.draws)
            / trips.closed
        )
    score = 0.4 * ratio + 0.3 * growth + 0.2 * wins - 0.1 * out[:, 3]
    return {"sharpe": ratio, "cagr": growth, "max_drawdown": out[:, 3], "bps": score}


def _interval(value: float | None, drawn: Float1D, level: float) -> Interval:
    known = drawn[np.isfinite(drawn)]
    if value is None or known.size < drawn.size / 2:
        return Interval(value, None, None, None)
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(value, float(low), float(high), float(known.std(ddof=1)))
