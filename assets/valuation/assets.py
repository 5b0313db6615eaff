"""Valuation: fits, forecasts and their errors for every model, walked forward over what the chain tells."""

from collections.abc import Iterator

import dagster as dg

from assets.checks import FIT_CHECKS, FORECAST_CHECKS, MODEL_ERROR_CHECKS, specs
from assets.describe import table_metadata
from assets.manifests import manifest_for
from assets.valuation.inputs import read_history
from assets.valuation.kept import recall, walked_in
from assets.valuation.report import models_result, nothing, predictions_result
from assets.valuation.report_errors import backtests_result
from assets.valuation.rows import config_of
from assets.valuation.walk import TABLES, walk
from pipeline.config.load import Loaded
from pipeline.errors import InsufficientDataError
from resources.chain.port import ChainSource
from resources.clock import Clock
from warehouse.store import Warehouse
from warehouse.table import Table
from warehouse.tables import BACKTESTS, METRICS_DAILY, MODELS, PREDICTIONS

GROUP = "valuation"
CHECKS = {
    MODELS.full_name: FIT_CHECKS,
    PREDICTIONS.full_name: FORECAST_CHECKS,
    BACKTESTS.full_name: MODEL_ERROR_CHECKS,
}


def _spec(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.asset_key,
        deps=[METRICS_DAILY.asset_key],
        description=description,
        group_name=GROUP,
        kinds={"numpy", "duckdb"},
        metadata=table_metadata(table),
        code_version="1",
    )


def valuation_assets() -> list[dg.AssetsDefinition]:
    """Return the assets that every run brings up to date."""

    @dg.multi_asset(
        name="valuation_walk",  # the job has the shorter name
        specs=[
            _spec(MODELS, "Every monthly fit of every model: sample, parameters, diagnostics."),
            _spec(PREDICTIONS, "What each model said each day, one day to one year ahead, with intervals."),
            _spec(BACKTESTS, "How wrong that was: errors, coverage of intervals, the traded signal."),
        ],
        check_specs=[spec for table in TABLES for spec in _checks(table)],
    )
    def valuation(
        context: dg.AssetExecutionContext,
        chain: dg.ResourceParam[ChainSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> Iterator[dg.MaterializeResult]:
        """Walk every model forward over the chain as it is known now; equal rows are not written again.

        Where nothing that rows depend on has changed since the last run, its rows are shown again instead.
        """
        from pipeline.valuation.configured import configured_models

        chosen, now = settings.settings.valuation, clock.now()
        try:
            read = read_history(warehouse, feed=chain.feed, at=now)
        except InsufficientDataError as failure:
            yield from (nothing(table, failure.what, CHECKS[table.full_name]) for table in TABLES)
            return
        config = config_of(chosen)
        manifest = manifest_for(MODELS, settings, now, context=context, inputs=read.inputs)
        parts = recall(context, warehouse, manifest, feed=read.feed, config=config, now=now)
        if parts is None:
            shown = walked_in(context, config)
            parts = walk(settings.settings, read, config, manifest, warehouse=warehouse, shown=shown)
        fits, said, wrong = parts
        repeated = [warehouse.duplicates(table) for table in TABLES]
        yield models_result(fits, read=read, settings=chosen, today=now.date(), repeated=repeated[0])
        yield predictions_result(said, read=read, repeated=repeated[1])
        models = configured_models(chosen)
        yield backtests_result(wrong, said.rows, read=read, models=models, repeated=repeated[2])

    return [valuation]


def _checks(table: Table) -> list[dg.AssetCheckSpec]:
    return specs(table.asset_key, CHECKS[table.full_name])
