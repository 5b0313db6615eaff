"""Hysteresis: a label changes when so many new observations in a row say so, and not before."""

import numpy as np

from pipeline.arrays import Int8
from pipeline.errors import ConfigError


def confirmed(raw: Int8, confirm: int, start: int) -> Int8:
    """Return the label in force after each observation.

    The machine starts in ``start`` and takes a label over when ``confirm`` observations in a row name it; one
    that names another, a third label or the one in force, starts the count anew.

    Parameters
    ----------
    raw
        What each new observation says by itself, shape ``(n,)``.
    confirm
        At least 1; with 1 the label follows every observation.
    start
        Code in force before the first change.

    Raises
    ------
    ConfigError
        When ``confirm`` is less than 1.

    Examples
    --------
    >>> confirmed(np.array([1, 1, 0, 1, 1, 1], np.int8), 3, 0)
    array([0, 0, 0, 0, 0, 1], dtype=int8)
    """
    if confirm < 1:
        raise ConfigError("nothing would confirm a label", "confirm", confirm, ">= 1")
    place = np.arange(raw.size)
    fresh = np.concatenate([[True], raw[1:] != raw[:-1]])[: raw.size]
    run = place - np.maximum.accumulate(np.where(fresh, place, 0))
    last = np.maximum.accumulate(np.where(run >= confirm - 1, place, -1))
    return np.where(last >= 0, raw[np.maximum(last, 0)], start).astype(np.int8) if raw.size else raw.copy()
