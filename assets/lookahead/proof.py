"""The look-ahead proof of the whole graph on the configured source: run, judged, and left as attestations.

`prove_graph` is what ``bells verify lookahead`` and the Dagster job ``lookahead`` call.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.lookahead.cuts import Cuts, asset_keys, cut_through, shortened_stretches
from assets.lookahead.drivers import STRATEGY, Bench, drivers
from assets.lookahead.exempt import EXEMPT, UNCUT
from assets.lookahead.sisters import restated, start_dates
from assets.lookahead.sources import read_sources, stretches
from assets.manifests import code_version, manifest_for
from warehouse.manifest import new_id
from warehouse.tables import ATTESTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import dagster as dg
    import polars as pl

    from pipeline.lookahead.proof import Proof
    from resources.desk import Desk


@dataclass(frozen=True)
class Extent:
    """How much is proved.

    Parameters
    ----------
    perturbations
        Other futures in this process.
    cuts
        Cuts through real materialisation.
    seed
        Of instants and futures.
    strategy
        The only strategy that is computed; None: every one.
    """

    perturbations: int = 1000
    cuts: int = 50
    seed: int = 8
    strategy: str | None = None


@dataclass
class Verdict:
    """A proof that is over.

    Parameters
    ----------
    proof, cuts
        What was seen in this process, and in the cuts.
    driven
        By asset key, how it was compared: ``process``, ``cuts`` or both.
    exempt
        Assets and strategies that were not compared, with the reason.
    undriven
        Assets that were neither compared nor have a reason.
    sisters
        Figures of `assets.lookahead.sisters`.
    """

    proof: Proof
    cuts: Cuts
    driven: dict[str, list[str]]
    exempt: dict[str, str]
    undriven: list[str]
    sisters: dict[str, Any]

    @property
    def cells(self) -> int:
        """All cells compared."""
        return self.proof.cells + sum(self.cuts.cells.values())

    @property
    def changed(self) -> int:
        """All known cells that changed."""
        return self.proof.changed + sum(self.cuts.changed.values())

    @property
    def caught(self) -> int:
        """Planted leaks that were noticed."""
        return sum(times > 0 for times in self.proof.caught.values())

    @property
    def false_alarms(self) -> int:
        """Honest twins that were flagged."""
        return sum(times > 0 for times in self.proof.false_alarms.values())

    @property
    def holds(self) -> bool:
        """Whether nothing changed, everything planted was caught, nobody was flagged, and all is driven."""
        return not (
            self.changed
            or self.false_alarms
            or self.caught < len(self.proof.caught)
            or self.undriven
            or self.proof.undriven
            or self.sisters["start_changed"]
        )

    def numbers(self) -> dict[str, Any]:
        """Return the figures that commands print."""
        return {
            "perturbations": self.proof.perturbations,
            "cuts": self.cuts.cuts,
            "forming": self.proof.forming,
            "cells_compared": self.cells,
            "changed_cells": self.changed,
            "planted": len(self.proof.caught),
            "caught": self.caught,
            "missed": sorted(name for name, times in self.proof.caught.items() if not times),
            "false_alarms": self.false_alarms,
            "flagged": sorted(name for name, times in self.proof.false_alarms.items() if times),
            "planted_perturbations": self.proof.planted_perturbations,
            "materialisations": self.cuts.materialisations,
            "stopped_by_checks": self.cuts.stopped,
            "assets": self.driven,
            "exempt": self.exempt,
            "undriven": [*self.undriven, *self.proof.undriven],
            "drivers": {name: vars(tally) for name, tally in self.proof.drivers.items()},
            "by_mode": dict(self.proof.by_mode),
            **self.sisters,
        }


def prove_graph(
    desk: Desk,
    assets: Sequence[dg.AssetsDefinition],
    extent: Extent,
    *,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Verdict:
    """Prove that nothing of the graph looks ahead, on rows of the configured source.

    Parameters
    ----------
    desk
        Settings, source and clock; its warehouse is not touched.
    assets
        The whole graph.
    extent
        How much is proved.
    progress
        Told what is done, how many, and of how many.

    Raises
    ------
    ComponentNotFoundError
        When there is no such strategy.
    InsufficientDataError
        When the source has no H4 bars.
    """
    from pipeline.lookahead.proof import Proof, prove

    sources = read_sources(desk)
    bench = Bench(desk, sources, desk.clock.now(), extent.strategy)
    chosen = drivers(bench)
    spans = list(stretches(sources, bench.symbols()))
    proof = Proof()
    forming = extent.perturbations // 10
    for proof in prove(
        spans, chosen, bench.open, perturbations=extent.perturbations, seed=extent.seed, forming=forming
    ):
        progress("futures", proof.perturbations + proof.forming, extent.perturbations + forming)
    cuts = Cuts()
    with tempfile.TemporaryDirectory(prefix="eightbells-lookahead-") as folder:
        for cuts in cut_through(
            [asset for asset in assets if not set(asset_keys([asset])) <= UNCUT],
            desk,
            sources,
            shortened_stretches(spans),
            cuts=extent.cuts,
            seed=extent.seed,
            folder=Path(folder),
        ):
            progress("cuts", cuts.cuts, extent.cuts)
    sisters = start_dates(bench, spans, starts=max(1, extent.perturbations // 50), seed=extent.seed)
    return _judged(assets, bench, proof, cuts, sisters | restated(bench))


def _judged(
    assets: Sequence[dg.AssetsDefinition], bench: Bench, proof: Proof, cuts: Cuts, sisters: dict[str, Any]
) -> Verdict:
    driven: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    keys = asset_keys(assets)
    for key in keys:
        ways = ["process"] if any(name.split(" ")[0] == key for name in proof.drivers) else []
        ways += ["cuts"] if cuts.cells.get(key) else []
        if ways:
            driven[key] = ways
        elif key in cuts.cells or _without_rows(bench, key):
            reasons[key] = "the source has no rows of it"
        elif key in EXEMPT:
            reasons[key] = EXEMPT[key]
    undriven = [key for key in keys if key not in driven and key not in reasons]
    return Verdict(proof, cuts, driven, reasons | bench.left_out(), undriven, sisters)


def _without_rows(bench: Bench, key: str) -> bool:
    """Say whether an asset is one of source rows of which the source has none."""
    rows = bench.sources.rows.get(key.replace("/", "."))
    return rows is not None and rows.is_empty()


def attest(desk: Desk, verdict: Verdict, extent: Extent) -> str:
    """Store one attestation for each asset and strategy that was compared; return the id of the proof.

    One of a strategy names the universe and the parameters that it was computed with: a leak that another
    value switches on was never met.
    """
    started = desk.clock.now()
    name = new_id(started)
    rows = _attestations(desk, verdict, extent, name)
    desk.warehouse.append(ATTESTATIONS, rows, manifest=manifest_for(ATTESTATIONS, desk.loaded, started))
    return name


def _attestations(desk: Desk, verdict: Verdict, extent: Extent, attestation_id: str) -> pl.DataFrame:
    import polars as pl

    from assets.lifecycle.facts import subject_of
    from warehouse.frames import schema

    common = {
        "attestation_id": attestation_id,
        "code_version": code_version(),
        "config_hash": desk.loaded.config_hash,
        "feed": desk.market.feed,
        "simulated": desk.market.simulated,
        "modes": ",".join(verdict.proof.by_mode),
        "planted": len(verdict.proof.caught),
        "caught": verdict.caught,
        "false_alarms": verdict.false_alarms,
        "seed": extent.seed,
    }
    rows = []
    for key in verdict.driven:
        own = [tally for name, tally in verdict.proof.drivers.items() if name.split(" ")[0] == key]
        rows.append(
            {
                "what": "asset",
                "name": key,
                "version": None,
                "identity": None,
                "params_json": None,
                "perturbations": max((tally.perturbations for tally in own), default=0),
                "cuts": verdict.cuts.cuts if key in verdict.cuts.cells else 0,
                "cells": sum(tally.cells for tally in own) + verdict.cuts.cells.get(key, 0),
                "changed": sum(tally.changed for tally in own) + verdict.cuts.changed.get(key, 0),
            }
        )
    for name, tally in verdict.proof.drivers.items():
        if name.startswith(STRATEGY):
            strategy = name.removeprefix(STRATEGY)
            alone = strategy in desk.loaded.settings.strategies
            subject = subject_of(desk, strategy) if alone else None
            rows.append(
                {
                    "what": "book" if subject is None else "strategy",
                    "name": strategy,
                    "version": None if subject is None else subject.version,
                    "identity": None if subject is None else subject.identity,
                    "params_json": None if subject is None else subject.params.model_dump_json(),
                    "code_version": code_version() if subject is None else subject.code,
                    "perturbations": tally.perturbations,
                    "cuts": 0,
                    "cells": tally.cells,
                    "changed": tally.changed,
                }
            )
    declared = schema(ATTESTATIONS, ATTESTATIONS.names)
    return pl.DataFrame([common | row for row in rows], schema=declared)
