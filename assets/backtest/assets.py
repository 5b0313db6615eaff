"""The backtest of the configured strategy: one run, its equity curve, and a row in the trial ledger."""

from collections.abc import Iterator

import dagster as dg

from assets.backtest.report import equity_result, run_result
from assets.backtest.trials import run_trial
from assets.checks import RUN_CHECKS, specs
from assets.describe import table_metadata
from pipeline.config.load import Loaded
from resources.clock import Clock
from resources.desk import Desk
from resources.home import Home
from resources.logs import Logs
from resources.market.port import MarketSource
from warehouse.store import Warehouse
from warehouse.table import Table
from warehouse.tables import EQUITY, FEATURES_H4, MACRO, OHLCV_DAILY, OHLCV_H4, REGIMES_H4, RUNS

DEPS = [table.asset_key for table in (OHLCV_H4, OHLCV_DAILY, MACRO, FEATURES_H4, REGIMES_H4)]
"""What a run reads, be it alone or a member of a search."""


def _spec(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.asset_key,
        deps=DEPS,
        description=description,
        group_name="backtest",
        kinds={"numba", "duckdb"},
        metadata=table_metadata(table),
        code_version="1",
    )


def backtest_assets() -> list[dg.AssetsDefinition]:
    """Return the backtest assets."""

    @dg.multi_asset(
        name="backtest",
        specs=[
            _spec(
                RUNS,
                "One row a run: window, headline numbers, hashes. Every run is also a ledger trial.",
            ),
            _spec(EQUITY, "NAV, drawdown, cash and gross exposure of every run after each H4 decision."),
        ],
        check_specs=specs(RUNS.asset_key, RUN_CHECKS),
    )
    def backtest(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
        home: dg.ResourceParam[Home],
        logs: dg.ResourceParam[Logs],
    ) -> Iterator[dg.MaterializeResult]:
        """Run the configured strategy on what the warehouse knows, through the one door to the kernel."""
        desk = Desk(settings, home, clock, warehouse, market, logs)
        trial = run_trial(desk, dagster_run_id=context.run.run_id)
        chosen = settings.settings
        yield run_result(trial, [chosen.strategies[name] for name in chosen.strategies_run])
        yield equity_result(trial)

    return [backtest]
