"""What a gate is: a name, what was measured, the bound, and one of three verdicts.

Unknown is a verdict of its own and never passes: a gate without a number says what would make one.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias


class Outcome(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNKNOWN = "unknown"


Relation: TypeAlias = Literal[">", ">=", "<", "<=", "=="]


@dataclass(frozen=True)
class Bound:
    """What is asked of a number, such as ``>= 1.0``."""

    relation: Relation
    value: float

    def __str__(self) -> str:
        return f"{self.relation} {self.value:g}"

    def holds(self, measured: float) -> bool:
        """Return whether a known number is inside."""
        value = self.value
        return {
            ">": measured > value,
            ">=": measured >= value,
            "<": measured < value,
            "<=": measured <= value,
            "==": measured == value,
        }[self.relation]


@dataclass(frozen=True)
class Band:
    """What is asked of a number that shall lie between two others; None where one of them is unknown."""

    low: float | None
    high: float | None

    def __str__(self) -> str:
        return "in a band that is unknown" if not self.known else f"in [{self.low:g}, {self.high:g}]"

    @property
    def known(self) -> bool:
        """Whether both ends are numbers."""
        return is_known(self.low) and is_known(self.high)

    def holds(self, measured: float) -> bool:
        """Return whether a known number is inside; never in an unknown band."""
        return (
            is_known(self.low)
            and is_known(self.high)
            and self.low is not None
            and self.high is not None
            and self.low <= measured <= self.high
        )


UNKNOWN_BAND = Band(None, None)


@dataclass(frozen=True)
class Gate:
    """One condition of a step.

    Attributes
    ----------
    name
        What is judged.
    measured
        The number, None where it is unknown.
    bound
        What is asked of it, as text.
    verdict
        Pass, fail or unknown.
    sentence
        For people: what it means, and for an unknown number what makes one.
    """

    name: str
    measured: float | None
    bound: str
    verdict: Outcome
    sentence: str

    def record(self) -> dict[str, Any]:
        """Return it as plain values, for JSON and the ledger."""
        return {**asdict(self), "verdict": str(self.verdict)}


def gate(name: str, measured: float | None, bound: Bound | Band, sentence: str, missing: str) -> Gate:
    """Judge one number.

    Parameters
    ----------
    name, measured, bound
        What is judged and by what; NaN and infinity count as unknown.
    sentence
        What it means.
    missing
        What makes the number, where there is none.

    Examples
    --------
    >>> gate("sharpe", 1.2, Bound(">=", 1.0), "Sharpe ratio", "run it").verdict.value
    'pass'
    >>> gate("sharpe", None, Bound(">=", 1.0), "Sharpe ratio", "run it").sentence
    'Sharpe ratio: unknown; run it'
    """
    known = measured is not None and is_known(measured) and not (isinstance(bound, Band) and not bound.known)
    if measured is None or not known:
        kept = measured if is_known(measured) else None
        return Gate(name, kept, str(bound), Outcome.UNKNOWN, f"{sentence}: unknown; {missing}")
    verdict = Outcome.PASS if bound.holds(measured) else Outcome.FAIL
    return Gate(name, float(measured), str(bound), verdict, sentence)


def is_known(value: float | None) -> bool:
    """Return whether a number is there and finite."""
    return value is not None and math.isfinite(value)


def failing(gates: Iterable[Gate]) -> list[Gate]:
    """Return the gates that do not pass; unknown ones are among them."""
    return [each for each in gates if each.verdict is not Outcome.PASS]
