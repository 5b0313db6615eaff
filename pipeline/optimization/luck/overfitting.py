"""Probability of backtest overfitting: how often the best of one half is below the median in the other.

Combinatorially symmetric cross-validation of Bailey, Borwein, Lopez de Prado and Zhu (2017, "The probability
of backtest overfitting").  0.5 is what trials without skill give.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from pipeline.arrays import Bool2D, Float1D, Float2D
from pipeline.errors import ConfigError
from pipeline.optimization.luck.kernel_splits import block_sums, judge_splits
from pipeline.optimization.luck.sample import FEWEST_DAYS, defined_trials, too_short

BLOCKS = 16
Score = Literal["sharpe", "mean"]
_DAYS_A_BLOCK = 4
_MOST_BLOCKS = 20
_FEWEST_COMPARED = 2
_MEDIAN = 0.5


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What all splits say; None where undefined.

    Attributes
    ----------
    pbo
        Share of splits whose best trial is at or below the median in the other half.
    logits
        Log odds of that trial's relative rank, shape ``(splits,)``.
    degradation
        Slope of the score where judged on the score where chosen; 1 would be no loss.
    loss
        Share of splits whose best trial scores below zero in the other half.
    n
        Splits that compare at least two trials.
    n_trials, n_days
        What entered.
    left_out
        Trials left out for an undefined day or for never moving.
    uncompared
        Trials, summed over splits, without a score in a half.
    reason
        Why there is no answer.
    """

    pbo: float | None
    logits: Float1D
    degradation: float | None
    loss: float | None
    n: int
    n_trials: int
    n_days: int
    left_out: int
    uncompared: int = 0
    reason: str | None = None


def pbo(returns: Float2D, *, blocks: int = BLOCKS, score: Score = "sharpe") -> Overfitting:
    """Return the probability that choosing the best trial overfits.

    Parameters
    ----------
    returns
        Daily returns of all trials on the same days, shape ``(trials, days)``.
    blocks
        Blocks of days, even; ``C(blocks, blocks / 2)`` splits.
    score
        What the best is chosen and judged by: ``sharpe`` or ``mean``.

    Raises
    ------
    ConfigError
        If the blocks are odd, too few or too many, or the score is unknown.
    DataError
        If ``returns`` is not a table.
    """
    if blocks % 2 or not _FEWEST_COMPARED <= blocks <= _MOST_BLOCKS:
        raise ConfigError(
            "blocks cannot be split into halves",
            field="blocks",
            value=blocks,
            constraint=f"even, 2 to {_MOST_BLOCKS}",
        )
    if score not in {"sharpe", "mean"}:
        raise ConfigError("unknown score", field="score", value=score, constraint="sharpe or mean")
    trials = defined_trials(returns)
    count, days = trials.returns.shape
    reason = too_short(days, max(FEWEST_DAYS, _DAYS_A_BLOCK * blocks))
    if reason is None and count < _FEWEST_COMPARED:
        reason = f"{count} trials that move on defined days, {_FEWEST_COMPARED} needed"
    if reason is not None:
        return Overfitting(None, np.zeros(0), None, None, 0, count, days, trials.left_out, reason=reason)
    edges = np.arange(blocks + 1) * days // blocks
    middle, first, second = np.empty(count), np.empty((blocks, count)), np.empty((blocks, count))
    block_sums(trials.returns, edges, middle, first, second)
    halves = _halves(blocks)
    out = np.empty((2 * halves.shape[0], 4))
    judge_splits(halves, edges, middle, first, second, score == "sharpe", np.empty((4, count)), out)
    kept = out[out[:, 3] >= _FEWEST_COMPARED]
    uncompared = int(count * out.shape[0] - out[:, 3].sum())
    if kept.shape[0] == 0:
        return Overfitting(
            None, np.zeros(0), None, None, 0, count, days, trials.left_out, uncompared,
            "no split in which two trials move in both halves",
        )  # fmt: skip
    rank, chosen, judged = kept[:, 0], kept[:, 1], kept[:, 2]
    logits = np.log(rank / (1.0 - rank))
    off = chosen - chosen.mean()
    squares = float(np.sum(off * off))
    return Overfitting(
        pbo=float(np.mean(rank <= _MEDIAN)),
        logits=logits,
        degradation=float(np.sum(off * judged)) / squares if squares > 0.0 else None,
        loss=float(np.mean(judged < 0.0)),
        n=kept.shape[0],
        n_trials=count,
        n_days=days,
        left_out=trials.left_out,
        uncompared=uncompared,
    )


def _halves(blocks: int) -> Bool2D:
    """Return each way to halve the blocks once: those with the first block, shape ``(pairs, blocks)``."""
    rows = [(0, *others) for others in combinations(range(1, blocks), blocks // 2 - 1)]
    halves = np.zeros((len(rows), blocks), dtype=np.bool_)
    np.put_along_axis(halves, np.array(rows), values=True, axis=1)
    return halves
