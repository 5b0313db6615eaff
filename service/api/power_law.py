"""``/api/v1/models/power-law``: the line, its bands, the past beside it, and a fit on request."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from pipeline.valuation.model import PriceModel
from service.api.access import key_required, may_change
from service.api.answers import answer, as_json, finished, worked_out
from service.api.copy import Copy
from service.api.errors import documented
from service.api.schemas import (
    PowerLawAnswer,
    PowerLawDay,
    PowerLawHistory,
    PowerLawModel,
    PowerLawPredicted,
    PowerLawPrediction,
)
from service.api.service import STATE, fitted_model, service_of
from service.api.valuation import OnDay, Price

NAME = "power_law"
DAYS = 365

router = APIRouter(
    prefix="/api/v1/models/power-law", tags=["power law"], dependencies=[Depends(key_required)]
)


@router.get("", response_model=PowerLawAnswer, responses=documented(304, 503))
async def model(request: Request) -> Response:
    """Return the fitted line."""
    copy = service_of(request).copy_for(request)
    return answer(PowerLawAnswer(model=_line(copy, fitted_model(copy, NAME))))


@router.get("/predict", response_model=PowerLawPredicted, responses=documented(304, 503))
async def predict(request: Request, day: OnDay = None, current_price: Price = None) -> Response:
    """Return the fair value of a day with the band of one standard error, which is in sample."""
    service = service_of(request)
    copy = service.copy_for(request)
    law = fitted_model(copy, NAME)
    said = law.predict(day or service.today(), current_price=current_price)
    inner: dict[str, float] = said.metadata["band_1sd_in_sample"]
    prediction = PowerLawPrediction(
        date=said.date,
        days_since_genesis=said.metadata["days_since_genesis"],
        fair_value=said.predicted_price,
        lower_band=inner["lower"],
        upper_band=inner["upper"],
        current_price=current_price,
        deviation_pct=said.metadata["deviation"],
        zone=said.metadata["zone"],
    )
    return answer(PowerLawPredicted(model=_line(copy, law), prediction=prediction))


@router.get("/history", response_model=PowerLawHistory, responses=documented(304, 503))
async def history(
    request: Request,
    days: Annotated[int, Query(ge=7, le=5000, description="Newest days of the past")] = DAYS,
) -> Response:
    """Return the newest days beside the line as it is fitted now."""
    service = service_of(request)
    copy = service.copy_for(request)
    law = fitted_model(copy, NAME)

    def make() -> str:
        return PowerLawHistory(model=_line(copy, law), history=_past(copy, law, days)).model_dump_json()

    return as_json(await worked_out(service, copy, ("history", days, copy.built_at), make))


@router.post(
    "/recalibrate",
    response_model=PowerLawAnswer,
    responses=documented(503),
    dependencies=[Depends(may_change)],
)
async def recalibrate(request: Request) -> Response:
    """Fit the line anew to the rows in memory and put it in force."""
    service = service_of(request)
    fitted_model(service.copy_for(request), NAME)
    copy: Copy = await finished(service.pool.submit(lambda: service.keeper.recalibrate(NAME)))
    request.scope[STATE] = replace(service.keeper.state, copy=copy)
    return answer(PowerLawAnswer(model=_line(copy, fitted_model(copy, NAME))))


def _line(copy: Copy, law: PriceModel) -> PowerLawModel:
    found: Any = law.require_fitted().parameters
    return PowerLawModel(
        alpha=found.alpha,
        beta=found.beta,
        r_squared=found.r_squared,
        std_error=found.sigma,
        fitted_on=copy.built_at.date(),
        sample_size=found.n,
    )


def _past(copy: Copy, law: PriceModel, days: int) -> list[PowerLawDay]:
    """Return the newest days; the first days of Bitcoin have no line and are left out."""
    import numpy as np

    rows = copy.history
    newest = rows.date[-days:]
    fair = law.fair(law.require_fitted().parameters, rows, newest, newest)
    price = rows.column("price_usd")[-days:]
    return [
        PowerLawDay.model_validate(
            {
                "date": day.item(),
                "price": float(paid) if np.isfinite(paid) else None,
                "fair_value": float(worth),
                "zone": law.zones.zone(float(paid), fair=float(worth)),
            }
        )
        for day, paid, worth in zip(newest, price, fair, strict=True)
        if np.isfinite(worth)
    ]
