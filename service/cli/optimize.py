"""``bells optimize``: run an experiment file, list what was searched, compare two searches."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ComponentNotFoundError, ConfigError
from service.cli.opening import open_for, overrides_of
from service.cli.optimize_tables import emit_compared, emit_experiment, emit_list
from service.cli.output import Json, Set, Source, emit, say
from service.cli.search_progress import SearchProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.desk import Desk

app = typer.Typer(help="Searches over parameters: run, list, compare.")

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Experiment file, such as configs/experiments/trend_sweep.yaml."),
]
Which = Annotated[
    str,
    typer.Argument(metavar="EXPERIMENT", help="Name (the newest run of it), id, or the beginning of an id."),
]
COMPARED = (
    "bps",
    "sharpe",
    "cagr",
    "max_drawdown",
    "win_rate",
    "turnover",
    "deflated_sharpe",
    "reality_check_p",
    "spa_p",
)
COMPARED_SEARCH = (
    "members",
    "trials",
    "pbo",
    "effective_trials",
    "walk_forward_sharpe",
    "cpcv_sharpe",
    "benchmark_sharpe",
    "benchmark_cagr",
    "seconds",
)
SAME = {
    "same_digest": "digest",
    "same_search": "search_hash",
    "same_data": "data_hash",
    "same_code": "code_version",
}


@app.command("run")
def run_one(
    file: File,
    threads: Annotated[
        int, typer.Option("--threads", min=1, max=256, help="Members run at once; changes no number.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what an interrupted run of the same search kept.")
    ] = False,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Search the parameters of a strategy, store every member, and say how much of the best is luck."""
    from service.cli.backtest import require_bars

    desk = open_experiment(file, assignments, source)
    from assets.optimization.files import shown_member
    from assets.optimization.search import experiment_of, run_experiment

    experiment_of(desk)
    require_bars(desk)
    with SearchProgress(sys.stderr) as progress:
        try:
            done = run_experiment(desk, threads=threads, resume=resume, progress=progress)
        except KeyboardInterrupt:
            say(f"finished blocks are kept: `bells optimize run {file} --resume` goes on from them")
            raise
    payload = {**done.row, "folder": str(done.folder)}
    if as_json:
        emit(payload, as_json=True)
        return
    emit_experiment(payload, [shown_member(member, done.evidence) for member in done.top])
    if payload["simulated"]:
        say("these are results on SIMULATED data")


@app.command("list")
def list_all(assignments: Set = None, as_json: Json = False) -> None:
    """List the finished searches, newest first, and what interrupted ones kept."""
    from assets.optimization.rows import shown_experiment

    desk = open_for(assignments)
    finished = [shown_experiment(row) for row in desk.warehouse.query("experiments").iter_rows(named=True)]
    kept = desk.warehouse.query("unfinished_experiments").to_dicts()
    if as_json:
        emit({"ok": True, "experiments": finished, "unfinished": kept}, as_json=True)
    else:
        emit_list(finished, kept)


@app.command()
def compare(first: Which, second: Which, assignments: Set = None, as_json: Json = False) -> None:
    """Put two searches side by side: their best members, what is luck in them, and what differs."""
    desk = open_for(assignments)
    a, b = experiment_record(desk, first), experiment_record(desk, second)
    numbers = {name: _beside(a["best"][name], b["best"][name]) for name in COMPARED}
    numbers |= {name: _beside(a[name], b[name]) for name in COMPARED_SEARCH}
    names = sorted({*a["best"]["params"], *b["best"]["params"]})
    identity = ("experiment_id", "experiment", "method", "strategy", "source", "start", "end", "verdict")
    payload: dict[str, Any] = {
        "a": {name: a[name] for name in identity},
        "b": {name: b[name] for name in identity},
        **{name: a[field] == b[field] for name, field in SAME.items()},
        "params": {n: {"a": a["best"]["params"].get(n), "b": b["best"]["params"].get(n)} for n in names},
        "numbers": numbers,
    }
    if as_json:
        emit(payload, as_json=True)
    else:
        emit_compared(payload, tuple(SAME))


def open_experiment(file: Path, assignments: Sequence[str] | None, source: str | None) -> Desk:
    """Open the desk with an experiment file over the base settings.

    Raises
    ------
    ConfigError
        When the file or a setting is wrong; nothing is created on disk then.
    """
    from resources.desk import open_desk

    desk = open_desk(os.environ, overrides=overrides_of(assignments, source), experiment=file.absolute())
    desk.home.prepare()
    return desk


def experiment_record(desk: Desk, which: str) -> dict[str, Any]:
    """Return one stored search as ``run`` prints it.

    Parameters
    ----------
    desk
        Where to look.
    which
        A name (then its newest run), an id, or the beginning of exactly one.

    Raises
    ------
    ComponentNotFoundError
        When there is no such search.
    ConfigError
        When several begin like this.
    """
    from assets.optimization.rows import shown_experiment

    rows = list(desk.warehouse.query("experiments").iter_rows(named=True))
    named = [row for row in rows if which in {row["name"], row["experiment_id"]}][:1]
    begun = [row for row in rows if which and row["experiment_id"].startswith(which)]
    chosen = named or begun
    if not chosen:
        raise ComponentNotFoundError(
            "there is no such experiment",
            field="EXPERIMENT",
            value=which,
            constraint="the name or id of a finished search",
            fix="`bells optimize list` shows all",
        )
    if len(chosen) > 1:
        raise ConfigError(
            f"{len(chosen)} experiments begin like this",
            field="EXPERIMENT",
            value=which,
            constraint="the beginning of exactly one id",
            fix="write more of it: " + ", ".join(row["experiment_id"] for row in chosen[:4]),
        )
    return shown_experiment(chosen[0])


def _beside(a: float | None, b: float | None) -> dict[str, float | None]:
    return {"a": a, "b": b, "difference": None if a is None or b is None else b - a}
