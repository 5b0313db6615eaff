"""What a materialisation of valuation shows: numbers that plot, pictures, and the verdicts of its checks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets import checks
from assets.describe import numbers, picture
from assets.valuation.beside import beside
from assets.valuation.shown import parameters, table
from warehouse.tables import BACKTESTS, MODELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import polars as pl

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.model import PriceModel
    from pipeline.valuation.record import Record
    from warehouse.append import Appended
    from warehouse.table import Table

PLOTTED_HORIZON = 30
"""Days ahead of the errors that the UI plots over runs, where the settings have them."""


@dataclass(frozen=True, eq=False)
class Part:
    """One table of a valuation.

    Parameters
    ----------
    rows
        What models gave.
    done
        What the store did with them.
    shown
        Metadata that rows do not tell: pictures, and the run that drew them.
    """

    rows: pl.DataFrame
    done: Appended
    shown: Mapping[str, Any]


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


def pictures_of(
    records: Sequence[Record], wrong: pl.DataFrame, read: ValuationInputs
) -> tuple[dict[str, Any], ...]:
    """Return what is drawn of fits, of forecasts and of errors (rows ``wrong``)."""
    from pipeline.valuation.pictures import cone_picture, coverage_picture, error_picture, power_law_picture

    history, simulated = read.history, read.simulated
    fits: dict[str, Any] = {}
    said: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    law = next((each for each in records if each.model.name == "power_law"), None)
    drawn = None if law is None else power_law_picture(law, history, simulated=simulated)
    if drawn is not None:
        fits["picture"] = picture(drawn, "power law")
    if records:
        said["picture"] = picture(cone_picture(records, history, simulated=simulated), "forecast cones")
    if records and wrong.height:
        errors["picture"] = picture(error_picture(records, simulated=simulated), "errors over time")
        errors["coverage"] = picture(coverage_picture(wrong.to_dicts(), simulated=simulated), "coverage")
    return fits, said, errors


def models_result(
    part: Part, *, read: ValuationInputs, settings: ValuationSettings, today: date, repeated: int
) -> dg.MaterializeResult:
    """Report the fits: the newest parameters of each model, the power law over its sample."""
    newest = part.rows.sort("model", "ts").group_by("model", maintain_order=True).last()
    fitted = {row["model"]: row for row in newest.to_dicts()}
    shown = [
        {
            "model": name,
            "fitted on": row["ts"],
            "first day": row["first_day"],
            "last day": row["last_day"],
            "n": row["n"],
            "parameters": parameters(row["parameters_json"]),
            "r_squared": row["r_squared"],
        }
        for name, row in fitted.items()
    ]
    plotted = {f"{name} r_squared": row["r_squared"] for name, row in fitted.items()}
    plotted |= {f"{name} residual sd": row["residual_sd"] for name, row in fitted.items()}
    if "power_law" in fitted:
        plotted |= {"power_law slope": json.loads(fitted["power_law"]["parameters_json"])["beta"]}
    return dg.MaterializeResult(
        asset_key=MODELS.asset_key,
        metadata={"newest": table(shown), **numbers(plotted), **_told(part, read)},
        check_results=_on(
            MODELS,
            [
                checks.duplicates(repeated),
                _fits_fresh({name: row["ts"].date() for name, row in fitted.items()}, settings, today),
                checks.known_in_time(part.rows.filter(part.rows["known_at"] < part.rows["ts"]).height),
            ],
        ),
    )


def predictions_result(part: Part, *, read: ValuationInputs, repeated: int) -> dg.MaterializeResult:
    """Report the forecasts: the newest one of each model at the shortest horizon, drawn as cones."""
    import polars as pl

    rows = part.rows
    fair = rows.filter(pl.col("horizon_days") == pl.col("horizon_days").min())
    newest = fair.sort("model", "ts").group_by("model", maintain_order=True).last()
    columns = (
        "model",
        "fitted",
        "target",
        "predicted_price",
        "lower_68",
        "upper_68",
        "last_price",
        "deviation",
        "zone",
    )
    plotted = {f"{row['model']} fair price": row["predicted_price"] for row in newest.to_dicts()}
    plotted |= {f"{row['model']} deviation": row["deviation"] for row in newest.to_dicts()}
    banded = rows.filter(pl.col("lower_68").is_not_null())
    outside = banded.filter(~pl.col("predicted_price").is_between("lower_68", "upper_68")).height
    return dg.MaterializeResult(
        asset_key=PREDICTIONS.asset_key,
        metadata={
            "newest": table(newest.select(columns).to_dicts()),
            **numbers(plotted),
            **_told(part, read),
        },
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
    part: Part, said: pl.DataFrame, *, read: ValuationInputs, models: Sequence[PriceModel], repeated: int
) -> dg.MaterializeResult:
    """Report the errors: by model and horizon, over time, beside the last price and buy-and-hold.

    Parameters
    ----------
    part
        The errors.
    said
        The forecasts behind them, rows of ``valuation.predictions``.
    read
        What all of it was made from.
    models
        Those that are switched on: one that has data and no forecast is told by a check.
    repeated
        Versions that the store holds twice.
    """
    rows = part.rows
    told = beside(said, read.history)
    shown, plotted = [], dict[str, float | None]()
    horizons = {row["horizon_days"] for row in rows.to_dicts()}
    horizon = PLOTTED_HORIZON if PLOTTED_HORIZON in horizons else min(horizons, default=0)
    for row in rows.to_dicts():
        key = (row["model"], row["horizon_days"])
        ratio, fall = told.buy_and_hold.get(key, (None, None))
        shown.append(
            {
                "model": row["model"],
                "horizon_days": row["horizon_days"],
                "first origin": row["start"],
                "last origin": row["ts"],
                "n": row["n"],
                "mape": row["mape"],
                "rmse_log": row["rmse_log"],
                "skill_last_price": told.skill.get(key),
                "coverage_68": row["coverage_68"],
                "coverage_95": row["coverage_95"],
                "sharpe_ratio": row["sharpe_ratio"],
                "buy_and_hold_sharpe": ratio,
                "max_drawdown": row["max_drawdown"],
                "buy_and_hold_drawdown": fall,
            }
        )
        if row["horizon_days"] == horizon:
            plotted[f"{row['model']} skill {horizon}d"] = told.skill.get(key)
            plotted[f"{row['model']} coverage 68 {horizon}d"] = row["coverage_68"]
    failed = int(rows["failed"].sum()) if rows.height else 0
    walked = set(rows["model"])
    silent = [each.name for each in models if each.has_data(read.history) and each.name not in walked]
    missing = [f"{failed} forecasts are missing, each counted with its reason"] if failed else []
    missing += [f"no forecast although there is data: {', '.join(silent)}"] if silent else []
    return dg.MaterializeResult(
        asset_key=BACKTESTS.asset_key,
        metadata={
            "errors": table(shown),
            "beside the last price": told.words,
            **numbers(plotted),
            **_told(part, read),
        },
        check_results=_on(
            BACKTESTS,
            [
                checks.duplicates(repeated),
                dg.AssetCheckResult(
                    check_name="all_forecast",
                    passed=not missing,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="; ".join(missing),
                    metadata={"failed": failed, "silent": len(silent)},
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


def _told(part: Part, read: ValuationInputs) -> dict[str, Any]:
    """Return how many rows there are, where they come from, and what rows do not tell."""
    done = part.done
    return {
        "dagster/row_count": done.inserted + done.revised + done.unchanged,
        **numbers({"inserted": done.inserted, "revised": done.revised, "unchanged": done.unchanged}),
        "source": read.feed,
        "simulated": read.simulated,
        "latest revision only": read.latest_revision,
        "through": str(read.history.date[-1]),
        **part.shown,
    }
