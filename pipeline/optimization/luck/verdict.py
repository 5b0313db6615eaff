"""The three answers to "skill or luck", each printed with the smallest effect that would have been seen."""

from enum import StrEnum

LEVEL = 0.95
"""Confidence at which skill counts as shown."""
POWER = 0.80
"""Chance of being seen that an effect must have to be called detectable."""
RELEVANT_SHARPE = 1.0
"""Annual Sharpe ratio below which missing an effect does no harm (the candidate's gate)."""


class Verdict(StrEnum):
    """What a test says: absence of proof is no proof of absence, so there is a third answer."""

    SKILL = "skill"
    UNDECIDED = "undecided"
    NO_SKILL = "no skill"


def decide(
    confidence: float | None, min_detectable: float | None, *, relevant: float = RELEVANT_SHARPE
) -> Verdict:
    """Return what a test's confidence says.

    Parameters
    ----------
    confidence
        Deflated Sharpe ratio, or one minus a p value; None where it could not be computed.
    min_detectable
        Smallest annual Sharpe ratio that the test sees with `POWER`; None where no effect is large enough.
    relevant
        Annual Sharpe ratio that would matter.

    Examples
    --------
    >>> decide(0.97, 1.4), decide(0.6, 2.8), decide(0.6, 0.9)
    (<Verdict.SKILL: 'skill'>, <Verdict.UNDECIDED: 'undecided'>, <Verdict.NO_SKILL: 'no skill'>)
    """
    if confidence is not None and confidence >= LEVEL:
        return Verdict.SKILL
    seen = confidence is not None and min_detectable is not None and min_detectable <= relevant
    return Verdict.NO_SKILL if seen else Verdict.UNDECIDED


def sentence(verdict: Verdict, min_detectable: float | None) -> str:
    """Return the verdict with its minimum detectable effect, as every report prints it.

    Examples
    --------
    >>> sentence(Verdict.UNDECIDED, 2.84)
    'undecided (would have seen an annual Sharpe ratio of 2.84 with 80 % power)'
    """
    if min_detectable is None:
        return f"{verdict} (no effect would have been seen)"
    chance = f"{100.0 * POWER:.0f} % power"
    return f"{verdict} (would have seen an annual Sharpe ratio of {min_detectable:.2f} with {chance})"
