"""How people read valuation models: shares as percent, models beside the last price and buy-and-hold.

``--json`` has fractions and every digit.  Nothing here reads the warehouse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.cli.backtest_tables import percent
from service.cli.output import counted, emit, emit_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

FRACTIONS = frozenset(
    {
        "coverage_1sd",
        "coverage_2sd",
        "coverage_68",
        "coverage_95",
        "deviation",
        "direction_accuracy",
        "high",
        "level",
        "low",
        "mape",
        "max_drawdown",
        "mean_exposure",
        "value",
    }
)
SIGNAL = ("sharpe_ratio", "max_drawdown", "turnover", "mean_exposure")
KEPT = ("buy_and_hold_sharpe", "buy_and_hold_drawdown")
LAST_PRICE = "last price"


def percents(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its shares as percent; everything else as it is."""
    return {
        name: percent(value) if name in FRACTIONS and isinstance(value, float) else value
        for name, value in row.items()
    }


def emit_predictions(told: Mapping[str, Any]) -> None:
    """Print what models say of one day: prices, intervals, and how far the price stands from each."""
    day = told["current_price_day"]
    emit(
        {
            **{name: told[name] for name in ("date", "source", "simulated", "data_through")},
            "price": told["current_price"],
            "price of": f"the close of {day}" if day else None,
        },
        as_json=False,
    )
    emit_rows("fair values", [_prediction(each) for each in told["models"]])
    if told["absent"]:
        emit_rows("without an answer", [{"model": n, "reason": why} for n, why in told["absent"].items()])


def _prediction(said: Mapping[str, Any]) -> dict[str, Any]:
    meta = said["metadata"]
    own = {f"{said['confidence_level']:g}": said["confidence_interval"]}
    bounds = {
        f"{100.0 * float(level):g} %": f"{_dollars(each['lower'])} to {_dollars(each['upper'])}"
        for level, each in meta.get("intervals", own).items()
    }
    return percents(
        {
            "model": said["model_name"],
            "predicted_price": said["predicted_price"],
            **bounds,
            "deviation": meta["deviation"],
            "zone": meta["zone"],
            "fitted_through": meta["fitted_through"],
            "horizon_days": meta["horizon_days"],
            "interval": meta["interval"],
        }
    )


def _dollars(price: float) -> str:
    return f"{price:,.0f}" if price >= 1_000.0 else f"{price:.4g}"  # noqa: PLR2004 - cents of cheap days


def emit_backtest(record: Mapping[str, Any]) -> None:
    """Print the record of one model: its errors beside the last price, its signal beside buy-and-hold."""
    metrics = record["metrics"]
    errors = {name: value for name, value in metrics.items() if name not in {*SIGNAL, *KEPT}}
    emit_rows(f"errors: {verdict(metrics['skill_last_price'])}", [percents(errors)])
    traded = {name: metrics[name] for name in SIGNAL}
    kept = dict(zip(SIGNAL, (*(metrics[name] for name in KEPT), 1.0, 1.0), strict=True))
    emit_rows(
        "the traded signal of one-day forecasts, beside bitcoin bought and kept on the same days",
        [{"": name, **percents(row)} for name, row in (("signal", traded), ("buy and hold", kept))],
    )
    emit_rows("coverage, with bounds of 95 %", [percents(each) for each in record["coverage"]])
    emit_rows("forecasts that are missing", record["failures"], 10)


def emit_comparison(told: Mapping[str, Any], *, refit: str) -> None:
    """Print models by their error, the last price among them, and say whether any of them beats it."""
    emit(
        {
            **{name: told[name] for name in ("source", "simulated", "latest_revision", "data_through")},
            "horizon": counted(told["horizon_days"], "day"),
            "window": f"{told['start_date']} to {told['end_date']}, refitted {refit}",
            "best of the models": told["best_model"],
            "beside the last price": beside_last_price(told),
        },
        as_json=False,
    )
    rows = [{"rank": each["rank"], "model": each["model_name"], **each["common"]} for each in told["results"]]
    rows.append({"rank": None, "model": LAST_PRICE, **told["last_price"]})
    rows.sort(key=lambda row: row["mape"] or 0.0)
    emit_rows("by mean absolute relative error on the same days", [percents(row) for row in rows])
    emit_rows("not compared", [{"model": n, "reason": why} for n, why in told["absent"].items()])


def beside_last_price(told: Mapping[str, Any]) -> str:
    """Say in words which models of a comparison have less squared ln error than the last price."""
    better = told["better_than_last_price"]
    return f"better: {', '.join(better)}" if better else "none of them beats the last price"


def verdict(skill: float | None) -> str:
    """Say in words what a skill against the last price means."""
    if skill is None:
        return "whether better than the last price is unknown"
    return f"{'better' if skill > 0.0 else 'no better'} than the last price (skill {skill:.3g})"
