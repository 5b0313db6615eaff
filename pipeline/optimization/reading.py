"""The luck in a search told to a person who is tired: each number, what it means, and what follows from it.

One text for the command line and for the report; both get it from the record that ``--json`` prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.optimization.luck.verdict import LEVEL, POWER, RELEVANT_SHARPE, Verdict

_CHANCE = round(1.0 - LEVEL, 9)
_OFTEN = f"{100.0 * POWER:.0f} times of 100"


@dataclass(frozen=True)
class Reading:
    """One number of a search.

    Parameters
    ----------
    name, value
        What it is called, and the number for the eye; ``unknown`` where there is none.
    means
        In words: what the number says, and from where on it speaks for skill.
    """

    name: str
    value: str
    means: str


def readings(record: Mapping[str, Any]) -> tuple[Reading, ...]:
    """Return the luck statistics of a search in the order in which a person asks for them.

    Parameters
    ----------
    record
        The search as commands print it.
    """
    best, evidence = record["best"], record["evidence"]
    deflated, tried = evidence["deflated_sharpe"], f"{record['trials']:,}"
    return (
        Reading("verdict", record["verdict"], verdict_means(record)),
        Reading("deflated Sharpe", _number(best["deflated_sharpe"]), _deflated(deflated, tried)),
        Reading(
            "Reality Check p (White)", _number(best["reality_check_p"]), _chance(best["reality_check_p"])
        ),
        Reading(
            "Reality Check p (Hansen's SPA)",
            _number(best["spa_p"]),
            f"the same, but hopeless trials do not count against the best; the verdict asks this one:"
            f" {_CHANCE:g} or less speaks for skill",
        ),
        Reading(
            "trials counted (N)",
            tried,
            f"everything ever tried on these days; the {record['members']:,} of this search are as different"
            f" as {_number(record['effective_trials'])} unrelated ones. The more is tried, the better"
            " the luckiest looks",
        ),
        Reading("probability of overfitting", _number(record["pbo"]), _overfitting(record["pbo"])),
        Reading(
            "walk-forward Sharpe",
            _number(record["walk_forward_sharpe"]),
            "of one account that always holds what looked best before, switching paid; in sample it is"
            f" {_number(best['sharpe'])}, and far less than that means that the choice does not last",
        ),
        Reading(
            "cross-validated Sharpe",
            _number(record["cpcv_sharpe"]),
            "the same over many other ways to split the days, the middle one, switching unpaid",
        ),
    )


def verdict_means(record: Mapping[str, Any]) -> str:
    """Return what the verdict of a search says and what to do now."""
    evidence = record["evidence"]
    said = {
        "the deflated Sharpe": Verdict(evidence["deflated_sharpe"]["verdict"]),
        "Hansen's SPA": Verdict(evidence["reality_check"]["verdict"]),
    }
    if record["verdict"] == Verdict.SKILL:
        return "both tests say that luck alone would not look like this; go on to the gates and to paper"
    if record["verdict"] == Verdict.NO_SKILL:
        sure = " and ".join(name for name, each in said.items() if each is Verdict.NO_SKILL)
        return (
            f"{sure} would have seen a true Sharpe ratio of {RELEVANT_SHARPE:g} {_OFTEN} and did not; drop it"
        )
    sure = [name for name, each in said.items() if each is Verdict.SKILL]
    least = evidence["deflated_sharpe"]["min_detectable"]
    seen = (
        "no skill would show"
        if least is None
        else f"only a true Sharpe ratio of {least:.2f} or more would show, {_OFTEN}"
    )
    half = f"{sure[0]} sees skill, the other test does not; " if sure else ""
    told = f"{half}skill and luck cannot be told apart here ({seen})"
    return f"{told}; do not trade on it, take more days or try less"


def _deflated(found: Mapping[str, Any], tried: str) -> str:
    if found["value"] is None:
        return f"not known: {found['reason']}"
    return (
        f"{100.0 * found['value']:.0f} % sure that it beats the best of {tried} without skill: it has a"
        f" Sharpe ratio of {_number(found['sharpe'])} beyond buy-and-hold, luck reaches"
        f" {_number(found['threshold'])}; skill from {100.0 * LEVEL:.0f} % on, which takes"
        f" {_number(found['needed'])}"
    )


def _chance(p: float | None) -> str:
    if p is None:
        return "not known: too few days, or nothing moves"
    return (
        f"among worlds without any skill, {100.0 * p:.3g} of 100 show a best trial as good as this one;"
        f" {100.0 * _CHANCE:g} of 100 or fewer speak for skill"
    )


def _overfitting(pbo: float | None) -> str:
    if pbo is None:
        return "not known: too few days or members"
    return (
        f"in {100.0 * pbo:.0f} of 100 splits of the days, what was best on one half is below the middle of"
        " all on the other; 50 is noise, near 0 is good"
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.3g}"
