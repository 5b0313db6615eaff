"""What a materialisation of valuation shows: numbers that plot, pictures, and the verdicts of its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets import checks
from assets.describe import markdown_table, numbers, picture
from warehouse.tables import BACKTESTS, MODELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import polars as pl

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.record import Record
    from warehouse.append import Appended
    from warehouse.table import Table

HEADLINE = 1
"""Days ahead of the forecast that is shown as the fair price."""


def nothing(table: Table, reason: str, names: Sequence[str]) -> dg.MaterializeResult:
    """Report that there is nothing to value yet, and why; nothing is wrong with what is not there."""
    return dg.MaterializeResult(
        asset_key=table.asset_key,
        metadata={"dagster/row_count": 0, "reason": reason},
        check_results=[
            dg.AssetCheckResult(
                check_name=name, asset_key=dg.AssetKey(table.asset_key), passed=True, description=reason
            )
            for name in names
        ],
    )


def models_result(
    rows: pl.DataFrame,
    done: Appended,
    records: Sequence[Record],
    absent: Mapping[str, str],
    *,
    read: ValuationInputs,
    settings: ValuationSettings,
    today: date,
    repeated: int,
) -> dg.MaterializeResult:
    """Report the fits: the newest parameters of each model, the power law over its sample."""
    from pipeline.valuation.pictures import power_law_picture

    newest = rows.sort("ts").group_by("model", maintain_order=True).last()
    shown: dict[str, Any] = {
        "newest": markdown_table(newest.select("model", "ts", "n", "parameters_json", "r_squared").to_dicts())
    }
    law = next((each for each in records if each.model.name == "power_law"), None)
    if law is not None:
        drawn = power_law_picture(law, read.history, simulated=read.simulated)
        shown["picture"] = picture(drawn, "power law")
    fitted = {row["model"]: row for row in newest.to_dicts()}
    plotted = {f"{name} r_squared": row["r_squared"] for name, row in fitted.items()}
    plotted |= {f"{name} residual sd": row["residual_sd"] for name, row in fitted.items()}
    if law is not None:
        parameters = next(fit.parameters for fit in reversed(law.walk.fits) if fit.parameters is not None)
        plotted |= {"power_law slope": parameters.beta}
    return dg.MaterializeResult(
        asset_key=MODELS.asset_key,
        metadata={**_counts(done), **shown, **numbers(plotted), **_provenance(read, absent)},
        check_results=_on(
            MODELS,
            [
                checks.duplicates(repeated),
                _fits_fresh({name: row["ts"].date() for name, row in fitted.items()}, settings, today),
                checks.known_in_time(rows.filter(rows["known_at"] < rows["ts"]).height),
            ],
        ),
    )


def predictions_result(
    rows: pl.DataFrame, done: Appended, records: Sequence[Record], *, read: ValuationInputs, repeated: int
) -> dg.MaterializeResult:
    """Report the forecasts: the newest one of each model, drawn as cones."""
    import polars as pl

    from pipeline.valuation.pictures import cone_picture

    fair = rows.filter(pl.col("horizon_days") == HEADLINE)
    newest = fair.sort("ts").group_by("model", maintain_order=True).last()
    columns = (
        "model",
        "target",
        "predicted_price",
        "lower_68",
        "upper_68",
        "last_price",
        "deviation",
        "zone",
    )
    shown: dict[str, Any] = {"newest": markdown_table(newest.select(columns).to_dicts())}
    if records:
        shown["picture"] = picture(
            cone_picture(records, read.history, simulated=read.simulated), "forecast cones"
        )
    plotted = {f"{row['model']} fair price": row["predicted_price"] for row in newest.to_dicts()}
    plotted |= {f"{row['model']} deviation": row["deviation"] for row in newest.to_dicts()}
    banded = rows.filter(pl.col("lower_68").is_finite())
    outside = banded.filter(~pl.col("predicted_price").is_between("lower_68", "upper_68")).height
    return dg.MaterializeResult(
        asset_key=PREDICTIONS.asset_key,
        metadata={**_counts(done), **shown, **numbers(plotted), **_provenance(read, {})},
        check_results=_on(
            PREDICTIONS,
            [
                checks.duplicates(repeated),
                checks.known_in_time(rows.filter(pl.col("known_at") < pl.col("ts")).height),
                dg.AssetCheckResult(
                    check_name="inside_its_interval", passed=not outside, metadata={"outside": outside}
                ),
            ],
        ),
    )


def backtests_result(
    rows: pl.DataFrame, done: Appended, records: Sequence[Record], *, read: ValuationInputs, repeated: int
) -> dg.MaterializeResult:
    """Report the errors: by model and horizon, over time, and how often intervals held."""
    from pipeline.valuation.pictures import coverage_picture, error_picture

    columns = ("model", "horizon_days", "n", "mape", "rmse_log", "coverage_68", "coverage_95", "sharpe_ratio")
    shown: dict[str, Any] = {"errors": markdown_table(rows.select(columns).to_dicts())}
    if records and rows.height:
        shown["picture"] = picture(error_picture(records, simulated=read.simulated), "errors over time")
        shown["coverage"] = picture(coverage_picture(rows.to_dicts(), simulated=read.simulated), "coverage")
    plotted: dict[str, float | None] = {}
    for row in rows.to_dicts():
        plotted[f"{row['model']} mape {row['horizon_days']}d"] = row["mape"]
        plotted[f"{row['model']} coverage 68 {row['horizon_days']}d"] = row["coverage_68"]
    failed = int(rows["failed"].sum()) if rows.height else 0
    return dg.MaterializeResult(
        asset_key=BACKTESTS.asset_key,
        metadata={**_counts(done), **shown, **numbers(plotted), **_provenance(read, {})},
        check_results=_on(
            BACKTESTS,
            [
                checks.duplicates(repeated),
                dg.AssetCheckResult(
                    check_name="all_forecast",
                    passed=not failed,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=f"{failed} forecasts are missing, each counted with its reason"
                    if failed
                    else "",
                    metadata={"failed": failed},
                ),
            ],
        ),
    )


def _on(table: Table, results: Sequence[dg.AssetCheckResult]) -> list[dg.AssetCheckResult]:
    """Name the asset that verdicts are about: one step makes several."""
    key = dg.AssetKey(table.asset_key)
    return [each._replace(asset_key=key) for each in results]


def _fits_fresh(fitted: Mapping[str, date], settings: ValuationSettings, today: date) -> dg.AssetCheckResult:
    """Warn about fits that are older than the settings allow."""
    from pipeline.valuation.configured import refit_due

    stale = {name: (today - day).days for name, day in fitted.items() if refit_due(day, today, settings)}
    return dg.AssetCheckResult(
        check_name="fit_fresh",
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{name} was fitted {days} days ago" for name, days in stale.items())
        or "every fit is of this month",
        metadata={"stale_fits": len(stale)},
    )


def _counts(done: Appended) -> dict[str, Any]:
    return {
        "dagster/row_count": done.inserted + done.revised + done.unchanged,
        **numbers({"inserted": done.inserted, "revised": done.revised, "unchanged": done.unchanged}),
    }


def _provenance(read: ValuationInputs, absent: Mapping[str, str]) -> dict[str, Any]:
    told = {"models without data": "; ".join(f"{n}: {why}" for n, why in absent.items())} if absent else {}
    return {
        "source": read.feed,
        "simulated": read.simulated,
        "latest revision only": read.latest_revision,
        "through": str(read.history.date[-1]),
        **told,
    }
