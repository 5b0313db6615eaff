"""Which request meets which fault: scripted for the first ones, then drawn from a seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

LINE = (
    "429_seconds",
    "429_date",
    "500",
    "502",
    "503",
    "truncated",
    "closed",
    "invalid_json",
    "html",
    "html_502",
    "slow",
)
"""Faults of the line: the server puts them around any handler, and asking again gets past them."""
ROWS = ("repeated", "overlap", "out_of_order", "wrong_types")
"""Faults of the rows: the handler reads them from `Request.fault` and builds its answer with them."""


@dataclass
class FaultPlan:
    """Draws a fault, or none, for each request in the order of arrival.

    Parameters
    ----------
    script
        Faults of the first requests; None is a request without one.
    rate
        Share of later requests that meet a fault.
    kinds
        What is drawn from, evenly.
    seed
        Same seed, same faults.
    only
        Only requests whose path holds this text count.
    """

    script: tuple[str | None, ...] = ()
    rate: float = 0.0
    kinds: tuple[str, ...] = LINE
    seed: int = 8
    only: str = ""
    drawn: Counter[str] = field(default_factory=Counter, init=False)
    _count: int = field(default=0, init=False, repr=False)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def next(self, path: str) -> str | None:
        """Return the fault of the next request, and count it."""
        if self.only not in path:
            return None
        self._count += 1
        if self._count <= len(self.script):
            fault = self.script[self._count - 1]
        elif self._random.random() < self.rate:
            fault = self._random.choice(self.kinds)
        else:
            fault = None
        if fault is not None:
            self.drawn[fault] += 1
        return fault
