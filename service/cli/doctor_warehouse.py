"""The warehouse file: is it there, whole and current; who holds it; orphans, duplicates, freshness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import BellsError, DataError
from service.cli.doctor_findings import Examination, Problem
from service.cli.output import counted

if TYPE_CHECKING:
    from pathlib import Path

    from resources.desk import Desk
    from warehouse.foreign import Holder

SIDE_FILES = ("gate", "urgent", "lock")


def examine_locks(path: Path) -> Examination:
    """Say which processes wait at the gate, in the urgent lane, hold the lock, or have the file open."""
    from warehouse.foreign import holders, holders_of

    held = {name: _named(holders_of(path.with_name(f"{path.name}.{name}"))) for name in SIDE_FILES}
    return Examination({"locks": {**held, "file": _named(holders(path))}})


def examine_warehouse(desk: Desk) -> Examination:
    """Look into the file; a file that cannot be had is one problem, and the rest stays unknown."""
    path = desk.warehouse.path
    facts: dict[str, Any] = {"path": path, "exists": path.exists()}
    whole = {"warehouse": facts, "orphans": [], "duplicates": {}, "freshness": []}
    if not path.exists():
        note = Problem("warehouse", "there is no warehouse yet", "run bells run", 0)
        return Examination(whole, warnings=(note,))
    log = path.with_name(path.name + ".wal")
    left = log.stat().st_size if log.exists() else 0
    facts |= {"bytes": path.stat().st_size, "leftover_log_bytes": left}
    try:
        problems, warnings = _inside(desk, whole)
    except BellsError as error:
        return Examination(whole, problems=(Problem.of("warehouse", error),))
    if left:
        note = Problem("warehouse", "a killed writer left a log", "nothing: the next session folds it in", 0)
        warnings.append(note)
    return Examination(whole, tuple(problems), tuple(warnings))


def mend(desk: Desk) -> list[str]:
    """Remove orphans and drain the spool; return what was done, in sentences."""
    if not desk.warehouse.path.exists():
        return []
    done = [
        f"removed {counted(orphan.rows, 'row')} of the unfinished write {orphan.write_id} in {orphan.table}"
        for orphan in desk.warehouse.remove_orphans()
    ]
    drained = desk.warehouse.drain()
    if drained:
        done.append(f"drained {counted(drained, 'urgent write')} from the spool")
    return done


def _inside(desk: Desk, whole: dict[str, Any]) -> tuple[list[Problem], list[Problem]]:
    """Fill in ``whole`` from the file and return problems and warnings."""
    from service.cli.series import overdue
    from warehouse import migrations, queries
    from warehouse.tables import TABLES

    problems, warnings = [], []
    with desk.warehouse.read() as cursor:
        waiting = [migration.title for migration in migrations.pending(cursor)]
        present = {
            f"{schema}.{name}"
            for schema, name in cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_type = 'BASE TABLE' AND table_catalog = current_database()"
            ).fetchall()
        }
        absent = sorted(set(TABLES) - present)
        rows = {} if absent else dict(cursor.execute(queries.sizes()).fetchall())
    whole["warehouse"] |= {"tables": rows, "pending_migrations": waiting}
    if waiting or absent:
        what = f"the file lacks {', '.join(absent or waiting)}"
        warnings.append(Problem("warehouse", what, "the next write brings it up to date: run bells run", 0))
    if absent:
        return problems, warnings
    stored_twice = {name: desk.warehouse.duplicates(table) for name, table in TABLES.items()}
    whole["duplicates"] = {name: count for name, count in stored_twice.items() if count}
    for name, count in whole["duplicates"].items():
        what = f"{name} holds {counted(count, 'version')} twice"
        problems.append(Problem("warehouse", what, "restore a snapshot and report it", DataError.exit_code))
    whole["orphans"] = [
        {"table": o.table, "write_id": o.write_id, "rows": o.rows, "last": o.last}
        for o in desk.warehouse.orphans()
    ]
    if whole["orphans"]:
        what = f"{counted(len(whole['orphans']), 'unfinished write')} left rows that no read shows"
        cure = "run bells doctor --fix: it removes those over an hour old"
        warnings.append(Problem("orphans", what, cure, 0))
    whole["freshness"] = overdue(desk)
    stale = [record for record in whole["freshness"] if record["stale"]]
    if stale:
        names = ", ".join(f"{record['symbol']} {record['timeframe']}" for record in stale)
        warnings.append(Problem("freshness", f"late: {names}", "run bells run or bells data update", 0))
    return problems, warnings


def _named(found: tuple[Holder, ...]) -> list[dict[str, Any]]:
    return [{"pid": holder.pid, "command": holder.command} for holder in found]
