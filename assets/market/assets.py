"""Market history: bars and macro observations, fetched by month, stored by version, checked before use."""

from collections.abc import Callable

import dagster as dg

from assets.checks import ACTION_CHECKS, BAR_CHECKS, MACRO_CHECKS, specs
from assets.describe import table_metadata
from assets.manifests import manifest_for
from assets.market.actions import actions_result, update_actions
from assets.market.ingest import update_bars, update_macro, update_truth
from assets.market.report import bars_result, macro_result, truth_result
from assets.partitions import Months, window_of
from assets.retries import POLICY, retried_when_passing
from pipeline.config.load import Loaded
from resources.clock import Clock
from resources.market.imputing import Imputing
from resources.market.port import MarketSource
from warehouse.store import Warehouse
from warehouse.table import Table
from warehouse.tables import CORPORATE_ACTIONS, MACRO, OHLCV_DAILY, OHLCV_H4, TRUTH


def _history(
    table: Table, checks: tuple[str, ...], months: Months, after: tuple[Table, ...] = ()
) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
    """Return the decorator that all history assets of this module share; ``after``: what it is judged by."""
    asset = dg.asset(
        key=table.asset_key,
        deps=[other.asset_key for other in after],
        group_name="market",
        kinds={"polars", "duckdb"},
        metadata=table_metadata(table),
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=POLICY,
        code_version="1",
        check_specs=specs(table.asset_key, checks),
    )
    return lambda body: asset(retried_when_passing(body))


def market_assets(months: Months) -> list[dg.AssetsDefinition]:
    """Return the market assets over these months."""

    @_history(OHLCV_H4, BAR_CHECKS, months, after=(CORPORATE_ACTIONS,))
    def ohlcv_h4(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """Closed four-hour bars of every configured symbol, labelled by their cell on the UTC grid.

        Rows are versions of (feed, symbol, ts): fetching an equal bar again writes nothing, a corrected one
        is a new version known from now on.  Rows that break a rule go to ``market.quarantine``.
        """
        window, now = window_of(context, market, settings), clock.now()
        manifest = manifest_for(OHLCV_H4, settings, now, context=context)
        stale = settings.settings.system.checks.allow_stale
        done = update_bars(
            "h4",
            window,
            market=market,
            warehouse=warehouse,
            now=now,
            manifest=manifest,
            allow_stale=stale,
            imputing=Imputing.from_settings(settings.settings),
        )
        return bars_result(
            context, "h4", done, window, market=market, warehouse=warehouse, now=now, settings=settings
        )

    @_history(OHLCV_DAILY, BAR_CHECKS, months, after=(CORPORATE_ACTIONS,))
    def ohlcv_daily(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """Daily bars by session date (UTC day for crypto), known at the close plus the vendor's lag.

        The label is a date, not an instant: a decision reads a daily close by ``known_at`` only.
        """
        window, now = window_of(context, market, settings), clock.now()
        manifest = manifest_for(OHLCV_DAILY, settings, now, context=context)
        stale = settings.settings.system.checks.allow_stale
        done = update_bars(
            "daily",
            window,
            market=market,
            warehouse=warehouse,
            now=now,
            manifest=manifest,
            allow_stale=stale,
            imputing=Imputing.from_settings(settings.settings),
        )
        return bars_result(
            context, "daily", done, window, market=market, warehouse=warehouse, now=now, settings=settings
        )

    @_history(MACRO, MACRO_CHECKS, months)
    def macro(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """Macro observations by reference period, known at their release.

        Where a source holds only the latest revision, the rows say so and a backtest that reads them too.
        """
        window, now = window_of(context, market, settings), clock.now()
        manifest = manifest_for(MACRO, settings, now, context=context)
        stale = settings.settings.system.checks.allow_stale
        done = update_macro(
            window, market=market, warehouse=warehouse, now=now, manifest=manifest, allow_stale=stale
        )
        return macro_result(context, done, window, market=market, warehouse=warehouse, settings=settings)

    @_history(CORPORATE_ACTIONS, ACTION_CHECKS, months)
    def corporate_actions(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """Splits and dividends by ex-date, known when declared, else at the open of the ex-date's session.

        No rows where the source tells none.  With them raw prices are adjusted as known at any instant.
        """
        window, now = context.partition_time_window, clock.now()
        manifest = manifest_for(CORPORATE_ACTIONS, settings, now, context=context)
        stale = settings.settings.system.checks.allow_stale
        done = update_actions(
            window, market=market, warehouse=warehouse, now=now, manifest=manifest, allow_stale=stale
        )
        return actions_result(context, done, window, market=market, warehouse=warehouse)

    @_history(TRUTH, ("no_duplicates",), months)
    def truth(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """The regimes planted in the simulated world, for testing classifiers; no rows for a real source.

        Nothing that decides may read it.
        """
        window, now = window_of(context, market, settings), clock.now()
        manifest = manifest_for(TRUTH, settings, now, context=context)
        done = update_truth(window, market=market, warehouse=warehouse, now=now, manifest=manifest)
        return truth_result(context, done, window, market=market, warehouse=warehouse)

    return [ohlcv_h4, ohlcv_daily, macro, corporate_actions, truth]
