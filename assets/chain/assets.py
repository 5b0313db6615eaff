"""The chain by block and by day: fetched, derived, stored by version, checked before use."""

from collections.abc import Callable

import dagster as dg

from assets.chain.ingest import update_blocks, update_days
from assets.chain.report import blocks_result, days_result
from assets.checks import BLOCK_CHECKS, CHAIN_CHECKS, specs
from assets.describe import table_metadata
from assets.manifests import manifest_for
from assets.partitions import Months, window_of
from assets.retries import POLICY, retried_when_passing
from pipeline.config.load import Loaded
from resources.chain.port import ChainSource
from resources.clock import Clock
from resources.market.port import MarketSource
from warehouse.store import Warehouse
from warehouse.table import Table
from warehouse.tables import BLOCKS, METRICS_DAILY, OHLCV_DAILY


def chain_assets(months: Months) -> list[dg.AssetsDefinition]:
    """Return the chain assets over these months."""

    def asset(
        table: Table, after: tuple[Table, ...], checks: tuple[str, ...]
    ) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
        return dg.asset(
            key=table.asset_key,
            deps=[other.asset_key for other in after],
            group_name="chain",
            kinds={"polars", "duckdb"},
            metadata=table_metadata(table),
            partitions_def=months,
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=POLICY,
            code_version="1",
            check_specs=specs(table.asset_key, checks),
        )

    @asset(BLOCKS, (), BLOCK_CHECKS)
    @retried_when_passing
    def blocks(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        chain: dg.ResourceParam[ChainSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """Blocks by hash, of a source that tells them: a node, or files of raw blocks.

        A block that lost a race is never deleted: its newest version says stale.
        """
        window, now = window_of(context, market, settings, chain.history.start), clock.now()
        manifest = manifest_for(BLOCKS, settings, now, context=context)
        done = update_blocks(chain, warehouse=warehouse, now=now, manifest=manifest)
        return blocks_result(context, done, window, chain=chain, warehouse=warehouse)

    @asset(METRICS_DAILY, (BLOCKS, OHLCV_DAILY), CHAIN_CHECKS)
    @retried_when_passing
    def metrics_daily(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        chain: dg.ResourceParam[ChainSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """The chain by UTC day: height, supply, issuance, fees, thermocap, stock-to-flow, caps, hash rate.

        The price is that at the end of the day.  Every figure is made of its day and earlier ones; a revised
        history adds versions and changes none.
        """
        window, now = window_of(context, market, settings, chain.history.start), clock.now()
        manifest = manifest_for(METRICS_DAILY, settings, now, context=context)
        symbol = settings.settings.chain.price_symbol
        done = update_days(
            chain, window[1], market=market, symbol=symbol, warehouse=warehouse, now=now, manifest=manifest
        )
        return days_result(context, done, window, chain=chain, warehouse=warehouse, now=now)

    return [blocks, metrics_daily]
