"""A search over parameters as a Dagster run: which experiment file is run is the run's configuration."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.backtest.assets import DEPS
from assets.describe import table_metadata
from assets.optimization.report import better_than_luck, results
from assets.optimization.search import run_experiment
from pipeline.config.load import Loaded, with_experiment
from resources.clock import Clock
from resources.desk import Desk
from resources.home import Home
from resources.logs import Logs
from resources.market.port import MarketSource
from warehouse.store import Warehouse
from warehouse.table import Table
from warehouse.tables import EXPERIMENTS, FOLDS, RESULTS

GROUP = "optimization"
"""Group of these assets; the job ``main`` leaves it out, for nobody searches every four hours."""


class SearchConfig(dg.Config):
    """What a run of the job ``optimize`` is told."""

    experiment: str = Field(
        "configs/experiments/trend_sweep.yaml", description="Experiment file, from the project root"
    )
    threads: int = Field(1, ge=1, le=256, description="Members run at once; changes no number")
    resume: bool = Field(default=False, description="Go on from what an interrupted run of it kept")


def _spec(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.asset_key,
        deps=DEPS,
        description=description,
        group_name=GROUP,
        kinds={"numba", "duckdb"},
        metadata=table_metadata(table),
        code_version="1",
    )


def experiment_assets() -> list[dg.AssetsDefinition]:
    """Return the assets that a search makes."""

    @dg.multi_asset(
        name="search",
        specs=[
            _spec(EXPERIMENTS, "One row a search: what is best, and how much of it is luck of N trials."),
            _spec(RESULTS, "Every parameter set of every search: numbers, rank, its row in the ledger."),
            _spec(FOLDS, "What each walk-forward window and cross-validation split chose, and how it did."),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "better_than_luck",
                asset=dg.AssetKey(list(EXPERIMENTS.asset_key)),
                description="The best member is better than the best of N trials without skill; else warns.",
            )
        ],
    )
    def optimize(
        context: dg.AssetExecutionContext,
        config: SearchConfig,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
        home: dg.ResourceParam[Home],
        logs: dg.ResourceParam[Logs],
    ) -> Iterator[dg.MaterializeResult]:
        """Run the named experiment file over the settings of this code location."""
        desk = Desk(settings, home, clock, warehouse, market, logs)
        desk = dataclasses.replace(desk, loaded=with_experiment(settings, Path(config.experiment)))
        done = run_experiment(
            desk, threads=config.threads, resume=config.resume, dagster_run_id=context.run.run_id
        )
        yield from results(done, better_than_luck(done.row))

    return [optimize]
