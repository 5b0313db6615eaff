"""The ``bells`` command: its groups, and the one place where a failure becomes a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

import typer
from typer._click.exceptions import Abort, ClickException

from pipeline.errors import BellsError, ConfigError
from service.cli import backtest, data, doctor, run, snapshot
from service.cli.output import to_json

INTERRUPTED = 130
UNHANDLED = 255

app = typer.Typer(
    name="bells",
    help="Eight Bells: a quant desk on Dagster that strikes every four hours.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("run")(run.run)
app.command("doctor")(doctor.doctor)
app.command("snapshot")(snapshot.snapshot)
app.add_typer(data.app, name="data")
app.add_typer(backtest.app, name="backtest")


def main(arguments: list[str] | None = None) -> None:
    """Run ``bells`` and leave the process with DESIGN's exit codes."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(invoke(given))


def invoke(arguments: list[str]) -> int:
    """Run one command line and return its exit code; a person never sees a traceback."""
    as_json = "--json" in arguments
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        answer = app(args=arguments, prog_name="bells", standalone_mode=False)
    except BellsError as failure:
        return _fail(failure, as_json=as_json)
    except ClickException as usage:
        return _fail(ConfigError(usage.format_message(), fix="see bells --help"), as_json=as_json)
    except (Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted; what was committed stays\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as bug:  # noqa: BLE001 - the last door: reported in full, with its own exit code
        return _unhandled(bug, as_json=as_json)
    return answer if isinstance(answer, int) else 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _fail(failure: BellsError, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(to_json(failure.to_dict()) + "\n")
    sys.stderr.write(f"bells: {failure.what}\n")
    for name in ("field", "value", "constraint", "fix"):
        text = failure.to_dict()[name]
        if text is not None:
            sys.stderr.write(f"  {name + ':':<12}{text}\n")
    return failure.exit_code


def _unhandled(bug: Exception, *, as_json: bool) -> int:
    from resources.home import Home

    folder = Home.from_environ(os.environ).logs
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(folder, "crash.log")
    path.write_text("".join(traceback.format_exception(bug)), encoding="utf-8")
    failure = BellsError(
        f"unexpected {type(bug).__name__}: {bug}", field=str(path), fix="this is a fault of ours: report that file"
    )
    _fail(failure, as_json=as_json)
    return UNHANDLED


if __name__ == "__main__":
    main()
