"""Heights where nobody counted blocks: a dated table of true heights, carried on at ten minutes a block.

Only what was past on a day says what its height was: between two entries the older one counts.
"""

from datetime import date

import numpy as np

from pipeline.arrays import Int1D
from pipeline.chain.issuance import BLOCKS_PER_DAY

HEIGHTS: tuple[tuple[date, int], ...] = (
    (date(2009, 1, 8), -1),
    (date(2009, 12, 31), 32_493),
    (date(2010, 12, 31), 100_413),
    (date(2011, 12, 31), 160_040),
    (date(2012, 12, 31), 214_566),
    (date(2013, 12, 31), 277_999),
    (date(2014, 12, 31), 336_864),
    (date(2015, 12, 31), 391_185),
    (date(2016, 12, 31), 446_036),
    (date(2017, 12, 31), 501_964),
    (date(2018, 12, 31), 556_462),
    (date(2019, 12, 31), 610_694),
    (date(2020, 12, 31), 663_916),
    (date(2021, 12, 31), 716_602),
    (date(2022, 12, 31), 769_790),
)
"""Height of the last block of a UTC day; -1: no block yet."""


def estimated_heights(days: np.ndarray) -> Int1D:
    """Return the height at the end of each UTC day, from the newest entry of `HEIGHTS` by then.

    Parameters
    ----------
    days
        ``datetime64[D]``, shape ``(n,)``, in any order.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(n,)``; -1 before the first block.
    """
    dated = np.array([day for day, _ in HEIGHTS], "datetime64[D]")
    known = np.array([height for _, height in HEIGHTS], np.int64)
    place = np.searchsorted(dated, days, side="right") - 1
    since = (days - dated[np.maximum(place, 0)]).astype(np.int64)
    return np.where(place < 0, -1, known[np.maximum(place, 0)] + BLOCKS_PER_DAY * since)
