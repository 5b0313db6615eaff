"""``bells backtest``: run one, show one, compare two, list all."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.backtest_tables import (
    emit_backtest,
    emit_where,
    flags_of_record,
    percent,
    told,
    told_answers,
    told_members,
    told_parts,
    universe_of,
    with_error,
)
from service.cli.comparing import compare
from service.cli.opening import open_for, window_of
from service.cli.output import Json, Set, Source, emit, emit_rows, say
from service.cli.stored_runs import OfSource, OfStrategy, OfVersion, RunId, Since, Until, records, run_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.desk import Desk

app = typer.Typer(help="Backtests: run, show, compare, list.")
app.command()(compare)

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
    from assets.backtest.trials import run_trial

    trial = run_trial(desk, kind="research")
    flags = [asdict(flag) for flag in trial.result.flags]
    payload = {**trial.row, "folder": str(trial.folder), "flags": flags}
    if as_json:
        emit(payload, as_json=True)
        return
    emit_backtest(_title(payload), payload)
    emit_where(payload)
    say(f"what it answers beside its numbers: bells backtest show {payload['run_id']}, or its report")
    if payload["simulated"]:
        say("these are results on SIMULATED data")


@app.command()
def show(run_id: RunId = "latest", assignments: Set = None, as_json: Json = False) -> None:
    """Show a stored run: numbers, flags, what it was asked beside them, months, and where its report is."""
    from assets.backtest.robustness import answers_of

    desk = open_for(assignments)
    record = run_record(desk, run_id)
    record["monthly"] = _monthly(desk, record["run_id"])
    record["robustness"] = answers_of(desk.warehouse, record["run_id"])
    members = desk.warehouse.query("members", run_id=record["run_id"]).to_dicts()
    if as_json:
        emit({**record, **({"strategies": members} if members else {})}, as_json=True)
        return
    emit_backtest(_title(record), {**record, "flags": flags_of_record(record)})
    if members:
        emit_rows("strategies, in percent of the book's NAV", told_members(members))
    returns = [{"month": m["month"], "return": percent(m["return"])} for m in record["monthly"]]
    emit_rows("asked beside its numbers", told_answers(record["robustness"]))
    emit_rows("by regime and season", told_parts(record["robustness"]))
    emit_rows("monthly returns", returns)
    emit_where(record)


@app.command("list")
def list_all(
    strategy: OfStrategy = None,
    source: OfSource = None,
    version: OfVersion = None,
    since: Since = None,
    until: Until = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """List the stored runs, newest first: all, or those of a strategy, version, feed or time."""
    desk = open_for(assignments)
    found = records(desk, strategy=strategy, source=source, version=version, since=since, until=until)
    if as_json:
        emit({"ok": True, "runs": found}, as_json=True)
    else:
        emit_rows("backtests", [_in_short(record) for record in found])


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


def _in_short(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: record[name] for name in SHORT},
        "universe": universe_of(record["family"]),
        "fills": record["trades"],
        "sharpe": with_error(record["sharpe"], record["sharpe_se"]),
        "cagr": told("cagr", record["cagr"]),
    }
