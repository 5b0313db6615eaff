"""``bells snapshot``: a read-only copy of the warehouse for people."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated

import typer

from service.cli.opening import open_for
from service.cli.output import Json, Set, emit


def snapshot(
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", help="Where the copy goes; by default the snapshots beside the file."
        ),
    ] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Publish a read-only copy of the warehouse for notebooks and the DuckDB CLI."""
    from warehouse.retention import Retention

    desk = open_for(assignments)
    with desk.warehouse.read():  # without a warehouse nothing is made, not even the folder of the copy
        pass
    copy = desk.warehouse.snapshot(to.absolute() if to else None)
    keep = desk.loaded.settings.system.warehouse.retention.snapshots
    gone = desk.warehouse.prune(Retention(snapshots=keep)).snapshots
    payload = {
        "ok": True,
        "snapshot": copy,
        "bytes": copy.stat().st_size,
        "made_at": desk.clock.now(),
        "removed": [str(path) for path in gone],
    }
    emit(payload, as_json=as_json)
