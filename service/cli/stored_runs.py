"""Stored runs as commands see them: found by id or by what they were, with their JSON texts read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ComponentNotFoundError, ConfigError, InsufficientDataError
from service.cli.opening import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.desk import Desk

NEWEST = "latest"
"""What stands for the newest run."""
RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="Id, its unambiguous beginning, or latest.")]
OfStrategy = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="Only runs of this strategy.")
]
OfSource = Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this feed.")]
OfVersion = Annotated[
    str | None,
    typer.Option(
        "--version", metavar="TEXT", help="Only this version of the strategy, or code that begins so."
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DATE", help="Only runs started then or later, UTC.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Only runs started before, UTC.")]

METRICS = (
    "sharpe",
    "sharpe_se",
    "sharpe_h4",
    "sharpe_nw",
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


def records(
    desk: Desk,
    *,
    strategy: str | None = None,
    source: str | None = None,
    version: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> list[dict[str, Any]]:
    """Return the runs that fit, newest first; what is None does not restrict.

    Raises
    ------
    ConfigError
        When a date is none.
    """
    stored = desk.warehouse.query(
        "runs",
        strategy=strategy,
        source=source,
        version=version,
        since=instant("--since", since),
        until=instant("--until", until),
    )
    return [_renamed(row) for row in stored.iter_rows(named=True)]


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
    return with_folder(desk, _chosen(records(desk), run_id))


def with_folder(desk: Desk, record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with the folder of its files."""
    return record | {"folder": str(desk.home.artifacts / "runs" / record["run_id"])}


def _chosen(rows: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
    if not rows:
        raise InsufficientDataError(
            "no backtest is stored",
            field="backtest.runs",
            value=0,
            constraint="at least one run",
            fix="run `bells backtest run` first",
        )
    exact = [row for row in rows if row["run_id"] == run_id]
    begun = [row for row in rows if run_id and row["run_id"].startswith(run_id)]
    chosen = rows[:1] if run_id == NEWEST else exact or begun
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
    return chosen[0]


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``backtest.runs`` under the names of the command line, its JSON texts read."""
    record = {
        {"window_start": "start", "window_end": "end"}.get(name, name): value for name, value in row.items()
    }
    for column, name in (("config_json", "config"), ("flags_json", "flags")):
        text = record.pop(column)
        record[name] = json.loads(text) if text else None
    return record
