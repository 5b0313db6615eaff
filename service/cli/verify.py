"""``bells verify``: proofs that run on a scratch copy and change nothing of the desk."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import ConfigError, RefusedError
from service.cli.opening import open_for
from service.cli.output import Json, Set, Source, emit, emit_rows

app = typer.Typer(help="Prove what the desk promises, on scratch data.")


@app.callback()
def _group() -> None:
    """Prove what the desk promises, on scratch data."""


@app.command("as-of")
def as_of(
    cuts: Annotated[int, typer.Option("--cuts", metavar="N", help="Instants to read at.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of deliveries and instants.")] = 8,
    rows: Annotated[
        int, typer.Option("--rows", metavar="N", help="Newest rows of each table that are replayed.")
    ] = 10_000,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Replay late, provisional, revised and torn deliveries; compare as_of with the truth on both clocks."""
    from service.as_of_proof import compare, honest_rows, replay

    for option, value in (("--cuts", cuts), ("--rows", rows)):
        if value < 1:
            raise ConfigError("nothing would be compared", field=option, value=value, constraint=">= 1")
    desk = open_for(assignments, source)
    begun = desk.clock.monotonic()
    frames = honest_rows(desk.market, desk.clock.now(), rows)
    with tempfile.TemporaryDirectory(prefix="eightbells-as-of-") as folder:
        proof = compare(replay(frames, Path(folder), cuts=cuts, seed=seed))
    payload: dict[str, Any] = {
        "ok": proof.differences == 0,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        "seed": seed,
        "rows": {name: frame.height for name, frame in frames.items()},
        **asdict(proof),
        "seconds": desk.clock.monotonic() - begun,
    }
    emit(payload, as_json=as_json)
    if not as_json and proof.places:
        emit_rows("cells that are not what they were", proof.places)
    return RefusedError.exit_code if proof.differences else 0
