"""Valuation: fits, forecasts and their errors for every model, walked forward over what the chain tells."""

from collections.abc import Iterator

import dagster as dg

from assets.checks import FIT_CHECKS, FORECAST_CHECKS, MODEL_ERROR_CHECKS, specs
from assets.describe import table_metadata
from assets.manifests import manifest_for
from assets.valuation.inputs import read_history
from assets.valuation.report import backtests_result, models_result, nothing, predictions_result
from assets.valuation.rows import backtest_rows, config_of, fit_rows, prediction_rows
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
        name="value",
        specs=[
            _spec(MODELS, "Every monthly fit of every model: sample, parameters, diagnostics."),
            _spec(PREDICTIONS, "What each model said each day, one day to one year ahead, with intervals."),
            _spec(BACKTESTS, "How wrong that was: errors, coverage of intervals, the traded signal."),
        ],
        check_specs=[spec for table in (MODELS, PREDICTIONS, BACKTESTS) for spec in _checks(table)],
    )
    def valuation(
        context: dg.AssetExecutionContext,
        chain: dg.ResourceParam[ChainSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> Iterator[dg.MaterializeResult]:
        """Walk every model forward over the chain as it is known now; equal rows are not written again."""
        from pipeline.valuation.configured import configured_models
        from pipeline.valuation.record import records_of, scores_of

        chosen, now = settings.settings.valuation, clock.now()
        try:
            read = read_history(warehouse, feed=chain.feed, at=now)
        except InsufficientDataError as failure:
            yield from (
                nothing(table, failure.what, CHECKS[table.full_name])
                for table in (MODELS, PREDICTIONS, BACKTESTS)
            )
            return
        horizons = chosen.intervals.horizons
        records, absent = records_of(
            configured_models(chosen), read.history, horizons=horizons, refit=chosen.backtest.refit
        )
        seed = settings.settings.system.controls.seed
        scored = [(each, h, scores_of(each, h, seed=seed)) for each in records for h in horizons]
        config = config_of(chosen)
        frames = (
            (MODELS, fit_rows(records, read, config)),
            (PREDICTIONS, prediction_rows(records, read, config)),
            (BACKTESTS, backtest_rows(scored, read, config)),
        )
        manifest = manifest_for(MODELS, settings, now, context=context, inputs=read.inputs)
        fits, said, wrong = warehouse.write_many(frames, manifest=manifest).appended
        repeated = {table: warehouse.duplicates(table) for table, _ in frames}
        yield models_result(
            frames[0][1], fits, records, absent,
            read=read, settings=chosen, today=now.date(), repeated=repeated[MODELS],
        )  # fmt: skip
        yield predictions_result(frames[1][1], said, records, read=read, repeated=repeated[PREDICTIONS])
        yield backtests_result(frames[2][1], wrong, records, read=read, repeated=repeated[BACKTESTS])

    return [valuation]


def _checks(table: Table) -> list[dg.AssetCheckSpec]:
    return specs(table.asset_key, CHECKS[table.full_name])
