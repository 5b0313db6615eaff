"""What a person sees of ``bells verify lookahead``: a bar while it works, tables when it is over."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from service.cli.output import emit_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import dagster as dg

    from resources.desk import Desk


def graph_of(desk: Desk) -> list[dg.AssetsDefinition]:
    """Return every asset of the code location around a desk."""
    import dagster

    with warnings.catch_warnings():
        # Dagster warns of parameters that may change in a later release; ours is pinned and tested.
        warnings.filterwarnings("ignore", module="dagster")
        from definitions import build_definitions

        assets = build_definitions(desk=desk).assets or []
    return [asset for asset in assets if isinstance(asset, dagster.AssetsDefinition)]


@contextmanager
def lines_of_progress() -> Generator[Callable[[str, int, int], None]]:
    """Show one bar on stderr for each part of the work; none where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield advance


def show_lookahead(payload: Mapping[str, Any]) -> None:
    """Print what was driven, what was not and why, and the first cells that changed."""
    emit_rows("driven", [{"what": name, **tally} for name, tally in payload["drivers"].items()])
    emit_rows("assets", [{"asset": name, "compared in": ways} for name, ways in payload["assets"].items()])
    emit_rows("left out", [{"what": name, "why": reason} for name, reason in payload["exempt"].items()])
    missed = [{"what": name, "why": "planted, and no future showed it"} for name in payload["missed"]]
    flagged = [{"what": name, "why": "honest, and flagged"} for name in payload["flagged"]]
    undriven = [{"what": name, "why": "neither driven nor listed"} for name in payload["undriven"]]
    if missed or flagged or undriven:
        emit_rows("the proof is not whole: more --perturbations show more", [*missed, *flagged, *undriven])
    if payload["places"]:
        emit_rows("cells that changed though they were known", payload["places"])
