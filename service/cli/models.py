"""``bells models``: what bitcoin is worth by each valuation model, and how well each has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.models_options import (
    At,
    End,
    Feed,
    Horizon,
    Start,
    Train,
    calibrated,
    history_for,
    model_named,
    origin_of,
    window_options,
)
from service.cli.models_predict import predict
from service.cli.models_tables import emit_backtest, emit_comparison, percents
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, emit_rows

if TYPE_CHECKING:
    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.settings import Settings
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
    fitted = calibrated(model, read, desk.loaded.settings.valuation)
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
    coverage, window = _coverage(fitted, read, desk.loaded.settings)
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
        "coverage_window": window,
    }
    emit(payload, as_json=as_json)
    if not as_json:
        emit(coefficients, as_json=False)
        emit_rows(
            "residuals in ln units, in sample: a description, no evidence",
            [percents(found.diagnostics.to_dict())],
        )
        emit_rows(f"ln errors ({found.errors.kind})", errors)
        told = f", forecasts of {window[0]} to {window[1]}, each by the fit of that time" if window else ""
        emit_rows(f"coverage of past intervals, out of sample{told}", [percents(each) for each in coverage])
    return 0


app.command()(predict)


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
        emit_backtest(record)
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
    off = {} if chosen is not None else _switched_off({each.name for each in kinds})
    payload = {
        **origin_of(read),
        **found,
        "models": [*found["models"], *off],
        "absent": {**found["absent"], **off},
    }
    if as_json:
        emit({"ok": True, **payload}, as_json=True)
    else:
        emit_comparison(payload, refit=settings.backtest.refit)
    return 0


def _switched_off(enabled: set[str]) -> dict[str, str]:
    """Return registered models that the settings do not switch on, with the line that does."""
    from pipeline.valuation.ensemble import Ensemble
    from pipeline.valuation.registry import names

    lines = {Ensemble.name: "valuation.yaml has ensemble.enabled: false"}
    line = "not switched on: write  {name}: {{enabled: true}}  under models in valuation.yaml"
    return {name: lines.get(name) or line.format(name=name) for name in names() if name not in enabled}


def _coverage(
    model: PriceModel, read: ValuationInputs, settings: Settings
) -> tuple[list[dict[str, Any]], tuple[str, str] | None]:
    """Return how often the model's past intervals held the price, and the origins of the forecasts.

    Nothing where it made no forecast yet.
    """
    from pipeline.errors import InsufficientDataError
    from pipeline.valuation.record import record_of, scores_of

    chosen = settings.valuation
    horizons, refit = chosen.intervals.horizons, chosen.backtest.refit
    try:
        record = record_of(model, read.history, horizons=horizons, refit=refit, levels=model.levels)
    except InsufficientDataError:  # the fit says that its intervals are in sample
        return [], None
    seed = settings.system.controls.seed
    rows = [
        {"horizon_days": horizon, **vars(each)}
        for horizon in horizons
        for each in scores_of(record, horizon, seed=seed).coverage
    ]
    origins = record.walk.origins
    return rows, (str(origins[0]), str(origins[-1]))
