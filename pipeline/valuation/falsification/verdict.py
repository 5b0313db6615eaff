"""The verdict on a model: four words, and why."""

from enum import StrEnum

from pipeline.optimization.luck.verdict import POWER


class Verdict(StrEnum):
    """What the board says of a model.

    ``skill``: better than nearly all random walks allow, and better than both bases.  ``structure``: the
    former only.  ``undecided``: neither, but a true structure of this kind would have been missed too often.
    """

    SKILL = "skill"
    STRUCTURE = "structure"
    UNDECIDED = "undecided"
    NO_SKILL = "no skill"


def decide(p: float, skill: tuple[float, float], power: float | None, *, level: float) -> tuple[Verdict, str]:
    """Return the verdict and its reason.

    Parameters
    ----------
    p
        The worst over drifts.
    skill
        Out of sample, against last price and against last price with drift.
    power
        At the fitted residual; None where the residual does not come back, so that there is nothing to see.
    level
        Largest p of a finding.

    Examples
    --------
    >>> decide(0.17, (-1.8, -1.4), 0.4, level=0.025)[0]
    <Verdict.UNDECIDED: 'undecided'>
    """
    seen = f"p {p:.3f}, skill {skill[0]:+.2f} against last price and {skill[1]:+.2f} with drift"
    if p <= level:
        if min(skill) > 0.0:
            return Verdict.SKILL, f"{seen}: better than random walks allow and than both bases"
        return Verdict.STRUCTURE, f"{seen}: random walks do worse, but so does the model against a base"
    if power is None:
        return Verdict.UNDECIDED, f"{seen}; the fitted residual does not come back, so power is unknown"
    if power < POWER:
        return (
            Verdict.UNDECIDED,
            f"{seen}; if the fit were true it would be found in {power:.0%} only, fewer than {POWER:.0%}",
        )
    return Verdict.NO_SKILL, f"{seen}; if the fit were true it would be found in {power:.0%}"


def place(verdict: Verdict | None, p: float | None, rmse_log: float | None) -> tuple[int, float, float]:
    """Return what a board is sorted by: verdict, then p, then the error; what is unknown comes last."""
    order = len(Verdict) if verdict is None else list(Verdict).index(verdict)
    return order, 1.0 if p is None else p, float("inf") if rmse_log is None else rmse_log
