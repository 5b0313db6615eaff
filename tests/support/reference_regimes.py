"""The regimes once more, slowly and by themselves: plain Python, one decision after the other.

Written from the definitions, not from `pipeline.regimes`, of which nothing is imported.  Values become known
one by one; a late one or a correction makes the history anew.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

START = {"equity": "neutral", "vol": "normal", "crypto": "risk_off", "macro": "neutral"}


@dataclass(frozen=True)
class Input:
    """Versions ``(ts, known_at, value)`` in the order of becoming known, and what was expected when."""

    versions: Sequence[tuple[Any, Any, float]]
    expected: Sequence[tuple[Any, Any]]


class Machine:
    """A label that changes after so many observations in a row."""

    def __init__(self, start: str, confirm: int) -> None:
        self.label, self.confirm = start, confirm
        self.candidate, self.count = None, 0

    def observe(self, said: str) -> None:
        if said == self.label:
            self.candidate, self.count = None, 0
            return
        self.count = self.count + 1 if said == self.candidate else 1
        self.candidate = said
        if self.count >= self.confirm:
            self.label, self.candidate, self.count = said, None, 0


@dataclass
class Watch:
    """One input as a reader sees it from decision to decision."""

    source: Input
    start: str
    confirm: int
    say: Callable[[list[float], list[Any]], str]
    place: int = 0
    seen: dict[Any, float] = field(default_factory=dict)
    order: list[Any] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Machine(self.start, self.confirm)
        self.due = sorted(when for _, when in self.source.expected)
        self.labels = sorted(ts for ts, _ in self.source.expected)

    def at(self, decision: Any) -> str | None:
        """Return the label at a decision; None before anything is known."""
        versions, anew = self.source.versions, False
        while self.place < len(versions) and versions[self.place][1] <= decision:
            ts, _, value = versions[self.place]
            self.place += 1
            anew = anew or bool(self.order and ts <= self.order[-1])
            self.seen[ts] = value
            if not anew:
                self.observe(ts)
        if anew:
            self.order, self.values, self.machine = [], [], Machine(self.start, self.confirm)
            for ts in sorted(self.seen):
                self.observe(ts)
        if not self.order:
            return None
        return self.start if self.missed(decision) >= 3 else self.machine.label

    def observe(self, ts: Any) -> None:
        self.order.append(ts)
        self.values.append(self.seen[ts])
        self.machine.observe(self.say(self.values, self.order))

    def missed(self, decision: Any) -> int:
        """Count the expected values that should be known and come after the newest one that is."""
        return max(bisect_right(self.due, decision) - bisect_right(self.labels, self.order[-1]), 0)


def trend(values: list[float], sma: int, momenta: Sequence[int]) -> tuple[bool, bool]:
    """Return whether everything is above, and whether everything is below."""
    if len(values) < sma or any(len(values) <= n for n in momenta):
        return False, False
    mean = math.fsum(values[-sma:]) / sma
    moves = [values[-1] / values[-1 - n] - 1.0 for n in momenta]
    return (
        values[-1] > mean and all(move > 0 for move in moves),
        values[-1] < mean and all(move < 0 for move in moves),
    )


def equity_says(values: list[float], _order: list[Any]) -> str:
    up, down = trend(values, 200, (126, 252))
    return "bull" if up else "bear" if down else "neutral"


def crypto_says(values: list[float], _order: list[Any]) -> str:
    return "risk_on" if trend(values, 200, (60,))[0] else "risk_off"


def vol_says(values: list[float], _order: list[Any]) -> str:
    return "low" if values[-1] < 15 else "high" if values[-1] > 25 else "normal"


def realised_says(values: list[float], order: list[Any]) -> str:
    if len(values) < 22:
        return "normal"
    returns = [math.log(b / a) for a, b in zip(values[-22:-1], values[-21:], strict=True)]
    mean = math.fsum(returns) / 21
    return vol_says([100 * math.sqrt(252 * math.fsum((r - mean) ** 2 for r in returns) / DDOF)], order)


DDOF = 20
"""21 returns, one degree of freedom lost to the mean."""


def slope_at(slope: Input, moment: Any) -> float | None:
    """Return the newest slope known then; None without one, or where three more were due."""
    known = {ts: value for ts, known_at, value in slope.versions if known_at <= moment}
    if not known:
        return None
    newest = max(known)
    late = sum(when <= moment and ts > newest for ts, when in slope.expected)
    return None if late >= 3 else known[newest]


def macro_says(
    releases: Input, slope: Input, above: float, below: float
) -> Callable[[list[float], list[Any]], str]:
    first: dict[Any, Any] = {}
    for ts, known_at, _ in releases.versions:
        first.setdefault(ts, known_at)
    slopes = {ts: slope_at(slope, known_at) for ts, known_at in first.items()}

    def says(values: list[float], order: list[Any]) -> str:
        steep = slopes[order[-1]]
        if values[-1] < below or (steep is not None and steep < -0.005):
            return "contraction"
        return "expansion" if values[-1] > above and (steep is None or steep > 0) else "neutral"

    return says


def reference_labels(decisions: Sequence[Any], inputs: Mapping[str, Input]) -> dict[str, list[str]]:
    """Return the labels of the shipped rules at each decision, by dimension."""
    nothing = Input((), ())
    of = {name: inputs.get(name, nothing) for name in NAMES}
    activity = {"PMI": (50, 45), "SIM_PMI": (50, 45), "CFNAI": (0, -0.7)}
    chains = {
        "equity": [Watch(of["SPY"], START["equity"], 3, equity_says)],
        "vol": [
            *(Watch(of[name], START["vol"], 3, vol_says) for name in ("VIX", "VIXCLS")),
            Watch(of["SPY"], START["vol"], 3, realised_says),
        ],
        "crypto": [Watch(of["BTC/USD"], START["crypto"], 3, crypto_says)],
        "macro": [
            Watch(of[name], START["macro"], 1, macro_says(of[name], of["T10Y2Y"], *levels))
            for name, levels in activity.items()
        ],
    }
    answer: dict[str, list[str]] = {dimension: [] for dimension in chains}
    for decision in decisions:
        for dimension, watches in chains.items():
            told = [watch.at(decision) for watch in watches]
            answer[dimension].append(next((label for label in told if label is not None), START[dimension]))
    return answer


NAMES = ("SPY", "VIX", "VIXCLS", "BTC/USD", "PMI", "SIM_PMI", "CFNAI", "T10Y2Y")
