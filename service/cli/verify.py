"""``bells verify``: proofs that run on a scratch copy and change nothing of the desk."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import ConfigError, RefusedError
from service.cli.lookahead_tables import graph_of, lines_of_progress, show_lookahead
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


@app.command("lookahead")
def lookahead(
    perturbations: Annotated[
        int, typer.Option("--perturbations", metavar="N", help="Other futures computed in this process.")
    ] = 1000,
    cuts: Annotated[
        int, typer.Option("--cuts", metavar="N", help="Cuts through real materialisation in a scratch home.")
    ] = 50,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of instants and futures.")] = 8,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="Only this strategy; by default all.")
    ] = None,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Give the world other futures after many instants; nothing known by then may change by a bit."""
    from assets.lookahead.proof import Extent, attest, prove_graph

    for option, value, least in (("--perturbations", perturbations, 1), ("--cuts", cuts, 1)):
        if value < least:
            raise ConfigError(
                "nothing would be compared", field=option, value=value, constraint=f">= {least}"
            )
    desk = open_for(assignments, source, writes=True)
    begun = desk.clock.monotonic()
    extent = Extent(perturbations, cuts, seed, strategy)
    with lines_of_progress() as progress:
        verdict = prove_graph(desk, graph_of(desk), extent, progress=progress)
    payload: dict[str, Any] = {
        "ok": verdict.holds,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        "seed": seed,
        **verdict.numbers(),
        "places": [*verdict.proof.places, *verdict.cuts.places][:20],
        "attestation_id": attest(desk, verdict, extent),
        "seconds": round(desk.clock.monotonic() - begun, 1),
    }
    emit(payload, as_json=as_json)
    if not as_json:
        show_lookahead(payload)
    return 0 if verdict.holds else RefusedError.exit_code
