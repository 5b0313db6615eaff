"""The parser of `btc_struct` without txids."""

from collections.abc import Callable

import numpy as np

from benchmarks.peers.btc_struct import VERSION, Found, blocks_of, parse

__all__ = ["VERSION", "prepare"]


def prepare(data: dict[str, np.ndarray]) -> Callable[[], Found]:
    """Hold the blocks ready and return the call."""
    blocks = blocks_of(data)
    return lambda: Found([parse(raw, txids=False) for raw in blocks])
