"""Hold-out windows in the ledger: declared, respected by every run, opened once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assets.manifests import code_version
from warehouse.append import apply, prepare
from warehouse.tables import HOLDOUTS, TRIALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from pipeline.lifecycle.holdouts import Event, Kind, Window
    from resources.desk import Desk


def refuse_held_out(desk: Desk, strategies: Sequence[str], window: tuple[datetime, datetime]) -> None:
    """Refuse a run that would see days of a closed hold-out window of one of its strategies.

    Raises
    ------
    RefusedError
        As `pipeline.lifecycle.holdouts.require_unseen`.
    """
    from pipeline.lifecycle.holdouts import require_unseen

    require_unseen(_events(holdouts(desk)), strategies, *window)


def holdouts(desk: Desk, strategy: str | None = None) -> list[dict[str, Any]]:
    """Return what happened to hold-out windows in the world of the configured source, oldest first."""
    if not desk.warehouse.path.exists():
        return []
    found = desk.warehouse.query("holdouts", strategy=strategy, simulated=desk.market.simulated)
    return [{key: row[key] for key in HOLDOUTS.names} for row in found.iter_rows(named=True)]


def declare(desk: Desk, window: Window, operator: str, reason: str) -> dict[str, Any]:
    """Hold days of a strategy out.

    Raises
    ------
    RefusedError
        As `pipeline.lifecycle.holdouts.require_declarable`.
    """
    from pipeline.lifecycle.holdouts import Kind, require_declarable

    with desk.warehouse.write() as cursor:
        events = _stored(cursor, desk, window.strategy)
        seen = _seen(cursor, window)
        require_declarable(events, window, seen)
        row = _row(desk, len(events) + 1, Kind.DECLARED, window, operator, reason)
        _store(cursor, desk, row)
    return row


def begin_opening(desk: Desk, strategy: str, operator: str, reason: str, config_hash: str) -> Window:
    """Write down that the window of a strategy is opened, before anything of it is shown, and return it.

    Parameters
    ----------
    config_hash
        Of the configuration that is to be run.

    Raises
    ------
    ComponentNotFoundError, RefusedError
        As `pipeline.lifecycle.holdouts.window_to_open`.
    """
    from pipeline.lifecycle.holdouts import Kind, window_to_open

    with desk.warehouse.write() as cursor:
        events = _stored(cursor, desk, strategy)
        window, resumed = window_to_open(events, strategy, (config_hash, code_version()))
        if not resumed:
            row = _row(desk, len(events) + 1, Kind.OPENED, window, operator, reason)
            _store(cursor, desk, row | {"config_hash": config_hash})
    return window


def end_opening(
    desk: Desk, window: Window, operator: str, reason: str, config_hash: str, run_id: str
) -> dict[str, Any]:
    """Write down which run the opened window has shown."""
    from pipeline.lifecycle.holdouts import Kind

    with desk.warehouse.write() as cursor:
        events = _stored(cursor, desk, window.strategy)
        row = _row(desk, len(events) + 1, Kind.SHOWN, window, operator, reason)
        row |= {"config_hash": config_hash, "run_id": run_id}
        _store(cursor, desk, row)
    return row


def _seen(cursor: duckdb.DuckDBPyConnection, window: Window) -> int:
    """Count the runs of the ledger with the strategy, alone or in a book, on overlapping windows."""
    found = cursor.execute(
        f"SELECT count(*) FROM {TRIALS.full_name}_now WHERE window_start < ? AND window_end > ?"
        " AND list_contains(string_split(split_part(family, '[', 1), '+'), ?)",
        [window.end, window.start, window.strategy],
    ).fetchone()
    return 0 if found is None else int(found[0])


def _stored(cursor: duckdb.DuckDBPyConnection, desk: Desk, strategy: str) -> list[Event]:
    found = cursor.execute(
        f"SELECT * FROM {HOLDOUTS.full_name} WHERE strategy = ? AND simulated = ? ORDER BY seq",
        [strategy, desk.market.simulated],
    ).pl()
    return _events(found.iter_rows(named=True))


def _events(rows: Iterable[Mapping[str, Any]]) -> list[Event]:
    from pipeline.lifecycle.holdouts import Event, Kind, Window

    return [
        Event(
            Kind(row["event"]),
            Window(row["strategy"], row["window_start"], row["window_end"]),
            (row["config_hash"], row["code_version"]),
        )
        for row in rows
    ]


def _row(desk: Desk, seq: int, kind: Kind, window: Window, operator: str, reason: str) -> dict[str, Any]:
    return {
        "simulated": desk.market.simulated,
        "strategy": window.strategy,
        "seq": seq,
        "happened_at": desk.clock.now(),
        "event": str(kind),
        "window_start": window.start,
        "window_end": window.end,
        "operator": operator,
        "reason": reason,
        "run_id": None,
        "feed": desk.market.feed,
        "code_version": code_version(),
        "config_hash": desk.loaded.config_hash,
    }


def _store(cursor: duckdb.DuckDBPyConnection, desk: Desk, row: Mapping[str, Any]) -> None:
    import polars as pl

    from warehouse.frames import schema

    frame = pl.DataFrame([row], schema=schema(HOLDOUTS, HOLDOUTS.names))
    apply(cursor, prepare(HOLDOUTS, frame), now=desk.clock.now())
