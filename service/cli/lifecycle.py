"""``bells strategies promote``, ``demote``, ``gates``, ``history``: steps in the life of a strategy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import RefusedError
from pipeline.lifecycle.gates import failing
from pipeline.lifecycle.history import Request
from pipeline.lifecycle.states import APPROVALS, Cause, State, exceeds
from service.cli.opening import open_for
from service.cli.output import Json, Set, Source, emit, emit_rows, explain, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.lifecycle.facts import Measured, Subject
    from pipeline.lifecycle.gates import Gate
    from pipeline.lifecycle.history import Standing
    from resources.desk import Desk

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name in strategies.yaml.")]
Operator = Annotated[str, typer.Option("--operator", metavar="NAME", help="Who takes the step.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
To = Annotated[State | None, typer.Option("--to", help="The state to reach; by default the next one.")]
SHORT = ("seq", "happened_at", "event", "from_state", "to_state", "operator", "reason", "forced", "run_id")


def promote(
    name: Name,
    operator: Operator,
    reason: Reason,
    to: To = None,
    force: Annotated[bool, typer.Option("--force", help="Overrule gates that do not pass; logged.")] = False,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Take a strategy one step up, or approve that step, when every gate passes on stored runs."""
    from assets.lifecycle import steps as lifecycle

    desk = open_for(assignments, source, writes=True)
    desk.warehouse.migrate()
    subject, measured, standing = _known(desk, name)
    wanted = to or standing.state.following or State.LIVE
    gates = lifecycle.gates_of(measured, wanted)
    request = Request(subject.version, subject.identity, wanted, operator, reason, force)
    try:
        step = lifecycle.promote(desk, subject, request, measured)
    except RefusedError as refused:
        if as_json:
            emit({"ok": False, **refused.to_dict(), "gates": _records(gates)}, as_json=True)
        else:
            emit_rows(f"gates of {name} to {wanted} that do not pass", _records(failing(gates)))
        explain(refused)
        return refused.exit_code
    told = {
        "ok": True,
        **{key: step.row[key] for key in step.row if key != "gates_json"},
        "state": standing.state if step.missing else wanted,
        "approvals_missing": step.missing,
        "trials": measured.trials,
        "gates": _records(gates),
    }
    emit(told, as_json=as_json)
    if step.missing:
        say(f"approved; {step.missing} more operator must approve before {name} is {wanted}")
    if step.row["forced"]:
        say(f"forced past {', '.join(each.name for each in failing(gates)) or 'the gates of an approval'}")
    _warn(name, lifecycle.standing(desk, subject), desk.loaded.settings.strategies[name].status)
    if desk.market.simulated:
        say("measured on SIMULATED data: the step counts in the simulated world only")
    return 0


def demote(
    name: Name,
    operator: Operator,
    reason: Reason,
    cause: Annotated[Cause, typer.Option("--cause", help="What made it necessary.")] = Cause.OPERATOR,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Send a strategy back to research, from whatever state it has."""
    from assets.lifecycle import steps as lifecycle

    desk = open_for(assignments, source, writes=True)
    step = lifecycle.demote(desk, name, operator, reason, cause)
    emit({"ok": True, **step.row, "state": State.RESEARCH}, as_json=as_json)


def gates(
    name: Name, to: To = None, source: Source = None, assignments: Set = None, as_json: Json = False
) -> None:
    """Show where a strategy stands and what each gate of a step measures now; changes nothing."""
    from assets.lifecycle import steps as lifecycle
    from pipeline.lifecycle.budget import proven

    desk = open_for(assignments, source)
    subject, measured, standing = _known(desk, name)
    wanted = to or standing.state.following or State.LIVE
    judged = lifecycle.gates_of(measured, wanted)
    configured = desk.loaded.settings.strategies[name].status
    given = sum(event.to is wanted for event in standing.approvals)
    payload: dict[str, Any] = {
        "ok": not failing(judged),
        "strategy": name,
        "version": subject.version,
        "identity": subject.identity,
        "state": standing.state,
        "configured": configured,
        "configured_exceeds": exceeds(configured, standing.state),
        "outdated": standing.outdated,
        "to": wanted,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        "run_id": measured.run_id,
        "deflated_sharpe": measured.deflated_sharpe,
        "trials": measured.trials,
        "budget_earned": proven(measured.deflated_sharpe),
        "approvals": f"{given} of {APPROVALS.get(wanted, 0)}",
        "gates": _records(judged),
    }
    emit(payload, as_json=as_json)
    if not as_json:
        emit_rows(f"gates to {wanted}", payload["gates"])
    _warn(name, standing, configured)


def history(name: Name, source: Source = None, assignments: Set = None, as_json: Json = False) -> None:
    """Show every step and approval of a strategy, oldest first, with the gates as they were then."""
    from assets.lifecycle import steps as lifecycle

    desk = open_for(assignments, source)
    rows = lifecycle.history(desk, name)
    if as_json:
        events = [
            {**row, "gates": None if row["gates_json"] is None else json.loads(row["gates_json"])}
            for row in rows
        ]
        for event in events:
            del event["gates_json"]
        emit({"strategy": name, "simulated": desk.market.simulated, "events": events}, as_json=True)
        return
    emit_rows(f"life of {name}", [{key: row[key] for key in SHORT} for row in rows])


def _known(desk: Desk, name: str) -> tuple[Subject, Measured, Standing]:
    from assets.lifecycle.facts import measure, subject_of
    from assets.lifecycle.steps import standing

    subject = subject_of(desk, name)
    return subject, measure(desk, subject), standing(desk, subject)


def _records(judged: Sequence[Gate]) -> list[dict[str, Any]]:
    return [each.record() for each in judged]


def _warn(name: str, standing: Standing, configured: State) -> None:
    if exceeds(configured, standing.state):
        say(f"strategies.yaml calls {name} {configured}, the ledger says {standing.state}: the ledger counts")
    if standing.outdated is not None:
        say(f"{name} was {standing.outdated} in another version or with other parameters; that is void")
