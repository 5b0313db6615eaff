"""``bells optimize``: run an experiment file, list what was searched, compare two searches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.opening import overrides_of
from service.cli.output import Json, Set, Source, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.desk import Desk

app = typer.Typer(help="Searches over parameters: run, list, compare.")

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Experiment file, such as configs/experiments/x.yaml.")
]


@app.command("run")
def run_one(
    file: File,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Members run at once.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from an interrupted run.")] = False,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Search the parameters of a strategy, store every member, and say how much of the best is luck."""
    desk = open_experiment(file, assignments, source)
    from assets.optimization import run_experiment

    done = run_experiment(desk, threads=threads, resume=resume)
    emit({**done.row, "folder": str(done.folder)}, as_json=as_json)


def open_experiment(file: Path, assignments: Sequence[str] | None, source: str | None) -> Desk:
    """Open the desk with an experiment file over the base settings."""
    from resources.desk import open_desk

    desk = open_desk(os.environ, overrides=overrides_of(assignments, source), experiment=file.absolute())
    desk.home.prepare()
    return desk
