"""What an examination found: facts, problems that make the desk unwell, warnings that do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.errors import BellsError


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    where
        Part of the desk.
    what
        One sentence.
    fix
        What to do.
    exit_code
        Of ``bells doctor`` when it is a problem: 1 configuration, 2 data, 4 resources.
    """

    where: str
    what: str
    fix: str | None
    exit_code: int

    @classmethod
    def of(cls, where: str, error: BellsError) -> Problem:
        """Return the problem that an error tells of."""
        return cls(where, str(error), error.fix, error.exit_code)

    def to_dict(self) -> dict[str, Any]:
        """Return the record for people and JSON."""
        return {"where": self.where, "what": self.what, "fix": self.fix}


@dataclass(frozen=True)
class Examination:
    """What one part of the desk looks like.

    Parameters
    ----------
    facts
        Keys of the answer.
    problems, warnings
        What is wrong, and what a person may want to know.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
