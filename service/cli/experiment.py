"""``bells experiment``: write a new experiment file, commented, with everything that its method reads."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ComponentNotFoundError, ConfigError
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, say

if TYPE_CHECKING:
    from pipeline.config.experiment import Method

app = typer.Typer(help="Experiment files: write a new one.")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@app.callback()
def group() -> None:
    """Experiment files: write a new one."""


@app.command("new")
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Letters, digits, _ and -; names the file too.")
    ],
    strategy: Annotated[str, typer.Option("--strategy", metavar="NAME", help="Name in strategies.yaml.")],
    method: Annotated[
        str, typer.Option("--method", help="grid, random, evolutionary, hybrid, pareto or walk_forward.")
    ] = "grid",
    folder: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder; configs/experiments when left out.")
    ] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Write an experiment file that `bells optimize run` takes as it is; an existing file is left alone."""
    from pipeline.optimization.template import template
    from pipeline.strategies.registry import strategy as registered

    if not _NAME.fullmatch(name):
        raise ConfigError(
            "this is no name of an experiment",
            field="NAME",
            value=name,
            constraint="1 to 64 letters, digits, _ and -, beginning with a letter or digit",
            fix="write it like trend_sweep",
        )
    desk = open_for(assignments)
    described = desk.loaded.settings.strategies.get(strategy)
    if described is None:
        from pipeline.config.problems import did_you_mean

        known = list(desk.loaded.settings.strategies)
        raise ComponentNotFoundError(
            "no such strategy is configured",
            field="--strategy",
            value=strategy,
            constraint="one of " + ", ".join(known),
            fix=did_you_mean(strategy, known),
        )
    chosen = registered(strategy, described.universe, version=described.version)
    text = template(name, chosen, described.parameters, _method(method))
    path = (folder or desk.loaded.root / "configs" / "experiments") / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as there:
        raise ConfigError(
            "the experiment file exists",
            field="NAME",
            value=str(path),
            constraint="a new file",
            fix="choose another name, or edit that file",
        ) from there
    if as_json:
        emit({"ok": True, "file": str(path), "strategy": strategy, "method": method}, as_json=True)
    else:
        emit({"file": path, "strategy": strategy, "method": method}, as_json=False)
        say(f"edit it, then run `bells optimize run {path}`")


def _method(text: str) -> Method:
    from pipeline.config.experiment import NEEDS
    from pipeline.config.problems import did_you_mean

    for method in NEEDS:
        if method == text:
            return method
    raise ConfigError(
        "there is no such method",
        field="--method",
        value=text,
        constraint="one of " + ", ".join(NEEDS),
        fix=did_you_mean(text, list(NEEDS)),
    )
