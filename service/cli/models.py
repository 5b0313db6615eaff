"""``bells models``: what bitcoin is worth by each valuation model, and how well each has done."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError
from service.cli.models_options import (
    At,
    End,
    Feed,
    Horizon,
    Start,
    Train,
    day_of,
    history_for,
    model_named,
    origin_of,
    window_options,
)
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, emit_rows

if TYPE_CHECKING:
    from datetime import date

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.settings import Settings
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.model import PriceModel

app = typer.Typer(help="Valuation models: fair prices, intervals, and how they did.")


@app.callback()
def _group() -> None:
    """Valuation models: fair prices, intervals, and how they did."""


@app.command("list")
def list_models(assignments: Set = None, as_json: Json = False) -> int:
    """List the models with what they need and whether they are switched on."""
    from pipeline.valuation.configured import configured_models
    from pipeline.valuation.registry import get, names, slug

    desk = open_for(assignments)
    enabled = {each.name: each for each in configured_models(desk.loaded.settings.valuation)}
    rows = [
        {
            "name": name,
            "slug": slug(name),
            "description": get(name).description,
            "required_data": list(get(name).required_data),
            "enabled": name in enabled,
        }
        for name in names()
    ]
    if as_json:
        emit({"ok": True, "models": rows}, as_json=True)
    else:
        emit_rows("valuation models", rows)
    return 0


@app.command()
def fit(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    at: At = None,
    feed: Feed = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Fit a model to all that is known and show its coefficients, residuals and walk-forward errors."""
    from pipeline.valuation.parameters import plain_parameters

    desk, model = model_named(name, assignments)
    read = history_for(desk, feed, at)
    fitted = _calibrated(model, read, desk.loaded.settings.valuation)
    found = fitted.require_fitted()
    errors = [
        {
            "horizon_days": horizon,
            "n": n,
            **{
                f"ln_error_{level:g}": list(found.errors.bounds(level, max(horizon, 1)))
                for level in fitted.levels
            },
        }
        for horizon, n in zip(found.errors.horizons, found.errors.n, strict=True)
    ]
    coefficients = plain_parameters(found.parameters)
    coverage = _coverage(fitted, read, desk.loaded.settings)
    payload = {
        "ok": True,
        "model": fitted.name,
        **origin_of(read),
        "sample_start": found.first,
        "fitted_through": found.last,
        "coefficients": coefficients,
        "diagnostics": found.diagnostics.to_dict(),
        "interval": found.errors.kind,
        "errors": errors,
        "coverage": coverage,
    }
    emit(payload, as_json=as_json)
    if not as_json:
        emit(coefficients, as_json=False)
        emit_rows(
            "residuals in ln units, in sample: a description, no evidence", [found.diagnostics.to_dict()]
        )
        emit_rows(f"ln errors ({found.errors.kind})", errors)
        emit_rows("coverage of past intervals, out of sample", coverage)
    return 0


@app.command()
def predict(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The day whose close is meant; by default today."),
    ] = None,
    price: Annotated[
        float | None, typer.Option("--price", metavar="USD", help="A price to compare with the fair one.")
    ] = None,
    at: At = None,
    feed: Feed = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Say what a model knew of a day before it began: it is fitted to the rows dated before it alone."""
    from pipeline.valuation.prediction import require_after_genesis

    desk, model = model_named(name, assignments)
    target = day_of(day) or desk.clock.now().date()
    require_after_genesis(target, first=model.first_day)
    if price is not None and not 0.0 < price < inf:
        raise ConfigError(
            "this is no price", "--price", price, "a number above 0", "leave it out if it is unknown"
        )
    read = history_for(desk, feed, at)
    fitted = _calibrated(model, read, desk.loaded.settings.valuation, before=target)
    said = fitted.predict(target, current_price=price).to_dict()
    said["metadata"] = {**said["metadata"], **origin_of(read)}
    if as_json:
        emit({"ok": True, **said}, as_json=True)
        return 0
    emit({key: value for key, value in said.items() if key != "metadata"}, as_json=False)
    emit(
        {"lower": said["confidence_interval"]["lower"], "upper": said["confidence_interval"]["upper"]},
        as_json=False,
    )
    emit(said["metadata"], as_json=False)
    return 0


@app.command()
def backtest(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    start: Start = None,
    end: End = None,
    train_pct: Train = None,
    horizon: Horizon = None,
    at: At = None,
    feed: Feed = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Walk a model forward over history: refitted each month, scored on what came."""
    from pipeline.valuation.backtest import backtest as run

    desk, model = model_named(name, assignments)
    read = history_for(desk, feed, at)
    options = window_options(desk, start, end, train_pct, horizon)
    found = run(model, read.history, levels=model.levels, **options)
    record = found.to_dict()
    emit({"ok": True, **origin_of(read), **record}, as_json=as_json)
    if not as_json:
        emit_rows("errors and the traded signal", [record["metrics"]])
        emit_rows("coverage, with bounds of 95 %", record["coverage"])
        emit_rows("forecasts that are missing", record["failures"], 10)
    return 0


@app.command()
def compare(
    models: Annotated[
        str | None,
        typer.Option("--models", metavar="A,B", help="Names; by default all that are switched on."),
    ] = None,
    start: Start = None,
    end: End = None,
    train_pct: Train = None,
    horizon: Horizon = None,
    at: At = None,
    feed: Feed = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Rank models by their error on the same days; those without data are named with the reason."""
    from pipeline.valuation.comparison import compare as run
    from pipeline.valuation.configured import configured_model, configured_models

    desk = open_for(assignments)
    settings = desk.loaded.settings.valuation
    chosen = None if models is None else dict.fromkeys(each.strip() for each in models.split(","))
    kinds = (
        configured_models(settings)
        if chosen is None
        else tuple(configured_model(each, settings) for each in chosen)
    )
    read = history_for(desk, feed, at)
    found = run(kinds, read.history, **window_options(desk, start, end, train_pct, horizon)).to_dict()
    if as_json:
        emit({"ok": True, **origin_of(read), **found}, as_json=True)
        return 0
    emit({**origin_of(read), "best_model": found["best_model"]}, as_json=False)
    emit_rows(
        "by mean absolute relative error on the same days",
        [{"rank": each["rank"], "model": each["model_name"], **each["common"]} for each in found["results"]],
    )
    emit_rows("not compared", [{"model": n, "reason": why} for n, why in found["absent"].items()])
    return 0


def _calibrated(
    model: PriceModel, read: ValuationInputs, settings: ValuationSettings, *, before: date | None = None
) -> PriceModel:
    from pipeline.valuation.walk_forward import calibrate_or_flag

    rows = read.history if before is None else read.history.at_origin(before)
    return calibrate_or_flag(model, rows, horizons=settings.intervals.horizons, refit=settings.backtest.refit)


def _coverage(model: PriceModel, read: ValuationInputs, settings: Settings) -> list[dict[str, Any]]:
    """Return how often the model's past intervals held the price; nothing where it made no forecast yet."""
    from pipeline.errors import InsufficientDataError
    from pipeline.valuation.record import record_of, scores_of

    chosen = settings.valuation
    horizons, refit = chosen.intervals.horizons, chosen.backtest.refit
    try:
        record = record_of(model, read.history, horizons=horizons, refit=refit, levels=model.levels)
    except InsufficientDataError:  # the fit says that its intervals are in sample
        return []
    seed = settings.system.controls.seed
    return [
        {"horizon_days": horizon, **vars(each)}
        for horizon in horizons
        for each in scores_of(record, horizon, seed=seed).coverage
    ]
