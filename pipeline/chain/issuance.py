"""The issuance schedule of Bitcoin, exact in satoshi, and what stock-to-flow is made of.

A function of height alone: no dates but that of the first block, no prices and nothing of what miners left
unclaimed (`block.fees` tells what a real coinbase took).
"""

from datetime import date

import numpy as np

from pipeline.arrays import Int1D
from pipeline.errors import DataError

GENESIS = date(2009, 1, 3)
"""Day of block 0."""

SATOSHI = 100_000_000
"""Satoshi in a bitcoin."""

FIRST_SUBSIDY = 50 * SATOSHI
HALVING_BLOCKS = 210_000
BLOCKS_PER_DAY = 144
DAYS_PER_YEAR = 365

_ERAS = FIRST_SUBSIDY.bit_length()
"""Halvings after which a block creates nothing; later eras are all alike."""
_REWARDS = np.array([FIRST_SUBSIDY >> era for era in range(_ERAS + 1)], np.int64)
_BEFORE = np.concatenate([np.zeros(1, np.int64), np.cumsum(_REWARDS[:-1] * HALVING_BLOCKS)])

MAX_SUPPLY = int(_BEFORE[-1])
"""Satoshi that will ever have been created, 20,999,999.9769 BTC."""


def halving_height(n: int) -> int:
    """Return the first height of era ``n``: 0, 210,000, 420,000, ...

    Raises
    ------
    DataError
        When ``n`` is negative.
    """
    if n < 0:
        raise DataError("there is no halving before the first block", "n", n, "n >= 0")
    return n * HALVING_BLOCKS


def subsidy(height: int) -> int:
    """Return the satoshi that the block at a height may create.

    Raises
    ------
    DataError
        When the height is negative.

    Examples
    --------
    >>> subsidy(209_999), subsidy(210_000)
    (5000000000, 2500000000)
    """
    era = _whole(height) // HALVING_BLOCKS
    return int(_REWARDS[min(era, _ERAS)])


def supply_at(height: int) -> int:
    """Return the satoshi created by blocks 0 to ``height``, both included.

    The first block counts although its coins cannot be spent.

    Raises
    ------
    DataError
        When the height is negative.
    """
    era, within = divmod(_whole(height), HALVING_BLOCKS)
    if era >= _ERAS:
        return MAX_SUPPLY
    return int(_BEFORE[era]) + int(_REWARDS[era]) * (within + 1)


def annual_flow(height: int) -> int:
    """Return the satoshi that a year of 365 days and 144 blocks a day creates at the reward of a height."""
    return subsidy(height) * BLOCKS_PER_DAY * DAYS_PER_YEAR


def s2f_at(height: int) -> float:
    """Return stock-to-flow: what existed before the block of a height over its annual flow, in years.

    Raises
    ------
    DataError
        When the height is negative, or so high that nothing is created any more.

    Examples
    --------
    >>> round(s2f_at(600_048), 4)
    27.3982
    """
    flow = annual_flow(height)
    if flow == 0:
        raise DataError("there is no flow any more", "height", height, "height < 6,930,000")
    return (supply_at(height) - subsidy(height)) / flow


def subsidies(heights: Int1D) -> Int1D:
    """Return `subsidy` of each height, int64, of the same shape.

    Raises
    ------
    DataError
        When the array holds no integers or one of them is negative.
    """
    return _REWARDS[np.minimum(_wholes(heights) // HALVING_BLOCKS, _ERAS)]


def supplies(heights: Int1D) -> Int1D:
    """Return `supply_at` of each height, int64, of the same shape.

    Raises
    ------
    DataError
        When the array holds no integers or one of them is negative.
    """
    era, within = np.divmod(_wholes(heights), HALVING_BLOCKS)
    era = np.minimum(era, _ERAS)
    return _BEFORE[era] + _REWARDS[era] * (within + 1)


def _whole(height: int) -> int:
    if not isinstance(height, int | np.integer) or isinstance(height, bool) or height < 0:
        raise DataError("not the height of a block", "height", height, "an integer >= 0")
    return int(height)


def _wholes(heights: Int1D) -> Int1D:
    heights = np.asarray(heights)
    if heights.dtype.kind not in "iu":
        raise DataError("not heights of blocks", "heights", heights.dtype, "integers >= 0")
    whole = heights.astype(np.int64)
    if whole.size and whole.min() < 0:
        raise DataError("there is no block before the first", "heights", int(whole.min()), "height >= 0")
    return whole
