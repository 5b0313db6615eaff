"""``bells backtest``: run one, show one, compare two, list all."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ComponentNotFoundError, ConfigError, InsufficientDataError
from service.cli.backtest_tables import (
    emit_backtest,
    emit_where,
    flags_of_record,
    label,
    percent,
    told,
    universe_of,
    with_error,
)
from service.cli.opening import open_for, window_of
from service.cli.output import Json, Set, Source, emit, emit_rows, say, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.desk import Desk

app = typer.Typer(help="Backtests: run, show, compare, list.")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="Id, its unambiguous beginning, or latest.")]
METRICS = (
    "sharpe",
    "sharpe_h4",
    "sharpe_nw",
    "sharpe_se",
    "cagr",
    "total_return",
    "volatility",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "sortino",
    "calmar",
    "bps",
    "turnover",
    "cost_drag",
    "trades",
    "bars",
    "final_nav",
)
IDENTITY = (
    "run_id",
    "strategy",
    "strategy_version",
    "kind",
    "source",
    "simulated",
    "start",
    "end",
    "digest",
    "data_hash",
    "config_hash",
    "code_version",
)
SAME = ("same_data", "same_config", "same_code", "same_digest")
SHORT = ("run_id", "strategy", "kind", "source", "simulated", "start", "end")


@app.command("run")
def run_one(
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="Name in strategies.yaml.")
    ] = None,
    start: Annotated[str | None, typer.Option("--start", metavar="DATE", help="First decision, UTC.")] = None,
    end: Annotated[str | None, typer.Option("--end", metavar="DATE", help="End, exclusive, UTC.")] = None,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Run one strategy over history, store the run and its row in the trial ledger."""
    first, last = window_of(start, end)
    desk = open_for(
        assignments,
        source,
        writes=True,
        backtest__strategy=strategy,
        backtest__start=first,
        backtest__end=last,
    )
    require_bars(desk)
    from assets.trials import run_trial

    trial = run_trial(desk, kind="research")
    flags = [asdict(flag) for flag in trial.result.flags]
    payload = {**trial.row, "folder": str(trial.folder), "flags": flags}
    if as_json:
        emit(payload, as_json=True)
        return
    emit_backtest(_title(payload), payload)
    emit_where(payload)
    if payload["simulated"]:
        say("these are results on SIMULATED data")


@app.command()
def show(run_id: RunId = "latest", assignments: Set = None, as_json: Json = False) -> None:
    """Show a stored run: its numbers, flags, monthly returns and where its report is."""
    desk = open_for(assignments)
    record = run_record(desk, run_id)
    record["monthly"] = _monthly(desk, record["run_id"])
    if as_json:
        emit(record, as_json=True)
        return
    emit_backtest(_title(record), {**record, "flags": flags_of_record(record)})
    returns = [{"month": m["month"], "return": percent(m["return"])} for m in record["monthly"]]
    emit_rows("monthly returns", returns)
    emit_where(record)


@app.command()
def compare(first: RunId, second: RunId, assignments: Set = None, as_json: Json = False) -> None:
    """Put two runs side by side: numbers with their difference, and the settings that differ."""
    desk = open_for(assignments)
    a, b = run_record(desk, first), run_record(desk, second)
    metrics = {name: {"a": a[name], "b": b[name], "difference": _minus(a[name], b[name])} for name in METRICS}
    settings_a, settings_b = (_leaves(record["config"]) for record in (a, b))
    differing = {
        key: {"a": settings_a.get(key), "b": settings_b.get(key)}
        for key in sorted(settings_a.keys() | settings_b.keys())
        if settings_a.get(key) != settings_b.get(key)
    }
    payload: dict[str, Any] = {
        "a": {name: a[name] for name in IDENTITY},
        "b": {name: b[name] for name in IDENTITY},
        "same_digest": a["digest"] == b["digest"],
        "same_data": a["data_hash"] == b["data_hash"],
        "same_config": a["config_hash"] == b["config_hash"],
        "same_code": a["code_version"] == b["code_version"],
        "metrics": metrics,
        "settings": differing,
    }
    if as_json:
        emit(payload, as_json=True)
        return
    emit_rows("runs", [{"": name, "a": a[name], "b": b[name]} for name in IDENTITY])
    emit({name.replace("_", " "): payload[name] for name in SAME}, as_json=False)
    for warning in _unlike(a, b):
        say(f"careful: {warning}")
    numbers = [
        {"number": label(name), **{column: told(name, value) for column, value in values.items()}}
        for name, values in metrics.items()
    ]
    emit_rows("numbers", numbers)
    emit_rows("settings that differ", [{"setting": key, **values} for key, values in differing.items()])


@app.command("list")
def list_all(
    strategy: Annotated[str | None, typer.Option("--strategy", metavar="NAME")] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this feed.")] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """List the stored runs, newest first."""
    desk = open_for(assignments)
    stored = desk.warehouse.query("runs", strategy=strategy, source=source)
    records = [_renamed(row) for row in stored.iter_rows(named=True)]
    if as_json:
        emit({"ok": True, "runs": records}, as_json=True)
    else:
        emit_rows("backtests", [_in_short(record) for record in records])


def run_record(desk: Desk, run_id: str) -> dict[str, Any]:
    """Return one stored run as the record that ``show`` prints.

    Parameters
    ----------
    desk
        Where to look.
    run_id
        An id, the beginning of exactly one, or ``latest``.

    Raises
    ------
    InsufficientDataError
        When no run is stored.
    ComponentNotFoundError
        When there is no such run.
    ConfigError
        When several runs begin like this.
    """
    stored = desk.warehouse.query("runs")
    if not stored.height:
        raise InsufficientDataError(
            "no backtest is stored",
            field="backtest.runs",
            value=0,
            constraint="at least one run",
            fix="run `bells backtest run` first",
        )
    rows = list(stored.iter_rows(named=True))
    exact = [row for row in rows if row["run_id"] == run_id]
    begun = [row for row in rows if run_id and row["run_id"].startswith(run_id)]
    chosen = rows[:1] if run_id == "latest" else exact or begun
    if not chosen:
        raise ComponentNotFoundError(
            "there is no such run",
            field="RUN_ID",
            value=run_id,
            constraint="a stored run or latest",
            fix=f"`bells backtest list` shows all; the newest is {rows[0]['run_id']}",
        )
    if len(chosen) > 1:
        raise ConfigError(
            f"{len(chosen)} runs begin like this",
            field="RUN_ID",
            value=run_id,
            constraint="the beginning of exactly one run",
            fix="write more of it: " + ", ".join(row["run_id"] for row in chosen[:4]),
        )
    record = _renamed(chosen[0])
    record["folder"] = str(desk.home.artifacts / "runs" / record["run_id"])
    return record


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``backtest.runs`` under the names of the command line, its JSON texts read."""
    record = {
        {"window_start": "start", "window_end": "end"}.get(name, name): value for name, value in row.items()
    }
    for column, name in (("config_json", "config"), ("flags_json", "flags")):
        text = record.pop(column)
        record[name] = json.loads(text) if text else None
    return record


def require_bars(desk: Desk) -> None:
    """Update the feed first when nothing of it is stored."""
    from service.cli.updating import update_all

    feed = desk.market.feed
    if desk.warehouse.path.exists():
        coverage = desk.warehouse.query("coverage", feed=feed)
        if coverage.filter(coverage["timeframe"] == "h4").height:
            return
    say(f"no bars of the feed {feed} are stored: updating first")
    update_all(desk)


def _monthly(desk: Desk, run_id: str) -> list[dict[str, Any]]:
    from warehouse.tables import MONTHLY

    months = desk.warehouse.as_of(MONTHLY, where={"run_id": run_id}, columns=("month", "return_"))
    return [{"month": row["month"], "return": row["return_"]} for row in months.iter_rows(named=True)]


def _title(record: Mapping[str, Any]) -> str:
    return f"backtest on {record['source']}{' (SIMULATED)' if record['simulated'] else ''}"


def _unlike(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Say what keeps the numbers of two runs from being compared."""
    warnings = []
    if a["simulated"] != b["simulated"]:
        made_up = "a" if a["simulated"] else "b"
        warnings.append(f"run {made_up} is on SIMULATED prices and the other is not")
    if (a["start"], a["end"]) != (b["start"], b["end"]):
        windows = (f"{shown(run['start'])} to {shown(run['end'])}" for run in (a, b))
        warnings.append("the windows differ: " + " and ".join(windows))
    return warnings


def _in_short(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: record[name] for name in SHORT},
        "universe": universe_of(record["family"]),
        "fills": record["trades"],
        "sharpe": with_error(record["sharpe"], record["sharpe_se"]),
        "cagr": told("cagr", record["cagr"]),
    }


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a


def _leaves(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        found: dict[str, object] = {}
        for key, item in value.items():
            found |= _leaves(item, f"{path}.{key}" if path else str(key))
        return found
    return {path: value} if path else {}
