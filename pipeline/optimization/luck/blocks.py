"""Which days a stationary bootstrap draws: blocks of geometric length from random starts, for all trials.

Politis and Romano (1994).  Draw k is the same however many draws follow it.
"""

from dataclasses import dataclass

import numpy as np

from pipeline import seeds
from pipeline.arrays import Int2D
from pipeline.errors import ConfigError
from pipeline.optimization.luck.sample import positive

MEAN_BLOCK = 10.0
"""Days; long enough for the dependence that daily returns have."""
FEWEST_DRAWS = 100
_SPARE_SDS = 10.0
_SPARE_BLOCKS = 20


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of days, more of them than fill the sample; what is beyond is not used.

    Attributes
    ----------
    starts
        First day of each block, shape ``(draws, blocks)``; a block goes on from the last day to the first.
    lengths
        Days of each block.
    days
        Length of the sample.
    """

    starts: Int2D
    lengths: Int2D
    days: int

    @property
    def draws(self) -> int:
        """Number of samples drawn."""
        return self.starts.shape[0]


def draw_blocks(seed: int, purpose: str, days: int, *, mean_block: float = MEAN_BLOCK, draws: int) -> Blocks:
    """Draw the blocks of ``draws`` bootstrap samples.

    Parameters
    ----------
    seed, purpose
        Name of the random stream (`pipeline.seeds.stream`).
    days
        Length of the sample.
    mean_block
        Mean length of a block in days; 1 draws single days.
    draws
        Number of samples.

    Raises
    ------
    ConfigError
        If blocks are shorter than a day or the draws too few for a p value.
    """
    positive("mean_block", mean_block, 1.0)
    if draws < FEWEST_DRAWS:
        raise ConfigError(
            "too few bootstrap draws", field="draws", value=draws, constraint=f">= {FEWEST_DRAWS}"
        )
    expected = days / mean_block
    width = int(expected + _SPARE_SDS * np.sqrt(expected)) + _SPARE_BLOCKS
    starts = seeds.stream(seed, f"{purpose}/starts").integers(0, days, (draws, width))
    lengths = seeds.stream(seed, f"{purpose}/lengths").geometric(1.0 / mean_block, (draws, width))
    lengths[:, -1] = days
    return Blocks(starts, np.minimum(lengths, days), days)
