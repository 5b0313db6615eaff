"""Changes of label, each with what brought it about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.regimes.classify import Classification, Labels
from pipeline.regimes.vocabulary import DIMENSIONS, START, code


class Cause(StrEnum):
    """Why a label changed."""

    OBSERVATION = "observation"
    """A new value of the input, with as many before it as hysteresis asks for."""
    STALE = "stale"
    """The input has missed three expected values."""
    BACK = "back"
    """The first new value after that."""


@dataclass(frozen=True)
class Transition:
    """One change of label.

    Attributes
    ----------
    dimension
        Of the vocabulary.
    decision
        First decision at which the new label was in force.
    before, after
        Labels.
    cause
        What brought it about.
    observed
        Session, UTC day or reference period of the newest observation then, NaT without one.
    inputs
        What the rule compared at that observation, None where unknown.
    """

    dimension: str
    decision: np.datetime64
    before: str
    after: str
    cause: Cause
    observed: np.datetime64
    inputs: Mapping[str, float | None]


def transitions(classified: Classification) -> list[Transition]:
    """Return every change of label in the order of the decisions; before the first holds the start label."""
    found = [
        change
        for dimension, labels in classified.of.items()
        for change in _changes(dimension, labels, classified.decisions)
    ]
    return sorted(found, key=lambda change: change.decision)


def _changes(dimension: str, labels: Labels, decisions: np.ndarray) -> Iterator[Transition]:
    words = [str(label) for label in DIMENSIONS[dimension]]
    before = np.concatenate([[np.int8(code(START[dimension]))], labels.codes[:-1]])
    stale = labels.stale
    was_stale = np.concatenate([[False], stale[:-1]])
    for at in np.flatnonzero(before[: labels.codes.size] != labels.codes).tolist():
        cause = Cause.STALE if stale[at] else Cause.BACK if was_stale[at] else Cause.OBSERVATION
        yield Transition(
            dimension=dimension,
            decision=decisions[at],
            before=words[before[at]],
            after=words[labels.codes[at]],
            cause=cause,
            observed=labels.observed[at],
            inputs={
                name: None if np.isnan(values[at]) else float(values[at])
                for name, values in labels.inputs.items()
            },
        )
