"""What Dagster shows of the errors of models: beside the last price, beside buy-and-hold, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import numbers
from assets.valuation.beside import beside
from assets.valuation.report import on_asset, told_of
from assets.valuation.shown import table
from warehouse.tables import BACKTESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from assets.valuation.inputs import ValuationInputs
    from assets.valuation.report import Part
    from pipeline.valuation.model import PriceModel

PLOTTED_HORIZON = 30
"""Days ahead of the errors that the UI plots over runs, where the settings have them."""


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
            **told_of(part, read),
        },
        check_results=on_asset(
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
