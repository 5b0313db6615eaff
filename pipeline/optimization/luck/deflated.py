"""Probabilistic and deflated Sharpe ratio: how sure is it that the best of N trials has skill at all.

Bailey and Lopez de Prado (2012, "The Sharpe ratio efficient frontier"; 2014, "The deflated Sharpe ratio").
Annual figures use ``n / Y`` as everywhere (`pipeline.backtest.metrics`); the formulas run per day.

The threshold grows with the spread of the trials' Sharpe ratios, so whoever adds copies of a trial, which
all have one Sharpe ratio, would lower it.  Two things stand against that: near-copies count once in the
spread (`copies`) though each counts in N, and the spread is never taken below that of noise, ``1 / Y`` (Lo
2002 at a true ratio of 0), whatever the trials show.  Trials that are related, but no near-copies, may still
narrow a spread that is wider than noise, down to that of noise and no further.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest.cash import beyond_cash
from pipeline.errors import DataError
from pipeline.optimization.luck.copies import distinct
from pipeline.optimization.luck.sample import defined_days, moves, positive, too_short
from pipeline.optimization.luck.verdict import LEVEL, POWER, Verdict, decide

_NORMAL = NormalDist()
_EULER = float(np.euler_gamma)
_FEWEST_SHARPES = 2


@dataclass(frozen=True)
class DeflatedSharpe:
    """What the best of N trials is worth; everything annual, None where undefined.

    Attributes
    ----------
    value
        Probability that the true Sharpe ratio exceeds what the best of N without skill is expected to show.
    psr
        Probability that it exceeds zero, as if nothing else had been tried.
    sharpe
        Sharpe ratio of the excess returns.
    threshold
        Expected best Sharpe ratio of N trials without skill.
    n
        Days used.
    skew, kurtosis
        Of the daily returns; 3 is the normal law's kurtosis.
    min_detectable
        True Sharpe ratio that would have reached 0.95 with a chance of 80 %.
    needed
        Observed Sharpe ratio at which ``value`` is 0.95.
    n_trials
        N, never fewer than the trials given.
    spread
        Variance of the trials' Sharpe ratios, but at least that of noise: a year by the length of the sample.
    distinct
        Sharpe ratios that it is taken over.
    left_out
        Days and trial Sharpe ratios left out as undefined.
    reason
        Why there is no value.
    """

    value: float | None
    psr: float | None
    sharpe: float | None
    threshold: float | None
    n: int
    skew: float | None
    kurtosis: float | None
    min_detectable: float | None
    needed: float | None
    n_trials: int
    spread: float | None
    distinct: int
    left_out: int
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Skill from 0.95 on; `no skill` only where a relevant Sharpe ratio would have been seen."""
        return decide(self.value, self.min_detectable)


@dataclass(frozen=True)
class Shape:
    """A sample of returns as the formulas see it: days a year, number of days, skewness and kurtosis."""

    per_year: float
    n: int
    skew: float = 0.0
    kurtosis: float = 3.0


def in_excess(
    returns: Float2D,
    benchmark: Float1D,
    exposure: "Float1D | float",
    cash: Float1D | Float2D | None = None,
) -> Float2D:
    """Return what a strategy earned beyond holding the benchmark at its own mean exposure, the rest in cash.

    Parameters
    ----------
    returns
        Daily simple returns, shape ``(days,)`` or ``(trials, days)``.
    benchmark
        Buy-and-hold's on the same days, shape ``(days,)``.
    exposure
        Mean exposure of the strategy, or of each trial, as a fraction of NAV.
    cash
        What cash earned on the same days, shape ``(days,)``, or ``(trials, days)`` where each trial has its
        own; None or empty: nothing.

    Raises
    ------
    DataError
        If the days of both sides differ in number.
    """
    if returns.shape[-1:] != benchmark.shape:
        raise DataError(
            "the strategy and its benchmark lie on different days",
            field="benchmark",
            value=benchmark.shape,
            constraint=f"{returns.shape[-1:]}",
            fix="read both from one window",
        )
    share = np.asarray(exposure)[..., None]
    return beyond_cash(returns, cash) - share * beyond_cash(benchmark, cash)


def expected_best(n_trials: int) -> float:
    """Return the expected largest of N independent standard normals; 0 for a single one.

    ``(1 - g) z(1 - 1/N) + g z(1 - 1/(N e))`` with Euler's constant g.

    Examples
    --------
    >>> round(expected_best(200), 4)
    2.7655
    """
    positive("n_trials", n_trials, 1)
    if n_trials == 1:
        return 0.0
    usual, tail = -_NORMAL.inv_cdf(1.0 / n_trials), -_NORMAL.inv_cdf(1.0 / (n_trials * math.e))
    return (1.0 - _EULER) * usual + _EULER * tail


def probabilistic_sharpe(sharpe: float, shape: Shape, *, beyond: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds ``beyond``, both annual.

    None where the sample has two values only, so that its Sharpe ratio has no spread.

    Examples
    --------
    >>> round(probabilistic_sharpe(2.5, Shape(250.0, 1250, -3.0, 10.0), beyond=1.789), 2)
    0.9
    """
    root = math.sqrt(shape.per_year)
    ratio = sharpe / root
    spread = 1.0 - shape.skew * ratio + (shape.kurtosis - 1.0) / 4.0 * ratio * ratio
    if not spread > 0.0 or shape.n < _FEWEST_SHARPES:
        return None
    score = (ratio - beyond / root) * math.sqrt(shape.n - 1.0) / math.sqrt(spread)
    return 0.5 * math.erfc(-score / math.sqrt(2.0))


def sharpe_beyond(threshold: float, score: float, shape: Shape) -> float | None:
    """Return the annual Sharpe ratio that lies ``score`` of its own standard errors above a threshold.

    The larger root of ``(s - s0)^2 = score^2 / (n - 1) (1 - skew s + (kurt - 1) / 4 s^2)``; None where the
    standard error grows faster than the ratio, so that no ratio is far enough.
    """
    root = math.sqrt(shape.per_year)
    start, unit = threshold / root, score * score / max(shape.n - 1.0, 1.0)
    square = 1.0 - unit * (shape.kurtosis - 1.0) / 4.0
    if not square > 0.0:
        return None
    linear = 2.0 * start - unit * shape.skew
    rest = max(0.0, linear * linear - 4.0 * square * (start * start - unit))
    return (linear + math.sqrt(rest)) / (2.0 * square) * root


def deflated_among(excess: Float2D, row: int, n_trials: int, years: float) -> DeflatedSharpe:
    """Return the deflated Sharpe ratio of one trial among all of which there are returns.

    Parameters
    ----------
    excess
        Daily returns of the trials in excess of the benchmark (`in_excess`), shape ``(trials, days)``.
    row
        The trial that is judged.
    n_trials
        Distinct trials of the family, copies too; raised to the number of rows where it is smaller.
    years
        Length of the window in years of 365.25 days.

    Raises
    ------
    ConfigError, DataError
        As `deflated_sharpe`.
    """
    ratios = sharpes(excess[distinct(excess, row)], years)
    return deflated_sharpe(excess[row], ratios, max(n_trials, len(excess)), years)


def sharpes(returns: Float2D, years: float) -> Float1D:
    """Return the annual Sharpe ratio of each row, NaN where it never moves or has an undefined day."""
    days = returns.shape[1]
    return np.array(
        [row.mean() / row.std(ddof=1) * np.sqrt(days / years) if moves(row) else np.nan for row in returns],
        dtype=np.float64,
    )


def deflated_sharpe(excess: Float1D, trial_sharpes: Float1D, n_trials: int, years: float) -> DeflatedSharpe:
    """Return the deflated Sharpe ratio of the best of N trials.

    Parameters
    ----------
    excess
        Daily returns of the chosen trial in excess of the benchmark (`in_excess`), shape ``(days,)``.
    trial_sharpes
        Annual Sharpe ratios of the family's trials, computed from the same kind of returns; without
        near-copies, which `deflated_among` leaves out.
    n_trials
        Distinct trials of the family; raised to the number of ratios given where it is smaller.
    years
        Length of the window in years of 365.25 days.

    Raises
    ------
    ConfigError
        If N is below 1 or ``years`` not positive.
    DataError
        If ``excess`` is not a series.
    """
    positive("n_trials", n_trials, 1)
    positive("years", years, 1e-9)
    days, given = defined_days(excess), np.asarray(trial_sharpes, dtype=np.float64).ravel()
    ratios = given[np.isfinite(given)]
    trials = max(int(n_trials), given.size)
    left_out = excess.size - days.size + given.size - ratios.size
    reason = too_short(days.size)
    if reason is None and not moves(days):
        reason = "the excess returns do not move"
    if reason is not None:
        return DeflatedSharpe(
            None, None, None, None, days.size, None, None, None, None, trials, None, 0, left_out, reason
        )
    mean, second, third, fourth = sums.moments(days)
    shape = Shape(excess.size / years, days.size, third / second**1.5, fourth / second**2)
    ratio = mean / math.sqrt(second * days.size / (days.size - 1)) * math.sqrt(shape.per_year)
    noise = shape.per_year / shape.n
    spread = max(noise, float(np.var(ratios, ddof=1))) if ratios.size >= _FEWEST_SHARPES else noise
    threshold = math.sqrt(spread) * expected_best(trials)
    value = probabilistic_sharpe(ratio, shape, beyond=threshold)
    sure, seen = _NORMAL.inv_cdf(LEVEL), _NORMAL.inv_cdf(POWER)
    return DeflatedSharpe(
        value=value,
        psr=probabilistic_sharpe(ratio, shape),
        sharpe=ratio,
        threshold=threshold,
        n=days.size,
        skew=shape.skew,
        kurtosis=shape.kurtosis,
        min_detectable=sharpe_beyond(threshold, sure + seen, shape),
        needed=sharpe_beyond(threshold, sure, shape),
        n_trials=trials,
        spread=spread,
        distinct=ratios.size,
        left_out=left_out,
        reason=None if value is not None else "the returns take two values only",
    )
