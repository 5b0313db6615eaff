"""The same with one asset in a frame: less natural to write, and faster: less memory is touched anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.grid import VERSION, chunked

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["VERSION", "prepare"]


def prepare(data: dict[str, np.ndarray]) -> Callable[[], dict[str, np.ndarray]]:
    """Return the call with each asset in frames of its own."""
    return chunked(data, [[column] for column in range(data["close"].shape[1])])
