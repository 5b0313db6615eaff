"""White's Reality Check and Hansen's SPA test: would the best of all trials look as good without skill.

White (2000), Hansen (2005): the largest studentised mean over trials against its stationary bootstrap under
"no trial beats the benchmark".  Unlike the deflated Sharpe ratio it sees how the trials move together.

Each draw is studentised by its own blocks (Goetze and Kuensch 1996).  The usual way takes the sample's
long-run deviation for all draws, and the largest of many trials is then one whose deviation came out too
small: the best of 200 independent trials without skill over two years passes 5 % in 12 % of samples.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.errors import ConfigError
from pipeline.optimization.luck.blocks import MEAN_BLOCK, draw_blocks
from pipeline.optimization.luck.kernel_bootstrap import TILE, bootstrap_variance, largest_means
from pipeline.optimization.luck.sample import FEWEST_DAYS, Trials, defined_trials, positive, too_short
from pipeline.optimization.luck.verdict import LEVEL, POWER, Verdict, decide

DRAWS = 2000
Studentise = Literal["draw", "sample"]
_FEWEST_BLOCKS = 10


@dataclass(frozen=True)
class RealityCheck:
    """What the tests say; None where undefined.

    Attributes
    ----------
    p_white
        p value with every trial recentred at its mean, poor ones too (White); at least ``1 / (draws + 1)``.
    p_spa
        p value with clearly poor trials left where they are (Hansen's consistent p).
    best
        Row of the trial that was judged: the one with the largest studentised mean, unless another was named.
    statistic
        Its root-n mean by its long-run standard deviation.
    n_trials, n_days, draws
        What entered.
    left_out
        Trials left out for an undefined day or for never moving.
    min_detectable
        Annual Sharpe ratio of the best trial that p_white <= 0.05 would have met with 80 % power; None
        without years.
    reason
        Why there are no p values.
    """

    p_white: float | None
    p_spa: float | None
    best: int | None
    statistic: float | None
    n_trials: int
    n_days: int
    draws: int
    left_out: int
    min_detectable: float | None = None
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Skill where Hansen's p is at most 0.05."""
        return decide(None if self.p_spa is None else 1.0 - self.p_spa, self.min_detectable)


def reality_check(
    excess: Float2D,
    *,
    seed: int,
    mean_block: float = MEAN_BLOCK,
    draws: int = DRAWS,
    years: float | None = None,
    studentise: Studentise = "draw",
    row: int | None = None,
) -> RealityCheck:
    """Test whether the best trial, or another one, beats the benchmark by more than the best of all by luck.

    Parameters
    ----------
    excess
        Daily returns of all trials in excess of the benchmark, shape ``(trials, days)``.
    seed
        Of the stream ``luck/reality_check``; every trial meets the same draws.
    mean_block
        Mean length of a bootstrap block in days.
    draws
        Bootstrap samples, at least 100.
    years
        Length of the window, for the minimum detectable effect.
    studentise
        What a draw's means are divided by: the deviation that the ``draw`` itself shows, or the ``sample``'s
        as in Hansen (2005).
    row
        The trial whose mean is judged against the largest of all; None: the best.

    Raises
    ------
    ConfigError
        If blocks or draws are out of range or the way to studentise is unknown.
    DataError
        If ``excess`` is not a table.
    """
    positive("mean_block", mean_block, 1.0)
    if studentise not in {"draw", "sample"}:
        raise ConfigError(
            "unknown way to studentise", field="studentise", value=studentise, constraint="draw or sample"
        )
    trials = defined_trials(excess)
    count, days = trials.returns.shape
    judged = np.flatnonzero(trials.rows == row) if row is not None else None
    reason = too_short(days, max(FEWEST_DAYS, math.ceil(_FEWEST_BLOCKS * mean_block))) or (
        "no trial moves on defined days" if count == 0 else None
    )
    if reason is None and judged is not None and judged.size == 0:
        reason = "the trial has an undefined day, or never moves"
    if reason is not None:
        return RealityCheck(None, None, None, None, count, days, draws, trials.left_out, reason=reason)
    means = trials.returns.mean(axis=1)
    centred = trials.returns - means[:, None]
    spread = np.sqrt([bootstrap_variance(row, mean_block) for row in centred])
    observed = math.sqrt(days) * means / spread
    poor = observed < -math.sqrt(2.0 * math.log(math.log(days)))
    blocks = draw_blocks(seed, "luck/reality_check", days, mean_block=mean_block, draws=draws)
    white, hansen = np.full(draws, -np.inf), np.full(draws, -np.inf)
    largest_means(
        centred,
        spread,
        np.where(poor, means, 0.0),
        studentise == "draw",
        blocks.starts,
        blocks.lengths,
        np.empty((days + 1, TILE)),
        np.empty((3, TILE)),
        white,
        hansen,
    )
    best = int(observed.argmax() if judged is None else judged[0])
    return RealityCheck(
        p_white=_p_value(white, observed[best]),
        p_spa=_p_value(hansen, observed[best]),
        best=int(trials.rows[best]),
        statistic=float(observed[best]),
        n_trials=count,
        n_days=days,
        draws=draws,
        left_out=trials.left_out,
        min_detectable=None if years is None else _detectable(trials, spread, white, best, years),
    )


def _p_value(drawn: Float1D, observed: float) -> float:
    """Share of draws, the sample itself among them, that reach the observed value."""
    return (1.0 + float(np.count_nonzero(np.maximum(drawn, 0.0) >= observed))) / (1.0 + drawn.size)


def _detectable(trials: Trials, spread: Float1D, drawn: Float1D, best: int, years: float) -> float:
    """Turn the critical value into the best trial's annual Sharpe ratio."""
    critical = float(np.quantile(drawn, LEVEL)) + NormalDist().inv_cdf(POWER)
    return critical * float(spread[best]) / float(trials.returns[best].std(ddof=1)) / math.sqrt(years)
