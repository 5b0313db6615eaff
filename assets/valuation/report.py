"""What a materialisation of valuation shows: numbers that plot, pictures, and the verdicts of its checks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets import checks
from assets.describe import numbers, picture
from assets.valuation.shown import parameters, table
from warehouse.tables import MODELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import polars as pl

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.record import Record
    from warehouse.append import Appended
    from warehouse.table import Table


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
        metadata={"newest": table(shown), **numbers(plotted), **told_of(part, read)},
        check_results=on_asset(
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
            **told_of(part, read),
        },
        check_results=on_asset(
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


def on_asset(table: Table, results: Sequence[dg.AssetCheckResult]) -> list[dg.AssetCheckResult]:
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


def told_of(part: Part, read: ValuationInputs) -> dict[str, Any]:
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
