"""``bells doctor``: is this desk healthy, and if not, what is the problem and the fix."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BellsError
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, emit_rows, shown

if TYPE_CHECKING:
    from service.cli.doctor_findings import Examination


def doctor(
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only create the home folders and dagster.yaml, then leave.")
    ] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Remove orphans and drain the spool.")] = False,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Examine environment, warehouse, locks, orphans, spool, disk, and how fresh every series is."""
    if prepare:
        from resources.home import Home

        place = Home.from_environ(os.environ).prepare()
        emit({"ok": True, "home": place.path, "dagster": place.dagster / "dagster.yaml"}, as_json=as_json)
        return 0
    from service.cli.doctor_environment import examine_environment
    from service.cli.doctor_state import examine_disk, examine_spool
    from service.cli.doctor_warehouse import examine_locks, examine_warehouse, mend

    try:
        desk = open_for(assignments)
    except BellsError as error:
        parts = [examine_environment(None), _configuration(error)]
        return _answer(parts, [], as_json=as_json)
    fixed = mend(desk) if fix else []
    parts = [
        examine_environment(desk.home),
        examine_disk(desk),
        examine_locks(desk.warehouse.path),
        examine_spool(desk.home.spool),
        examine_warehouse(desk),
    ]
    return _answer(parts, fixed, as_json=as_json)


def _configuration(error: BellsError) -> Examination:
    from service.cli.doctor_findings import Examination, Problem

    return Examination({"configuration": error.to_dict()}, problems=(Problem.of("configuration", error),))


def _answer(parts: list[Examination], fixed: list[str], *, as_json: bool) -> int:
    """Print what was found; the exit code is that of the first problem, 0 without one."""
    problems = [problem for part in parts for problem in part.problems]
    warnings = [warning for part in parts for warning in part.warnings]
    facts: dict[str, Any] = {}
    for part in parts:
        facts |= part.facts
    payload = {
        "ok": not problems,
        **facts,
        "problems": [problem.to_dict() for problem in problems],
        "warnings": [warning.to_dict() for warning in warnings],
        "fixed": fixed,
    }
    payload.setdefault("warehouse", None)
    if as_json:
        emit(payload, as_json=True)
    else:
        _show(payload)
    return max((problem.exit_code for problem in problems), default=0)


def _show(payload: dict[str, Any]) -> None:
    for name, facts in payload.items():
        if isinstance(facts, dict) and name != "duplicates":
            emit({f"{name} {key}": shown(value) for key, value in facts.items()}, as_json=False)
    if payload.get("warehouse") is not None:
        emit({name: _remains(payload, name) for name in ("orphans", "duplicates")}, as_json=False)
    if payload.get("freshness"):
        emit_rows("freshness", payload["freshness"])
    for name in ("problems", "warnings"):
        emit_rows(name, payload[name])
    for line in payload["fixed"]:
        emit({"fixed": line}, as_json=False)
    emit({"ok": payload["ok"]}, as_json=False)


def _remains(payload: dict[str, Any], name: str) -> str:
    """Say how much of a thing there should not be was found, also when it is none or nobody could look."""
    found = payload[name]
    if found:
        return shown(found)
    return "none" if payload["warehouse"].get("tables") or not payload["warehouse"]["exists"] else "unknown"
