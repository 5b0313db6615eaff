"""``/api/v1/models``: the list, predictions, ensembles, backtests and comparisons."""

from dataclasses import replace
from datetime import date as Date  # noqa: N812 - `date` is a parameter of the contract
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.valuation.backtest import backtest
from pipeline.valuation.comparison import compare
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.model import PriceModel
from pipeline.valuation.registry import slug
from service.api.copy import Snapshot
from service.api.etags import answer
from service.api.keys import may_ask
from service.api.schemas import BacktestResult, Comparison, EnsembleRequest, Error, ModelInfo, ModelPrediction

FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Error} for status in (400, 401, 403, 404, 405, 429, 503)
} | {304: {"description": "The client has this answer"}, 422: {"model": Error}}
router = APIRouter(
    prefix="/api/v1/models", tags=["valuation"], dependencies=[Depends(may_ask)], responses=FAILURES
)
Price = Annotated[float | None, Query(allow_inf_nan=False, ge=-1e15, le=1e15, description="USD")]


@router.get("", response_model=list[ModelInfo])
async def list_models(request: Request) -> Response:
    """List the models; without data none is fitted."""
    return answer(request, _snapshot(request), [_info(each) for each in _snapshot(request).models.values()])


@router.get("/compare", response_model=Comparison)
async def compare_models(
    request: Request,
    models: Annotated[list[str], Query(min_length=1, max_length=20)],
    start_date: Date | None = None,
    end_date: Date | None = None,
) -> Response:
    """Rank models by their error on the same days; ``models`` is repeated, or one list with commas."""
    snapshot = _snapshot(request)
    _in_order(start_date, end_date)
    names = dict.fromkeys(each.strip() for text in models for each in text.split(","))
    chosen = [_known(snapshot, each) for each in names]
    asked = ("compare", snapshot.version, *(each.name for each in chosen), start_date, end_date)
    unique = list({each.name: each for each in chosen}.values())

    def make() -> Any:
        options = request.app.state.backtest_options
        found = compare(unique, snapshot.rows.history, start=start_date, end=end_date, **options)
        return found.to_dict()

    return answer(request, snapshot, await request.app.state.work.answer(asked, make))


@router.get("/backtest/{name}", response_model=BacktestResult)
async def backtest_model(
    request: Request,
    name: str,
    start_date: Date | None = None,
    end_date: Date | None = None,
    train_pct: Annotated[float, Query(ge=0.1, le=0.9)] = 0.7,
) -> Response:
    """Walk a model forward: refitted each month, scored on what came."""
    snapshot = _snapshot(request)
    model = snapshot.model(name)
    _in_order(start_date, end_date)
    asked = ("backtest", snapshot.version, model.name, start_date, end_date, train_pct)

    def make() -> Any:
        options = request.app.state.backtest_options
        found = backtest(
            model,
            snapshot.rows.history,
            start=start_date,
            end=end_date,
            train_pct=train_pct,
            **options,
        )
        return found.to_dict()

    return answer(request, snapshot, await request.app.state.work.answer(asked, make))


@router.post("/ensemble", response_model=ModelPrediction)
async def predict_ensemble(request: Request, body: EnsembleRequest) -> Response:
    """Mix models by weights that sum to 1."""
    snapshot = _snapshot(request)
    members = tuple(_known(snapshot, each) for each in body.models)
    mixed = Ensemble(members=members, weights=tuple(body.weights), aggregation=body.aggregation)
    day = body.date or request.app.state.today()

    def fit() -> PriceModel:
        fitted = mixed.fit(snapshot.rows.history)
        calibrated = {slug(each.name): each for each in members}
        return replace(
            fitted,
            members=tuple(calibrated[slug(each.name)] if each.is_fitted else each for each in fitted.members),
        )

    asked = ("ensemble", snapshot.version, *(each.name for each in members), *body.weights, body.aggregation)
    model = await request.app.state.work.answer(asked, fit)
    return answer(request, snapshot, model.predict(day).to_dict())


@router.get("/{name}/predict", response_model=ModelPrediction)
async def predict_model(
    request: Request, name: str, date: Date | None = None, current_price: Price = None
) -> Response:
    """Say the fair price of a day; ``metadata.in_sample`` tells whether the fit has seen it."""
    snapshot = _snapshot(request)
    model = snapshot.fitted(name)
    day = date or request.app.state.today()
    return answer(request, snapshot, model.predict(day, current_price=current_price).to_dict())


def _snapshot(request: Request) -> Snapshot:
    return request.app.state.copy.get()


def _info(model: PriceModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "description": model.description,
        "required_data": list(model.required_data),
        "is_fitted": model.is_fitted,
    }


def _known(snapshot: Snapshot, name: str) -> PriceModel:
    """Return a model that a list names; an unknown one is a bad list, so 400."""
    try:
        return snapshot.model(name)
    except ComponentNotFoundError as absent:
        raise ConfigError("no such valuation model", "models", name, absent.constraint) from absent


def _in_order(start: Date | None, end: Date | None) -> None:
    if start and end and start >= end:
        raise ConfigError("the window is empty", "start_date", str(start), f"before {end}")
