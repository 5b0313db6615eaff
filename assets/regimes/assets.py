"""Regimes at every decision and their changes, computed from all history, stored by month."""

from collections.abc import Callable

import dagster as dg

from assets.checks import REGIME_CHECKS, TRANSITION_CHECKS, specs
from assets.describe import table_metadata
from assets.manifests import manifest_for
from assets.partitions import Months, window_of
from assets.regimes.report import labels_result, transitions_result
from assets.regimes.rows import read_regime_inputs
from assets.regimes.tables import (
    changes_of,
    label_rows,
    log_changes,
    of_window,
    stored_transitions,
    transition_rows,
    with_withdrawn,
)
from assets.retries import POLICY, retried_when_passing
from pipeline.config.load import Loaded
from resources.clock import Clock
from resources.logs import Logs
from resources.market.port import MarketSource
from warehouse.store import Warehouse
from warehouse.table import Table
from warehouse.tables import MACRO, OHLCV_DAILY, REGIMES_H4, TRANSITIONS


def regime_assets(months: Months) -> list[dg.AssetsDefinition]:
    """Return the regime assets over these months."""

    def asset(
        table: Table, after: tuple[Table, ...], checks: tuple[str, ...]
    ) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
        return dg.asset(
            key=table.asset_key,
            group_name="regimes",
            kinds={"numpy", "duckdb"},
            metadata=table_metadata(table),
            partitions_def=months,
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=POLICY,
            code_version="1",
            deps=[
                dg.AssetDep(other.asset_key, partition_mapping=dg.TimeWindowPartitionMapping())
                for other in after
            ],
            check_specs=specs(table.asset_key, checks),
        )

    @asset(REGIMES_H4, (OHLCV_DAILY, MACRO), REGIME_CHECKS)
    @retried_when_passing
    def h4(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """The four regimes in force at every H4 decision, with the numbers that their rules compared.

        Labels change only after enough new observations in a row, and fall back where an input has missed
        three expected values.
        """
        window, now = window_of(context, market, settings), clock.now()
        until = min(window[1], market.history.until(now))
        read = read_regime_inputs(until, feed=market.feed, warehouse=warehouse, settings=settings.settings)
        classified = read.at(read.axis(until))
        rows = of_window(label_rows(classified, read.rules, market), window)
        manifest = manifest_for(REGIMES_H4, settings, now, context=context, inputs=read.inputs)
        done = warehouse.append(REGIMES_H4, rows, manifest=manifest)
        return labels_result(
            context, rows, done, classified, read, market=market, warehouse=warehouse, until=until
        )

    @asset(TRANSITIONS, (REGIMES_H4,), TRANSITION_CHECKS)
    @retried_when_passing
    def transitions(
        context: dg.AssetExecutionContext,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
        logs: dg.ResourceParam[Logs],
    ) -> dg.MaterializeResult:
        """Every change of a regime: from which label to which, when, why, and the numbers that caused it.

        A change that later-known history takes back is kept and marked as withdrawn.
        """
        window, now = window_of(context, market, settings), clock.now()
        until = min(window[1], market.history.until(now))
        read = read_regime_inputs(until, feed=market.feed, warehouse=warehouse, settings=settings.settings)
        changes = changes_of(read.at(read.axis(until)))
        rows = of_window(transition_rows(changes, read.rules, market), window)
        stored = stored_transitions(warehouse, market.feed, read.rules, window)
        manifest = manifest_for(TRANSITIONS, settings, now, context=context, inputs=read.inputs)
        done = warehouse.append(TRANSITIONS, with_withdrawn(rows, stored), manifest=manifest)
        log_changes(logs, rows.join(stored, on=TRANSITIONS.key, how="anti"))
        return transitions_result(context, rows, done, changes, market=market, warehouse=warehouse)

    return [h4, transitions]
