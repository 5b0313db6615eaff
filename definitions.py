"""The code location: one function composes it from the variable parts, and nothing else knows every layer."""

import os
import warnings
from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from assets.backtest.assets import backtest_assets
from assets.chain.assets import chain_assets
from assets.features.assets import feature_assets
from assets.lookahead.job import lookahead_job
from assets.market.assets import market_assets
from assets.optimization.assets import GROUP, experiment_assets
from assets.partitions import axis_start, months_from
from assets.regimes.assets import regime_assets
from assets.valuation.assets import valuation_assets
from assets.valuation.board import board_assets
from resources.clock import Clock
from resources.desk import Desk, open_desk
from resources.warehouse import WarehouseResource
from sensors.market_update import market_update
from sensors.valuation_refit import valuation_refit
from warehouse.tables import BOARD

OWNERS = {
    "market": ["team:data"],
    "chain": ["team:data"],
    "features": ["team:research"],
    "regimes": ["team:research"],
    "backtest": ["team:research"],
    "optimization": ["team:research"],
    "valuation": ["team:research"],
}
"""Who answers for each group."""


def build_definitions(
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    clock: Clock | None = None,
    desk: Desk | None = None,
) -> dg.Definitions:
    """Compose the code location.

    Parameters
    ----------
    environ
        Environment variables; ``EIGHTBELLS_HOME`` and ``EIGHTBELLS_SOURCE`` choose home and market source.
    overrides
        Settings by dotted path, as on the command line.
    clock
        Replaces the system clock.
    desk
        Replaces everything above: an already opened desk, as tests make it.
    """
    desk = desk or open_desk(os.environ if environ is None else environ, overrides=overrides, clock=clock)
    desk.home.prepare()
    first = axis_start(desk.market, desk.loaded)
    months = months_from(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # backfill_policy: the pinned release has it
        assets = [
            *market_assets(months),
            *chain_assets(months),
            *feature_assets(months),
            *regime_assets(months),
            *valuation_assets(),
            *board_assets(),
            *backtest_assets(),
            *experiment_assets(),
        ]
    searched = dg.AssetSelection.groups(GROUP)
    judged = dg.AssetSelection.assets(BOARD.asset_key)  # takes long: once a month
    main = dg.define_asset_job(
        "main",
        selection=dg.AssetSelection.all() - searched - judged,
        description="Bars and chain in, features, regimes, a backtest, valuation: everything in one process.",
    )
    optimize = dg.define_asset_job(
        "optimize",
        selection=searched,
        description="One experiment file: search parameters, then say how much of the best is luck.",
    )
    refit = dg.define_asset_job(
        "valuation",
        selection=dg.AssetSelection.groups("valuation"),
        description="Valuation models refitted to what the chain tells, and judged beside random walks.",
    )
    return dg.Definitions(
        assets=_with_policies(assets, desk),
        jobs=[main, optimize, refit, lookahead_job(assets)],
        schedules=[market_update(main, first), valuation_refit(refit)],
        executor=dg.in_process_executor,
        resources={
            "market": desk.market,
            "chain": desk.chain,
            "warehouse": WarehouseResource.around(desk.warehouse),
            "clock": desk.clock,
            "settings": desk.loaded,
            "home": desk.home,
            "logs": desk.logs,
        },
    )


def _with_policies(assets: list[dg.AssetsDefinition], desk: Desk) -> list[dg.AssetsDefinition]:
    """Give every asset its owners and its freshness policy, in one place."""
    limits = desk.loaded.settings.system.freshness
    hours = {
        ("market", "ohlcv_h4"): limits.h4_hours,
        ("market", "ohlcv_daily"): limits.daily_hours,
        ("market", "macro"): limits.macro_hours,
        ("chain", "metrics_daily"): limits.daily_hours,
        ("features", "h4"): limits.h4_hours,
        ("regimes", "h4"): limits.h4_hours,
    }

    def mapped(spec: dg.AssetSpec) -> dg.AssetSpec:
        late = hours.get(tuple(spec.key.path))
        policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=late)) if late else None
        return spec.replace_attributes(
            owners=OWNERS[spec.key.path[0]], freshness_policy=policy or spec.freshness_policy
        )

    return [asset.map_asset_specs(mapped) for asset in assets]


defs = build_definitions()
