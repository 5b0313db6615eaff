"""Cuts through real materialisation: the whole graph in a scratch home, as it was and with other futures.

Nothing of the desk is touched: its clock, source, warehouse and folders are replaced.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.lookahead.chain import serving
from assets.partitions import month_range
from pipeline.errors import RefusedError
from resources.clock import SimulatedClock
from resources.home import Home
from resources.warehouse import WarehouseResource
from warehouse.store import Warehouse
from warehouse.table import KNOWN_AT, Table
from warehouse.tables import EQUITY, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from assets.lookahead.sources import Sources
    from pipeline.lookahead.perturb import World
    from pipeline.lookahead.proof import Stretch
    from resources.desk import Desk

LENGTH = timedelta(days=300)
"""Of the stretches that are materialised: daily closes reach further back."""
TRIES = 6
"""So many futures of one cut, of each kind in turn, may be stopped by a check before the proof gives up."""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_CELL = timedelta(hours=4)

KNOWN_BY_CELL = frozenset({"/".join(EQUITY.asset_key)})
"""Assets about decisions, whose rows are known with the decision of cell ``ts``, not when stored."""


@dataclass
class Cuts:
    """What was seen.

    Parameters
    ----------
    cuts
        Instants at which two materialisations were compared.
    materialisations
        Runs of the graph.
    stopped
        Futures that a blocking check rightly refused; another one was taken.
    cells, changed
        By asset key.
    places
        The first cells that changed.
    """

    cuts: int = 0
    materialisations: int = 0
    stopped: int = 0
    cells: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    places: list[dict[str, Any]] = field(default_factory=list)


def cut_through(
    assets: Sequence[dg.AssetsDefinition],
    desk: Desk,
    sources: Sources,
    stretches: Sequence[Stretch],
    *,
    cuts: int,
    seed: int,
    folder: Path,
) -> Iterator[Cuts]:
    """Materialise the graph again and again, and yield what was seen after every cut.

    Parameters
    ----------
    assets
        The whole graph, as ``definitions.py`` composes it.
    desk
        Whose settings hold.
    sources, stretches
        Where the rows come from; the stretches take turns.
    cuts
        How many instants.
    seed
        Of instants and futures.
    folder
        Empty; every run gets a home below it.

    Raises
    ------
    RefusedError
        When checks stop one future after another.
    """
    from pipeline.lookahead.compare import compare
    from pipeline.lookahead.perturb import MILD, MODES, perturbed
    from pipeline.lookahead.proof import instant_of
    from pipeline.seeds import stream

    seen = Cuts()
    for place, stretch in enumerate(stretches):
        numbers = range(place, cuts, len(stretches))
        if not numbers:
            continue
        scratch = _Scratch(assets, desk, sources, stretch, folder, seen)
        before = scratch.materialised(stretch.world)
        for number in numbers:
            rng = stream(seed, "lookahead/cuts", number)
            turn = number // len(stretches)
            at = instant_of(stretch, turn // len(MODES), rng)
            for attempt in range(TRIES):
                mode = MODES[(turn + attempt) % len(MODES)]
                after = scratch.materialised(perturbed(stretch.world, at, mode, rng, MILD))
                if after.keys() >= before.keys():
                    break
                seen.stopped += 1
            else:
                raise _stopped(at, sorted(before.keys() - after.keys()))
            for name, rows in before.items():
                table = TABLES[name.replace("/", ".")]
                found = compare(rows, after[name], table.key, at)
                seen.cells[name] = seen.cells.get(name, 0) + found.cells
                seen.changed[name] = seen.changed.get(name, 0) + found.changed
                seen.places += [{"what": name, "mode": "cut", "at": at, **where} for where in found.places]
            seen.cuts += 1
            yield seen


def shortened_stretches(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the newest part of each stretch, as long as a materialisation may be."""
    from assets.lookahead.sources import shortened

    return [
        shortened(stretch, LENGTH) if stretch.last - stretch.first > LENGTH else stretch
        for stretch in stretches
    ]


def asset_keys(assets: Sequence[dg.AssetsDefinition]) -> list[str]:
    """Return the keys of all assets, ``schema/table``."""
    return sorted("/".join(key.path) for asset in assets for key in asset.keys)


def split_by_cuts(key: str) -> bool:
    """Say whether rows of an asset are compared in the cuts: its table says when each row was known."""
    table = TABLES.get(key.replace("/", "."))
    return table is not None and (table.known_at == "given" or key in KNOWN_BY_CELL)


@dataclass
class _Scratch:
    """Runs of one stretch."""

    assets: Sequence[dg.AssetsDefinition]
    desk: Desk
    sources: Sources
    stretch: Stretch
    folder: Path
    seen: Cuts

    def materialised(self, world: World) -> dict[str, pl.DataFrame]:
        """Return what the graph stores of a world, by asset key, of every asset that was made.

        A stretch may lack the bars of a strategy, and a blocking check may stop what follows it.
        """
        import shutil

        from pipeline.pictures import undrawn

        self.seen.materialisations += 1
        home = Home(self.folder / f"{self.seen.materialisations:05d}")
        desk = self._desk(world, home)
        home.prepare()
        with warnings.catch_warnings(), undrawn(), dg.DagsterInstance.ephemeral() as instance:
            warnings.filterwarnings("ignore", module="dagster")
            done = dg.materialize(
                self.assets,
                resources={
                    "market": desk.market,
                    "chain": desk.chain,
                    "warehouse": WarehouseResource.around(desk.warehouse),
                    "clock": desk.clock,
                    "settings": desk.loaded,
                    "home": desk.home,
                    "logs": desk.logs,
                },
                instance=instance,
                tags=month_range(self._last_month, self._last_month),
                run_config=_QUIET,
                raise_on_error=False,
            )
        keys = (event.asset_key for event in done.get_asset_materialization_events())
        made = {"/".join(key.path) for key in keys if key is not None}
        rows = self._stored(desk.warehouse, made)
        shutil.rmtree(home.path)
        return rows

    @property
    def _last_month(self) -> datetime:
        moment = self.stretch.last - timedelta(microseconds=1)
        return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def _desk(self, world: World, home: Home) -> Desk:
        """Return a desk for which the world is all there is, at the end of its stretch."""
        from resources.logs import Logs
        from resources.market.port import Window
        from resources.market.served import ServedSource

        clock = SimulatedClock(self.stretch.last)
        first = min(rows["ts"].sort().head(1).item() for rows in self.stretch.world.values() if rows.height)
        market = ServedSource(
            world,
            self.sources.listed,
            self.desk.market.feed,
            self.desk.market.simulated,
            history=Window(first, self.stretch.last),
            backtest=Window(self.stretch.first, self.stretch.last),
        )
        system = self.desk.loaded.settings.system
        # The first month brings all that is older, so that a run is one month of events and not twenty.
        axis = system.axis.model_copy(update={"first_month": self._last_month})
        run = system.backtest.model_copy(update={"start": None, "end": None})
        # A future may be one without bars, which the gap check would rightly stop.
        checks = system.checks.model_copy(update={"max_missing_share": 1.0})
        settings = self.desk.loaded.settings.model_copy(
            update={"system": system.model_copy(update={"axis": axis, "backtest": run, "checks": checks})}
        )
        warehouse = Warehouse(home.warehouse, now=clock.now, spool=home.spool)
        logs = Logs.from_settings(system.logging, home.logs, now=clock.now, environ={})
        loaded = replace(self.desk.loaded, settings=settings)
        return replace(
            serving(self.desk, world, market.history),
            loaded=loaded,
            home=home,
            clock=clock,
            warehouse=warehouse,
            market=market,
            logs=logs,
        )

    def _stored(self, warehouse: Warehouse, made: set[str]) -> dict[str, pl.DataFrame]:
        found = {}
        for key in sorted(made):
            if split_by_cuts(key):
                table = TABLES[key.replace("/", ".")]
                rows = warehouse.versions(table)
                found[key] = _by_cell(table, rows) if key in KNOWN_BY_CELL else rows
        return found


def _by_cell(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows about decisions without the name of their run, known with the decision of their cell."""
    import polars as pl

    known = rows.with_columns((pl.col("ts") + _CELL).alias(KNOWN_AT), pl.lit("one").alias("run_id"))
    return known.sort(*table.key)


def _stopped(at: datetime, lacking: list[str]) -> RefusedError:
    return RefusedError(
        f"one future after another of {at} was stopped before {', '.join(lacking)}",
        field="lookahead",
        value=TRIES,
        constraint="one that no blocking check stops",
        fix="run `bells run` on the same source: it says what is wrong",
    )
