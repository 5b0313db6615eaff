"""Differences between runs in units of their own standard error: under one, they are ties.

Both runs meet the same days, so what moves them together cancels; two intervals side by side would not show
that.  Round trips are drawn apart, which errs on the side of a tie in BPS.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D
from pipeline.backtest import kernel_sums as sums
from pipeline.errors import DataError
from pipeline.optimization.luck.blocks import MEAN_BLOCK, draw_blocks
from pipeline.optimization.luck.bootstrap import DRAWS, FIGURES, NO_TRIPS, Trips, drawn_figures, figures
from pipeline.optimization.luck.kernel_bootstrap import bootstrap_variance
from pipeline.optimization.luck.sample import defined_trials, positive, too_short


@dataclass(frozen=True)
class Difference:
    """Left less right with its standard error; ``tie`` where smaller than that, None where unknown."""

    value: float | None
    error: float | None
    tie: bool | None


@dataclass(frozen=True, eq=False)
class Standing:
    """Every trial beside the best by Sharpe ratio.

    Attributes
    ----------
    best
        Row of the best trial; None where none can be compared.
    sharpe
        Annual Sharpe ratios, shape ``(trials,)``, NaN for those left out.
    error
        Standard error of the difference to the best, 0 for itself.
    tied
        Whether the best is less than one standard error better; the best ties with itself.
    left_out
        Trials left out for an undefined day or for never moving.
    reason
        Why nothing can be compared.
    """

    best: int | None
    sharpe: Float1D
    error: Float1D
    tied: Bool1D
    left_out: int
    reason: str | None = None


def differences(
    left: Float1D,
    right: Float1D,
    years: float,
    *,
    seed: int,
    left_trips: Trips = NO_TRIPS,
    right_trips: Trips = NO_TRIPS,
    mean_block: float = MEAN_BLOCK,
    draws: int = DRAWS,
) -> Mapping[str, Difference]:
    """Compare the headline figures of two runs on the same bootstrap samples of their common days.

    Parameters
    ----------
    left, right
        Daily returns on the same days, shape ``(days,)``; days undefined on either side are left out.
    years
        Length of the window in years.
    seed, mean_block, draws, left_trips, right_trips
        As for `pipeline.optimization.luck.bootstrap.intervals`.

    Returns
    -------
    Mapping
        ``sharpe``, ``cagr``, ``max_drawdown`` and ``bps``.

    Raises
    ------
    DataError
        If the days differ in number.
    ConfigError
        If years, blocks or draws are out of range.
    """
    positive("years", years, 1e-9)
    if left.shape != right.shape or left.ndim != 1:
        raise DataError(
            "runs lie on different days", field="right", value=right.shape, constraint=f"{left.shape}"
        )
    known = np.isfinite(left) & np.isfinite(right)
    days = int(known.sum())
    if too_short(days):
        return dict.fromkeys(FIGURES, Difference(None, None, None))
    kept = years * days / left.size
    one, two = np.ascontiguousarray(left[known]), np.ascontiguousarray(right[known])
    blocks = draw_blocks(seed, "luck/differences", days, mean_block=mean_block, draws=draws)
    seen = figures(one, kept, left_trips), figures(two, kept, right_trips)
    drawn_left = drawn_figures(one, kept, blocks, left_trips, seed=seed)
    drawn_right = drawn_figures(two, kept, blocks, right_trips, seed=seed, run=1)
    return {
        name: _difference(seen[0][name], seen[1][name], drawn_left[name] - drawn_right[name])
        for name in FIGURES
    }


def standing(returns: Float2D, years: float, *, mean_block: float = MEAN_BLOCK) -> Standing:
    """Say which trials tie with the best by Sharpe ratio.

    The standard error is that of the difference of the ratios' influence functions under the dependence that
    a stationary bootstrap of the same blocks would keep, so no draws are needed.

    Parameters
    ----------
    returns
        Daily returns on the same days, shape ``(trials, days)``.
    years
        Length of the window in years.
    mean_block
        Mean length of a block in days.

    Raises
    ------
    DataError
        If ``returns`` is not a table.
    ConfigError
        If years or the block are out of range.
    """
    positive("years", years, 1e-9)
    positive("mean_block", mean_block, 1.0)
    trials = defined_trials(returns)
    days = trials.returns.shape[1]
    ratios, errors = np.full(returns.shape[0], np.nan), np.full(returns.shape[0], np.nan)
    reason = too_short(days) or (None if trials.rows.size else "no trial moves on defined days")
    if reason is not None:
        return Standing(None, ratios, errors, np.zeros(ratios.size, dtype=np.bool_), trials.left_out, reason)
    annual = math.sqrt(days / years)
    means, sds = trials.returns.mean(axis=1), trials.returns.std(axis=1, ddof=1)
    ratios[trials.rows] = means / sds * annual
    top = int(np.argmax(means / sds))
    room = np.empty((2, days))
    sums.influence_into(trials.returns[top], means[top], sds[top], means[top] / sds[top], room[0])
    for k, row in enumerate(trials.rows):
        sums.influence_into(trials.returns[k], means[k], sds[k], means[k] / sds[k], room[1])
        variance = bootstrap_variance(room[0] - room[1], mean_block)
        errors[row] = math.sqrt(max(variance, 0.0) / years)
    best = int(trials.rows[top])
    with np.errstate(invalid="ignore"):
        tied = (ratios[best] - ratios < errors) | (ratios == ratios[best])
    return Standing(best, ratios, errors, tied, trials.left_out)


def _difference(left: float | None, right: float | None, drawn: Float1D) -> Difference:
    known = drawn[np.isfinite(drawn)]
    if left is None or right is None or known.size < drawn.size / 2:
        return Difference(None, None, None)
    error = float(known.std(ddof=1))
    return Difference(left - right, error, abs(left - right) < error or left == right)
