"""Random walks made of a sample's own returns, and how all models do on them.

Stationary bootstrap (Politis and Romano 1994) of centred daily ln returns; the walk keeps the first price,
drifts by 0, once and twice the sample's mean, and has prices on the same days.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.arrays import AnyArray, Bool1D, Float1D, Float2D, Int1D
from pipeline.errors import InsufficientDataError
from pipeline.optimization.luck.blocks import draw_blocks
from pipeline.valuation.falsification.arrays_of_world import Setting, room_for
from pipeline.valuation.falsification.kernel_worlds import draw_path, run_paths, run_walks

MEAN_BLOCK = 20.0
"""Days; long enough for clusters of volatility, short against the mean reversion that is looked for."""
DRIFTS = (0.0, 1.0, 2.0)
_PURPOSE = "valuation/walks"
_NO_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class Returns:
    """A sample of daily ln returns: centred, shape ``(m,)``, and the mean that was taken off."""

    centred: Float1D
    mean: float


@dataclass(frozen=True, eq=False)
class Scores:
    """What all models show in worlds.

    Attributes
    ----------
    skill
        ``1 - MSE / MSE_base`` of ln errors, shape ``(..., models, horizons, bases)``.
    unit_root
        Dickey-Fuller statistic of residuals, ``(..., models)``.
    """

    skill: AnyArray
    unit_root: AnyArray


def returns_of(y: Float1D) -> Returns:
    """Return the daily ln returns between days that both have a price.

    Raises
    ------
    InsufficientDataError
        When there are fewer than two, or all are the same.
    """
    step = np.diff(y)
    step = step[np.isfinite(step)]
    if step.size < 2:  # noqa: PLR2004 - a spread needs two
        raise InsufficientDataError(
            "there are too few daily returns for random walks", "price_usd", step.size
        )
    mean = float(step.mean())
    if not np.ptp(step) > _NO_SPREAD:
        raise InsufficientDataError(
            "the daily returns are all the same: no random walk can be made of them",
            field="price_usd",
            value=mean,
            constraint="a price that moves",
            fix="look at the chain source: it repeats one price",
        )
    return Returns(step - mean, mean)


def walks(y: Float1D, *, draws: int, drift: float, seed: int, mean_block: float = MEAN_BLOCK) -> Float2D:
    """Return random walks of ln prices, shape ``(draws, n)``, made of the returns of ``y``.

    Parameters
    ----------
    y
        ln prices, ``(n,)``; a day without one is unknown in all walks too.
    draws
        How many.
    drift
        Multiple of the mean return of ``y`` that walks drift by.
    seed
        Of the stream ``valuation/walks``.
    mean_block
        Mean length of a block in days.
    """
    sample = returns_of(y)
    blocks = draw_blocks(seed, _PURPOSE, sample.centred.size, mean_block=mean_block, draws=draws)
    known: Bool1D = np.isfinite(y)
    out = np.empty((draws, y.size))
    lengths = _long_enough(blocks.lengths, y.size)
    for k in range(draws):
        draw_path(sample.centred, blocks.starts[k], lengths[k], y[0], drift * sample.mean, 1.0, known, out[k])
    return out


def score_walks(
    setting: Setting,
    samples: tuple[Returns, ...],
    begin: float,
    *,
    draws: int,
    drifts: tuple[float, ...] = DRIFTS,
    seed: int,
    mean_block: float = MEAN_BLOCK,
    threads: int = 1,
    purpose: str = _PURPOSE,
) -> Scores:
    """Score all models on ``draws`` walks of each drift; the numbers do not depend on ``threads``.

    Parameters
    ----------
    setting
        The models.
    samples
        Returns of equal number; draw k takes sample ``k`` modulo their count.
    begin
        ln of the first price.
    draws, drifts, seed, mean_block
        As `walks`; all drifts share the blocks of a draw.
    threads
        How many worlds run at once.
    purpose
        Name of the random stream.
    """
    m = samples[0].centred.size
    blocks = draw_blocks(seed, purpose, m, mean_block=mean_block, draws=draws)
    q, k = setting.how.size, setting.horizons.size
    skill = np.empty((len(drifts), draws, q, k, 2))
    unit_root = np.empty((len(drifts), draws, q))
    returns = np.array([each.centred for each in samples])
    means = np.array([each.mean for each in samples])
    pick: Int1D = np.arange(draws, dtype=np.int64) % len(samples)
    lengths = _long_enough(blocks.lengths, setting.known.size)

    def run(part: tuple[int, int]) -> None:
        run_walks(
            setting, room_for(setting), returns, means, pick, begin, np.array(drifts), blocks.starts, lengths,
            part, skill, unit_root,
        )  # fmt: skip

    _shared(run, draws, threads)
    return Scores(skill, unit_root)


def score_paths(setting: Setting, paths: Float2D, *, threads: int = 1) -> Scores:
    """Score all models on given paths of ln prices, shape ``(paths, n)``, whose bases are rebuilt."""
    q, k = setting.how.size, setting.horizons.size
    skill, unit_root = np.empty((len(paths), q, k, 2)), np.empty((len(paths), q))
    _shared(
        lambda part: run_paths(setting, room_for(setting), paths, part, skill, unit_root), len(paths), threads
    )
    return Scores(skill, unit_root)


def _long_enough(lengths: AnyArray, rows: int) -> AnyArray:
    """Let the last block go on to the end of a path that is longer than the sample."""
    longer = lengths.copy()
    longer[:, -1] = rows
    return longer


def _shared(run: Callable[[tuple[int, int]], None], count: int, threads: int) -> None:
    edges = np.linspace(0, count, max(1, min(threads, count)) + 1).astype(int)
    parts = [(int(a), int(b)) for a, b in pairwise(edges)]
    if len(parts) == 1:
        run(parts[0])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(run, parts))
