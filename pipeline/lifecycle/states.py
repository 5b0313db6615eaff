"""The states of a strategy's life, which steps there are, and who may run what.

One step at a time upwards; from anywhere down to research.  What a step asks is the business of the gates.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pipeline.errors import RefusedError


class State(StrEnum):
    """How far a strategy may go; each state allows what those before it allow."""

    RESEARCH = "research"
    CANDIDATE = "candidate"
    PAPER = "paper"
    LIVE = "live"

    @property
    def rank(self) -> int:
        """0 for research, 3 for live."""
        return list(State).index(self)

    @property
    def following(self) -> "State | None":
        """The next state; None after live."""
        states = list(State)
        return states[self.rank + 1] if self.rank + 1 < len(states) else None


class Cause(StrEnum):
    """Why a strategy was sent back to research; all but the first come from a runner."""

    OPERATOR = "operator"
    KILL_SWITCH = "kill_switch"
    DRAWDOWN = "drawdown"
    ADAPTER = "adapter"
    MODEL = "model_exception"


class Runner(StrEnum):
    """What trades."""

    PAPER = "paper"
    LIVE = "live"


APPROVALS: Mapping[State, int] = {State.CANDIDATE: 1, State.PAPER: 1, State.LIVE: 2}
"""Different operators whose approval a step into a state takes; the promoting one is among them."""
RUNS: Mapping[Runner, frozenset[State]] = {
    Runner.PAPER: frozenset({State.CANDIDATE, State.PAPER}),
    Runner.LIVE: frozenset({State.LIVE}),
}
"""The states that each runner takes."""


def require_step(origin: State, to: State) -> None:
    """Refuse a promotion that is not exactly one step up.

    Raises
    ------
    RefusedError
        When it stays, goes down or skips a state.
    """
    if origin.following is to:
        return
    following = origin.following
    raise RefusedError(
        f"no promotion leads from {origin} to {to}",
        field="--to",
        value=str(to),
        constraint="one step at a time: research, candidate, paper, live",
        fix="nothing comes after live" if following is None else f"promote it to {following}",
    )


def require_demotable(origin: State) -> None:
    """Refuse to demote what is in research already.

    Raises
    ------
    RefusedError
        When there is nothing below.
    """
    if origin is State.RESEARCH:
        raise RefusedError(
            "a strategy in research cannot be demoted",
            field="state",
            value=str(origin),
            constraint="candidate, paper or live",
            fix="nothing needs to be done",
        )


def exceeds(configured: State, ledger: State) -> bool:
    """Return whether ``strategies.yaml`` claims more than the ledger has granted."""
    return configured.rank > ledger.rank


def runnable(runner: Runner, name: str, ledger: State, configured: State) -> bool:
    """Return whether a runner takes a strategy; the ledger decides.

    Raises
    ------
    RefusedError
        When ``strategies.yaml`` claims a state that the ledger has not granted.
    """
    if exceeds(configured, ledger):
        raise RefusedError(
            f"strategies.yaml calls {name} {configured}, and the ledger says {ledger}",
            field=f"strategies.{name}.status",
            value=str(configured),
            constraint=f"at most {ledger}",
            fix=f"promote it with `bells strategies promote {name}`, or write status: {ledger}",
        )
    return ledger in RUNS[runner]


def chosen_by(runner: Runner, strategies: Iterable[tuple[str, State, State]]) -> tuple[str, ...]:
    """Return the names that a runner takes of ``(name, ledger's state, configured state)``, in their order.

    Raises
    ------
    RefusedError
        As `runnable`.
    """
    return tuple(
        name for name, ledger, configured in strategies if runnable(runner, name, ledger, configured)
    )
