"""What happened to a strategy, where it stands by that, and what an operator's word adds.

Pure: events go in, one new event comes out.  Whoever stores it does so in the transaction that read them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import ConfigError, RefusedError
from pipeline.lifecycle.gates import Gate, failing
from pipeline.lifecycle.states import APPROVALS, State, require_demotable, require_step


class Kind(StrEnum):
    """What an event is; an approval changes no state."""

    APPROVED = "approved"
    PROMOTED = "promoted"
    DEMOTED = "demoted"


@dataclass(frozen=True)
class Event:
    """One line of a strategy's life.

    Parameters
    ----------
    kind
        What happened.
    version, identity
        Of the strategy; the identity is a hash of universe and parameters.
    origin, to
        States before and after; of an approval the state that it is for.
    operator, reason
        Who, and why.
    forced
        Whether a gate that did not pass was overruled.
    """

    kind: Kind
    version: str
    identity: str
    origin: State
    to: State
    operator: str
    reason: str
    forced: bool = False


@dataclass(frozen=True)
class Standing:
    """Where a strategy stands.

    Parameters
    ----------
    state
        By the ledger.
    approvals
        Approvals for the next state that wait for another one.
    outdated
        The state that an older version, universe or set of parameters had; None unless that was the last.
    """

    state: State
    approvals: tuple[Event, ...] = ()
    outdated: State | None = None


@dataclass(frozen=True)
class Request:
    """What an operator asks for.

    Parameters
    ----------
    version, identity
        Of the strategy as configured now.
    to
        Where to.
    operator, reason
        Who asks, and why.
    force
        Overrule gates that do not pass.
    """

    version: str
    identity: str
    to: State
    operator: str
    reason: str
    force: bool = False


def standing_of(events: Sequence[Event], version: str, identity: str) -> Standing:
    """Return where a strategy stands; a state belongs to the version and parameters that earned it.

    Parameters
    ----------
    events
        Of one strategy, oldest first.
    version, identity
        As configured now.
    """
    moves = [place for place, event in enumerate(events) if event.kind is not Kind.APPROVED]
    state, outdated = State.RESEARCH, None
    if moves:
        last = events[moves[-1]]
        if (last.version, last.identity) == (version, identity):
            state = last.to
        elif last.to is not State.RESEARCH:
            outdated = last.to
    since = events[moves[-1] + 1 :] if moves else events
    waiting = tuple(event for event in since if (event.version, event.identity) == (version, identity))
    return Standing(state, waiting, outdated)


def promotion(events: Sequence[Event], request: Request, gates: Sequence[Gate]) -> Event:
    """Return what a promotion leads to: an approval while another operator's is needed, else the step.

    Raises
    ------
    ConfigError
        When operator or reason is empty.
    RefusedError
        When it is not one step up, a gate does not pass and is not overruled, or the operator has approved.
    """
    require_words(request.operator, request.reason)
    standing = standing_of(events, request.version, request.identity)
    require_step(standing.state, request.to)
    overruled = failing(gates)
    if overruled and not request.force:
        raise RefusedError(
            f"{len(overruled)} of {len(gates)} gates to {request.to} do not pass",
            field=", ".join(each.name for each in overruled),
            value="; ".join(f"{each.name} {_shown(each.measured)}, needs {each.bound}" for each in overruled),
            constraint="every gate passes; unknown is no pass",
            fix="`bells strategies gates NAME` says what each needs; --force overrules them and is logged",
        )
    known = {who(event.operator) for event in standing.approvals if event.to is request.to}
    if who(request.operator) in known:
        raise RefusedError(
            f"{request.operator} has approved this step already",
            field="--operator",
            value=request.operator,
            constraint=f"{APPROVALS[request.to]} different operators",
            fix="let somebody else approve it",
        )
    enough = len(known) + 1 >= APPROVALS[request.to]
    earlier = any(event.forced for event in standing.approvals if event.to is request.to)
    return Event(
        Kind.PROMOTED if enough else Kind.APPROVED,
        request.version,
        request.identity,
        standing.state,
        request.to,
        request.operator,
        request.reason,
        forced=bool(overruled) or (enough and earlier),
    )


def demotion(events: Sequence[Event], operator: str, reason: str) -> Event:
    """Return the event that sends a strategy back to research, in whatever version it had come further.

    Raises
    ------
    ConfigError
        When operator or reason is empty.
    RefusedError
        When it is in research already.
    """
    require_words(operator, reason)
    moves = [event for event in events if event.kind is not Kind.APPROVED]
    require_demotable(moves[-1].to if moves else State.RESEARCH)
    last = moves[-1]
    return Event(Kind.DEMOTED, last.version, last.identity, last.to, State.RESEARCH, operator, reason)


def approvals_missing(events: Sequence[Event], request: Request) -> int:
    """Return how many more operators a step takes after these events."""
    standing = standing_of(events, request.version, request.identity)
    given = {who(event.operator) for event in standing.approvals if event.to is request.to}
    return 0 if standing.state is request.to else APPROVALS[request.to] - len(given)


def who(operator: str) -> str:
    """Return a name as it is compared: `Ann` and ` ann` are one person."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", operator) if unicodedata.category(c) != "Cf")
    return " ".join(visible.casefold().split())


def require_words(operator: str, reason: str) -> None:
    """Refuse a decision without a name or a reason.

    Raises
    ------
    ConfigError
        Naming the option.
    """
    for field, text in (("--operator", operator), ("--reason", reason)):
        if not text.strip():
            raise ConfigError(
                "a decision needs a name and a reason",
                field=field,
                value=text,
                constraint="a text",
                fix=f"say it with {field}",
            )


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"
