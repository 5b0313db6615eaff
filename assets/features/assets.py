"""Features of every bar, computed by month with the look-back they need, known no earlier than their bars."""

import dagster as dg

from assets.checks import FEATURE_CHECKS, specs
from assets.describe import table_metadata
from assets.features.rows import feature_rows, features_result
from assets.manifests import manifest_for
from assets.partitions import Months, window_of
from assets.retries import POLICY, retried_when_passing
from pipeline.config.load import Loaded
from resources.clock import Clock
from resources.market.port import MarketSource
from warehouse.store import Warehouse
from warehouse.tables import FEATURES_H4, OHLCV_DAILY, OHLCV_H4


def feature_assets(months: Months) -> list[dg.AssetsDefinition]:
    """Return the feature assets over these months."""

    @dg.asset(
        key=FEATURES_H4.asset_key,
        group_name="features",
        kinds={"numba", "duckdb"},
        metadata=table_metadata(FEATURES_H4),
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=POLICY,
        code_version="1",
        deps=[
            dg.AssetDep(table.asset_key, partition_mapping=dg.TimeWindowPartitionMapping())
            for table in (OHLCV_H4, OHLCV_DAILY)
        ],
        check_specs=specs(FEATURES_H4.asset_key, FEATURE_CHECKS),
    )
    @retried_when_passing
    def h4(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """The standard features of every H4 bar: trend, momentum, volatility, and daily ones as known then.

        A row is known when its bar and everything that entered it were known.  Other periods are computed
        from parameters wherever they are needed; these are the ones that people, checks and the UI look at.
        """
        window, now = window_of(context, market, settings), clock.now()
        rows, inputs = feature_rows(
            window, market=market, warehouse=warehouse, now=now, instruments=settings.settings.instruments
        )
        manifest = manifest_for(FEATURES_H4, settings, now, context=context, inputs=inputs)
        done = warehouse.append(FEATURES_H4, rows, manifest=manifest)
        return features_result(context, rows, done, market=market, warehouse=warehouse)

    return [h4]
