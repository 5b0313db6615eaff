"""The ``bells`` command: its groups, and the one place where a failure becomes a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from pipeline.errors import BellsError, ConfigError
from service.cli import (
    attribution,
    backtest,
    data,
    doctor,
    experiment,
    holdout,
    lifecycle,
    models,
    models_board,
    optimize,
    regimes,
    run,
    serve,
    snapshot,
    strategies,
    verify,
)
from service.cli.failures import disk_said, refused_by_disk
from service.cli.output import explain, to_json

INTERRUPTED = 130
UNHANDLED = 255

app = typer.Typer(
    name="bells",
    help="Eight Bells: a quant desk on Dagster that strikes every four hours.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.command("snapshot")(snapshot.snapshot)
backtest.app.command("attribution")(attribution.attribution)
models.app.command("board")(models_board.board)
for step in (lifecycle.promote, lifecycle.demote, lifecycle.gates, lifecycle.history):
    strategies.app.command(step.__name__)(step)
optimize.app.add_typer(holdout.app, name="holdout")
app.add_typer(data.app, name="data")
app.add_typer(backtest.app, name="backtest")
app.add_typer(optimize.app, name="optimize")
app.add_typer(strategies.app, name="strategies")
app.add_typer(regimes.app, name="regimes")
app.add_typer(models.app, name="models")
app.add_typer(experiment.app, name="experiment")
app.add_typer(verify.app, name="verify")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"bells {version('eightbells')}\n")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Eight Bells: a quant desk on Dagster that strikes every four hours."""


def main(arguments: list[str] | None = None) -> None:
    """Run ``bells`` and leave the process with DESIGN's exit codes."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it may be ignored
        signal.signal(signal.SIGINT, _interrupt)
    sys.exit(invoke(sys.argv[1:] if arguments is None else arguments))


def invoke(arguments: list[str]) -> int:
    """Run one command line and return its exit code; a person never sees a traceback."""
    as_json = "--json" in arguments
    try:
        _require_text(arguments)
        answer = app(args=arguments or ["--help"], prog_name="bells", standalone_mode=False)
    except BellsError as failure:
        return _fail(failure, as_json=as_json)
    except TyperException as usage:
        return _fail(_usage(usage), as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        answer = INTERRUPTED
    except SystemExit:  # typer leaves so only when the reader of our output has gone away
        return 0
    except GeneratorExit:
        raise
    except BaseException as bug:  # noqa: BLE001 - the last door; polars' PanicException is no Exception
        if not _interrupts:
            return _unhandled(bug, as_json=as_json)
        answer = INTERRUPTED  # a library that was being imported has made something else of it
    if answer == INTERRUPTED:
        _tell_interrupted(as_json=as_json)
    return answer if isinstance(answer, int) else 0


def _tell_interrupted(*, as_json: bool) -> None:
    what = "interrupted; what was committed stays"
    if as_json:
        answer = {"ok": False, "error": "Interrupted", "what": what, "exit_code": INTERRUPTED}
        sys.stdout.write(to_json(answer) + "\n")
    sys.stderr.write(f"bells: {what}\n")


_interrupts: list[int] = []
"""Signals that asked this process to stop."""


def _interrupt(number: int, _frame: object) -> None:
    _interrupts.append(number)
    raise KeyboardInterrupt


def _usage(usage: TyperException) -> ConfigError:
    """Return a mistake on the command line as one of ours, so that it leaves with 1 and says what to do."""
    context = getattr(usage, "ctx", None)
    command = context.command_path if context is not None else "bells"
    parameter = getattr(usage, "param", None)
    name = getattr(usage, "option_name", None) or (parameter.opts[0] if parameter is not None else None)
    return ConfigError(
        usage.format_message().rstrip("."),
        field=name or command,
        constraint=f"a command line that {command} takes",
        fix=f"`{command} --help` shows what it takes",
    )


def _require_text(arguments: list[str]) -> None:
    """Refuse bytes that are no text: Python hands them over as half characters, which nothing can store."""
    for argument in arguments:
        if not argument.isascii() and argument.encode("utf-8", "replace").decode() != argument:
            raise ConfigError(
                "an argument is not text",
                field="command line",
                value=argument,
                constraint="UTF-8",
                fix="write it in UTF-8, or set the terminal to UTF-8",
            )


def _fail(failure: BellsError, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(to_json({"ok": False, **failure.to_dict()}) + "\n")
    explain(failure)
    return failure.exit_code


def _unhandled(bug: BaseException, *, as_json: bool) -> int:
    said = disk_said(bug)
    if said is not None:
        return _fail(refused_by_disk(said), as_json=as_json)
    path = _crash_log(bug)
    failure = BellsError(
        f"unexpected {type(bug).__name__}: {bug}",
        field=str(path),
        fix="this is a fault of ours: report that file",
    )
    _fail(failure, as_json=as_json)
    return UNHANDLED


def _crash_log(bug: BaseException) -> Path:
    """Append the traceback to ``crash.log`` of the home, or of the temporary folder where that cannot be."""
    from resources.home import Home

    text = "".join(traceback.format_exception(bug)) + "\n"
    try:
        path = Home.from_environ(os.environ).logs / "crash.log"
        _append(path, text)
    except (BellsError, OSError):
        path = Path(tempfile.gettempdir()) / "eightbells-crash.log"
        _append(path, text)
    return path


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
