"""Hold-out windows in the ledger: declared, respected by every run, opened once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from assets.manifests import code_version
from pipeline.errors import InsufficientDataError, RefusedError
from warehouse.append import apply, prepare
from warehouse.tables import EXPERIMENTS, HOLDOUTS, RESULTS, RUNS, TRIALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from pipeline.lifecycle.holdouts import Event, Kind, Window
    from resources.desk import Desk

_LAST_DAYS = timedelta(days=5)
"""A symbol without bars for longer than a long weekend at the end of a window lacks data."""


def refuse_held_out(desk: Desk, strategies: Sequence[str], window: tuple[datetime, datetime]) -> None:
    """Refuse a run that would see days of a closed hold-out window of one of its strategies.

    Raises
    ------
    RefusedError
        As `pipeline.lifecycle.holdouts.require_unseen`.
    """
    from pipeline.lifecycle.holdouts import require_unseen

    if not desk.warehouse.path.exists():
        return
    desk.warehouse.migrate()
    require_unseen(_events(holdouts(desk)), strategies, *window)


def refuse_seen(
    cursor: duckdb.DuckDBPyConnection,
    desk: Desk,
    strategies: Sequence[str],
    window: tuple[datetime, datetime],
) -> None:
    """Refuse, in the transaction that stores a run, what has seen days that were held out while it ran.

    Raises
    ------
    RefusedError
        As `pipeline.lifecycle.holdouts.require_unseen`.
    """
    from pipeline.lifecycle.holdouts import require_unseen

    for strategy in strategies:
        require_unseen(_stored(cursor, desk, strategy), (strategy,), *window, ran=True)


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
    ConfigError
        When operator or reason is empty.
    """
    from pipeline.lifecycle.history import require_words
    from pipeline.lifecycle.holdouts import Kind, require_declarable

    require_words(operator, reason)
    with desk.warehouse.write() as cursor:
        events = _stored(cursor, desk, window.strategy)
        seen = _seen(cursor, desk, window)
        require_declarable(events, window, seen)
        row = _row(desk, len(events) + 1, Kind.DECLARED, window, operator, reason)
        _store(cursor, desk, row)
    return row


def planned_opening(desk: Desk, strategy: str, config_hash: str | None = None) -> Window:
    """Return the window that would be opened.

    Parameters
    ----------
    config_hash
        Of the configuration that is to be run; None: of any.

    Raises
    ------
    ComponentNotFoundError, RefusedError
        As `pipeline.lifecycle.holdouts.window_to_open`.
    """
    from pipeline.lifecycle.holdouts import window_to_open

    events = _events(holdouts(desk, strategy))
    newest = events[-1].configuration if events else ("", "")
    chosen = newest if config_hash is None else (config_hash, code_version())
    return window_to_open(events, strategy, chosen)[0]


def begin_opening(desk: Desk, strategy: str, operator: str, reason: str, config_hash: str) -> Window:
    """Write down that the window of a strategy is opened, before anything of it is shown, and return it.

    Parameters
    ----------
    config_hash
        Of the configuration that is to be run.

    Raises
    ------
    ComponentNotFoundError, RefusedError
        As `pipeline.lifecycle.holdouts.window_to_open` and `require_over`.
    ConfigError
        When operator or reason is empty.
    """
    from pipeline.lifecycle.history import require_words
    from pipeline.lifecycle.holdouts import Kind, window_to_open

    require_words(operator, reason)
    require_over(desk, strategy, planned_opening(desk, strategy, config_hash))
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


def require_over(desk: Desk, strategy: str, window: Window) -> None:
    """Refuse to open a window that is not over, or whose last days are not stored: it opens once.

    Raises
    ------
    RefusedError
        When its end lies in the future.
    InsufficientDataError
        When a symbol of the strategy has no bar in its last days.
    """
    now, last_days = desk.clock.now(), window.end - _LAST_DAYS
    if now < window.end:
        raise RefusedError(
            f"the hold-out window of {strategy} is not over",
            field="window",
            value=f"{window.start.isoformat()} to {window.end.isoformat()}",
            constraint=f"over by now, {now.isoformat()}",
            fix="wait: it can be opened once only",
        )
    stored = desk.warehouse.query("coverage", feed=desk.market.feed).to_dicts()
    last = {row["symbol"]: row["last"] for row in stored if row["timeframe"] == "h4"}
    for symbol in desk.loaded.settings.strategies[strategy].universe:
        if symbol not in last or last[symbol] < last_days:
            raise InsufficientDataError(
                f"the end of the hold-out window is not stored for {symbol}",
                field="window",
                value=None if symbol not in last else last[symbol].isoformat(),
                constraint=f"bars up to {last_days.isoformat()} at least",
                fix="`bells data update` fetches them; nothing was opened",
            )


def _seen(cursor: duckdb.DuckDBPyConnection, desk: Desk, window: Window) -> int:
    """Count the runs with the strategy, alone or in a book, on overlapping windows of this world.

    Members of an unfinished search do not say which world they saw; they count.
    """
    found = cursor.execute(
        f"SELECT count(*) FROM {TRIALS.full_name}_now t"
        f" LEFT JOIN {RUNS.full_name}_now r ON r.run_id = t.run_id"
        f" LEFT JOIN {RESULTS.full_name}_now m ON m.trial_id = t.trial_id"
        f" LEFT JOIN {EXPERIMENTS.full_name}_now e ON e.experiment_id = m.experiment_id"
        " WHERE t.kind <> 'control' AND t.window_start < ? AND t.window_end > ?"
        " AND list_contains(string_split(split_part(t.family, '[', 1), '+'), ?)"
        " AND coalesce(r.simulated, e.simulated, ?) = ?",
        [window.end, window.start, window.strategy, desk.market.simulated, desk.market.simulated],
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
