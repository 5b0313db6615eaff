"""``/api/v1/models``: what each model says, how it did, ensembles, comparisons."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import TypeAdapter
from pydantic.json_schema import SkipJsonSchema

from service.api.access import key_required
from service.api.answers import (
    answer,
    as_json,
    backtest_options,
    chosen_models,
    fitted_names,
    predicted,
    refuse_repeated,
    worked_out,
)
from service.api.errors import documented
from service.api.schemas import (
    BacktestResult,
    Comparison,
    EnsembleRequest,
    ModelInfo,
    ModelPrediction,
    OptionalDay,
)
from service.api.service import fitted_model, service_of

router = APIRouter(prefix="/api/v1/models", tags=["models"], dependencies=[Depends(key_required)])

Named = Annotated[
    str,
    InPath(
        max_length=100,
        description="Name or slug: power_law, stock-to-flow, ...",
        openapi_examples={"thermocap": {"value": "thermocap"}, "ensemble": {"value": "ensemble"}},
    ),
]
OnDay = Annotated[
    OptionalDay, Query(alias="date", description="The day whose close is meant; by default today")
]
Price = Annotated[
    float | SkipJsonSchema[None],
    Query(allow_inf_nan=False, description="USD, to compare; not above 0 counts as unknown"),
]
Start = Annotated[OptionalDay, Query(description="First day of the window")]
End = Annotated[OptionalDay, Query(description="First day no more in the window")]
Train = Annotated[
    float | SkipJsonSchema[None],
    Query(ge=0.1, le=0.9, description="Share of the window's days that is not scored; by default 0.7"),
]
INFOS = TypeAdapter(list[ModelInfo])


@router.get("", response_model=list[ModelInfo], responses=documented(304))
async def list_models(request: Request) -> Response:
    """List the models that are switched on, and whether each is fitted."""
    from pipeline.valuation.configured import configured_models

    service = service_of(request)
    held = service.state_for(request).copy
    models = configured_models(service.settings.valuation) if held is None else tuple(held.models.values())
    found = [
        ModelInfo(
            name=each.name,
            description=each.description,
            required_data=list(each.required_data),
            is_fitted=each.is_fitted,
        )
        for each in models
    ]
    return as_json(INFOS.dump_json(found).decode())


@router.get("/compare", response_model=Comparison, responses=documented(304, 503))
async def compare(
    request: Request,
    models: Annotated[
        list[Annotated[str, Query(min_length=1, max_length=100)]] | SkipJsonSchema[None],
        Query(
            min_length=1,
            max_length=20,
            description="Names, each as a parameter of its own; by default all that are fitted",
            openapi_examples={"two": {"value": ["power_law", "thermocap"]}},
        ),
    ] = None,
    start_date: Start = None,
    end_date: End = None,
) -> Response:
    """Rank models by their error on the days that all of them have."""
    from pipeline.valuation.comparison import compare as run

    service = service_of(request)
    copy = service.copy_for(request)
    chosen = chosen_models(copy, models or fitted_names(copy))
    options = backtest_options(service, start_date, end_date, None)

    def make() -> str:
        found = run(chosen, copy.history, **options)
        return Comparison.model_validate({**found.to_dict(), **copy.origin()}).model_dump_json()

    key = ("compare", tuple(each.name for each in chosen), start_date, end_date)
    return as_json(await worked_out(service, copy, key, make))


@router.get("/backtest/{name}", response_model=BacktestResult, responses=documented(304, 404, 503))
async def backtest(
    request: Request,
    name: Named,
    start_date: Start = None,
    end_date: End = None,
    train_pct: Train = None,
) -> Response:
    """Walk a model forward over history: refitted each month, scored on what came."""
    from pipeline.valuation.backtest import backtest as run

    service = service_of(request)
    copy = service.copy_for(request)
    model = fitted_model(copy, name)
    options = backtest_options(service, start_date, end_date, train_pct)

    def make() -> str:
        found = run(model, copy.history, levels=model.levels, **options)
        return BacktestResult.model_validate({**found.to_dict(), **copy.origin()}).model_dump_json()

    key = ("backtest", model.name, start_date, end_date, options["train_pct"])
    return as_json(await worked_out(service, copy, key, make))


@router.post("/ensemble", response_model=ModelPrediction, responses=documented(413, 503))
async def ensemble(request: Request, asked: EnsembleRequest) -> Response:
    """Mix models of the registry and say what the mixture says of a day."""
    from pipeline.valuation.ensemble import Ensemble

    service = service_of(request)
    copy = service.copy_for(request)
    chosen = chosen_models(copy, asked.models)
    refuse_repeated(asked.models, chosen)
    weights = tuple(asked.weights) or (1.0 / len(chosen),) * len(chosen)
    mixed = Ensemble(
        members=chosen,
        weights=weights,
        aggregation=asked.aggregation,
        zones=chosen[0].zones,
        levels=chosen[0].levels,
    )

    def make() -> Ensemble:
        """Fit it; the members keep the intervals that they have in the copy."""
        return replace(mixed.fit(copy.history), members=chosen)

    key = ("ensemble", tuple(each.name for each in chosen), weights, asked.aggregation)
    model = await worked_out(service, copy, key, make)
    return answer(predicted(copy, model, asked.date or service.today(), None))


@router.get("/{name}/predict", response_model=ModelPrediction, responses=documented(304, 404, 503))
async def predict(request: Request, name: Named, day: OnDay = None, current_price: Price = None) -> Response:
    """Say what a model, fitted to all that is known, says of a day.

    A day inside the sample is a statement about that sample (``metadata.in_sample``): only a backtest says
    what the model said then.  The power law answers here as ``power_law``; its slug has a path of its own.
    """
    service = service_of(request)
    copy = service.copy_for(request)
    model = fitted_model(copy, name)
    return answer(predicted(copy, model, day or service.today(), current_price))
