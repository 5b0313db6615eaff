"""Steps in the lives of strategies: gates measured on stored rows, decided and written in one transaction.

The ledger decides where a strategy stands; ``status`` in strategies.yaml only claims.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.manifests import code_version
from pipeline.errors import ComponentNotFoundError
from warehouse.append import apply, prepare
from warehouse.tables import LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

    from assets.lifecycle.facts import Measured, Subject
    from pipeline.lifecycle.gates import Gate
    from pipeline.lifecycle.history import Event, Request, Standing
    from pipeline.lifecycle.states import Cause, State
    from resources.desk import Desk


@dataclass(frozen=True)
class Step:
    """A stored event.

    Parameters
    ----------
    row
        As `warehouse.tables_lifecycle.LIFECYCLE` has it.
    missing
        Approvals of other operators that the step still takes.
    """

    row: Mapping[str, Any]
    missing: int


def gates_of(measured: Measured, to: State) -> tuple[Gate, ...]:
    """Return the gates of the step into a state; paper asks for an approval only."""
    from pipeline.lifecycle.candidate import candidate_gates
    from pipeline.lifecycle.live import PaperFacts, live_gates
    from pipeline.lifecycle.states import State

    if to is State.CANDIDATE:
        return candidate_gates(measured.facts, measured.run_missing, measured.proof_missing)
    return live_gates(PaperFacts()) if to is State.LIVE else ()


def standing(desk: Desk, subject: Subject) -> Standing:
    """Return where a strategy stands in the world of the configured source, simulated or real."""
    from pipeline.lifecycle.history import standing_of

    return standing_of(_events(history(desk, subject.name)), subject.version, subject.identity)


def history(desk: Desk, name: str) -> list[dict[str, Any]]:
    """Return every event of a strategy in the world of the configured source, oldest first."""
    if not desk.warehouse.path.exists():
        return []
    found = desk.warehouse.query("lifecycle", strategy=name, simulated=desk.market.simulated)
    return [{key: row[key] for key in LIFECYCLE.names} for row in found.iter_rows(named=True)]


def promote(desk: Desk, subject: Subject, request: Request, measured: Measured) -> Step:
    """Store the step, or the approval, that an operator asks for.

    The gates were measured before; whether the step may be taken, and whose approvals there are, is read in
    the transaction that writes.

    Raises
    ------
    ConfigError, RefusedError
        As `pipeline.lifecycle.history.promotion`.
    """
    from pipeline.lifecycle.budget import allowed_budget
    from pipeline.lifecycle.history import Kind, approvals_missing, promotion

    gates = gates_of(measured, request.to)
    with desk.warehouse.write() as cursor:
        events = _events(_stored(cursor, desk, subject.name))
        event = promotion(events, request, gates)
        state = event.to if event.kind is Kind.PROMOTED else event.origin
        budget = desk.loaded.settings.strategies[subject.name].budget
        row = _row(desk, subject.name, len(events) + 1, event) | {
            "gates_json": json.dumps([each.record() for each in gates]),
            "run_id": measured.run_id,
            "allowed_budget": allowed_budget(state, budget, measured.deflated_sharpe),
            "deflated_sharpe": measured.deflated_sharpe,
        }
        _store(cursor, desk, row)
    return Step(row, approvals_missing([*events, event], request))


def demote(desk: Desk, name: str, operator: str, reason: str, cause: Cause) -> Step:
    """Send a strategy back to research, whatever version of it had come further.

    Raises
    ------
    ComponentNotFoundError
        When neither settings nor ledger know it.
    ConfigError, RefusedError
        As `pipeline.lifecycle.history.demotion`.
    """
    from pipeline.lifecycle.history import demotion

    with desk.warehouse.write() as cursor:
        events = _events(_stored(cursor, desk, name))
        if not events and name not in desk.loaded.settings.strategies:
            raise ComponentNotFoundError(
                "no such strategy is configured, and none of that name ever was promoted",
                field="strategy",
                value=name,
                constraint=f"one of {', '.join(desk.loaded.settings.strategies)}",
                fix="`bells strategies list` shows all",
            )
        event = demotion(events, operator, reason)
        row = _row(desk, name, len(events) + 1, event) | {"cause": str(cause), "allowed_budget": 0.0}
        _store(cursor, desk, row)
    return Step(row, 0)


def _stored(cursor: duckdb.DuckDBPyConnection, desk: Desk, name: str) -> list[dict[str, Any]]:
    found = cursor.execute(
        f"SELECT * FROM {LIFECYCLE.full_name} WHERE strategy = ? AND simulated = ? ORDER BY seq",
        [name, desk.market.simulated],
    ).pl()
    return found.to_dicts()


def _events(rows: Iterable[Mapping[str, Any]]) -> Sequence[Event]:
    from pipeline.lifecycle.history import Event, Kind
    from pipeline.lifecycle.states import State

    return [
        Event(
            kind=Kind(row["event"]),
            version=row["strategy_version"],
            identity=row["identity"],
            origin=State(row["from_state"]),
            to=State(row["to_state"]),
            operator=row["operator"],
            reason=row["reason"],
            forced=row["forced"],
        )
        for row in rows
    ]


def _row(desk: Desk, name: str, seq: int, event: Event) -> dict[str, Any]:
    return {
        "simulated": desk.market.simulated,
        "strategy": name,
        "seq": seq,
        "happened_at": desk.clock.now(),
        "event": str(event.kind),
        "strategy_version": event.version,
        "identity": event.identity,
        "from_state": str(event.origin),
        "to_state": str(event.to),
        "operator": event.operator,
        "reason": event.reason,
        "cause": None,
        "forced": event.forced,
        "gates_json": None,
        "run_id": None,
        "allowed_budget": None,
        "deflated_sharpe": None,
        "feed": desk.market.feed,
        "code_version": code_version(),
        "config_hash": desk.loaded.config_hash,
    }


def _store(cursor: duckdb.DuckDBPyConnection, desk: Desk, row: Mapping[str, Any]) -> None:
    import polars as pl

    from warehouse.frames import schema

    frame = pl.DataFrame([row], schema=schema(LIFECYCLE, LIFECYCLE.names))
    apply(cursor, prepare(LIFECYCLE, frame), now=desk.clock.now())
