"""``bells optimize holdout``: days that no search sees, opened once for one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, Source, emit, emit_rows, say

if TYPE_CHECKING:
    from datetime import datetime

app = typer.Typer(help="Days that no search sees: declare them, open them once.")

Family = Annotated[
    str,
    typer.Argument(metavar="FAMILY", help="Strategy; the window holds for all its universes and for books."),
]
Operator = Annotated[str, typer.Option("--operator", metavar="NAME", help="Who.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
SHORT = ("strategy", "seq", "happened_at", "event", "window_start", "window_end", "operator", "run_id")


@app.command()
def declare(
    family: Family,
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="First instant, UTC.")],
    end: Annotated[str, typer.Option("--end", metavar="DATE", help="End, exclusive, UTC.")],
    operator: Operator,
    reason: Reason = "held out before the search",
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Hold a window out: runs and searches of the strategy that overlap it are refused until it is opened."""
    from assets.backtest.holdouts import declare as hold_out
    from assets.lifecycle.facts import subject_of
    from pipeline.lifecycle.holdouts import Window

    desk = open_for(assignments, source, writes=True)
    since, until = _instant("--start", start), _instant("--end", end)
    window = Window(subject_of(desk, family).name, since, until)
    if (window.start, window.end) != (since, until):
        whole = f"{window.start.isoformat()} to {window.end.isoformat()}"
        say(f"held out in whole cells of four hours: {whole}")
    emit({"ok": True, **hold_out(desk, window, operator, reason)}, as_json=as_json)


@app.command("open")
def open_window(
    family: Family,
    operator: Operator,
    reason: Reason,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Run the configured strategy on its hold-out window, once; the opening is logged before the run."""
    from assets.backtest import holdouts
    from assets.backtest.trials import run_trial
    from assets.lifecycle.facts import subject_of

    subject_of(desk := open_for(assignments, source, writes=True), family)
    planned = holdouts.planned_opening(desk, family)
    desk = open_for(
        assignments,
        source,
        writes=True,
        backtest__strategy=family,
        backtest__start=planned.start,
        backtest__end=planned.end,
    )
    config_hash = desk.loaded.config_hash
    window = holdouts.begin_opening(desk, family, operator, reason, config_hash)
    trial = run_trial(desk, kind="verify")
    holdouts.end_opening(desk, window, operator, reason, config_hash, trial.run_id)
    emit({"ok": True, **trial.row, "folder": str(trial.folder)}, as_json=as_json)
    if trial.row["simulated"]:
        say("these are results on SIMULATED data")


@app.command("list")
def list_all(source: Source = None, assignments: Set = None, as_json: Json = False) -> None:
    """List what happened to every hold-out window."""
    from assets.backtest.holdouts import holdouts

    desk = open_for(assignments, source)
    rows = holdouts(desk)
    if as_json:
        emit({"simulated": desk.market.simulated, "holdouts": rows}, as_json=True)
    else:
        emit_rows("hold-out windows", [{key: row[key] for key in SHORT} for row in rows])


def _instant(option: str, text: str) -> datetime:
    found = instant(option, text)
    if found is None:
        raise ConfigError("a date is needed", field=option, constraint="a date or an instant")
    return found
