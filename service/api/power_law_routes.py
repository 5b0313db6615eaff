"""``/api/v1/models/power-law``: the fitted line, what it says, and the past under it."""

import asyncio
from datetime import date as Date  # noqa: N812 - `date` is a parameter of the contract
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response

from pipeline.errors import ConfigError
from pipeline.valuation.model import PriceModel
from pipeline.valuation.power_law import PowerLawParameters, band, days_since_genesis, fair_value
from service.api.etags import answer
from service.api.keys import may_ask, may_change
from service.api.models_routes import FAILURES, Price
from service.api.schemas import PowerLawAnswer, PowerLawHistory, PowerLawPredicted

NAME = "power-law"
FURTHEST = 3653
"""Days beyond the newest row that may be asked: ten years."""
router = APIRouter(prefix="/api/v1/models/power-law", tags=["power law"], responses=FAILURES)


@router.get("", response_model=PowerLawAnswer, dependencies=[Depends(may_ask)])
async def power_law(request: Request) -> Response:
    """Return the fitted line."""
    snapshot = request.app.state.copy.get()
    return answer(request, snapshot, {"model": _model(snapshot.fitted(NAME))})


@router.get("/predict", response_model=PowerLawPredicted, dependencies=[Depends(may_ask)])
async def predict(request: Request, date: Date | None = None, current_price: Price = None) -> Response:
    """Return the line on a day, with the band of one sigma; the deviation is a fraction."""
    snapshot = request.app.state.copy.get()
    model = snapshot.fitted(NAME)
    day = date or request.app.state.today()
    last = model.require_fitted().last
    if (day - last).days > FURTHEST:
        raise ConfigError("the day lies too far ahead", "date", str(day), f"<= {FURTHEST} days after {last}")
    line: PowerLawParameters = model.require_fitted().parameters
    fair = fair_value(day, alpha=line.alpha, beta=line.beta)
    inner = band(day, alpha=line.alpha, beta=line.beta, sigma=line.sigma)
    said = {
        "date": day,
        "days_since_genesis": days_since_genesis(day),
        "fair_value": fair,
        "lower_band": inner.lower,
        "upper_band": inner.upper,
        "current_price": current_price,
        "deviation_pct": model.zones.deviation(current_price, fair=fair),
        "zone": model.zones.zone(current_price, fair=fair),
    }
    return answer(request, snapshot, {"model": _model(model), "prediction": said})


@router.get("/history", response_model=PowerLawHistory, dependencies=[Depends(may_ask)])
async def history(request: Request, days: Annotated[int, Query(ge=7, le=5000)] = 365) -> Response:
    """Return the newest days with a price under today's fit: a description, not what was said then."""
    snapshot = request.app.state.copy.get()
    model = snapshot.fitted(NAME)
    asked = ("history", snapshot.version, days)

    def make() -> Any:
        rows = snapshot.rows.history
        price = rows.column("price_usd")
        known = np.flatnonzero(np.isfinite(price) & (price > 0.0))[-days:]
        at = rows.date[known]
        fair = model.fair(model.require_fitted().parameters, rows, at, at)
        return [
            {"date": str(day), "price": p, "fair_value": f, "zone": model.zones.zone(p, fair=f)}
            for day, p, f in zip(at, price[known].tolist(), fair.tolist(), strict=True)
        ]

    past = await request.app.state.work.answer(asked, make)
    return answer(request, snapshot, {"model": _model(model), "history": past})


@router.post("/recalibrate", response_model=PowerLawAnswer, dependencies=[Depends(may_change)])
async def recalibrate(request: Request) -> Response:
    """Fit the line to the rows in memory now and serve it; what is stored does not change."""
    snapshot = await asyncio.to_thread(request.app.state.copy.refit, NAME)
    return answer(request, snapshot, {"model": _model(snapshot.fitted(NAME))})


def _model(model: PriceModel) -> dict[str, Any]:
    fitted = model.require_fitted()
    line: PowerLawParameters = fitted.parameters
    return {
        "alpha": line.alpha,
        "beta": line.beta,
        "r_squared": line.r_squared,
        "std_error": line.sigma,
        "fitted_on": fitted.last,
        "sample_size": line.n,
    }
