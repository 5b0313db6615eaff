"""From records to answers: JSON bytes, work in threads, predictions, and the options of backtests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from pipeline.errors import ResourceError
from service.api.errors import Refusal
from service.api.schemas import ModelPrediction
from service.api.service import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from concurrent.futures import Future
    from datetime import date

    from pydantic import BaseModel

    from pipeline.valuation.model import PriceModel
    from service.api.copy import Copy
    from service.api.service import Service


def answer(record: BaseModel) -> Response:
    """Return a record as JSON."""
    return as_json(record.model_dump_json())


def as_json(text: str) -> Response:
    """Return JSON text as an answer."""
    return Response(text, media_type="application/json")


async def worked_out(service: Service, copy: Copy, key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what a function gives, worked out once for each copy in a thread of the pool."""
    return await finished(copy.kept.get(key, make, service.pool))


async def finished(work: Future[Any]) -> Any:
    """Wait for work that other requests may wait for too: one that goes away does not cancel it.

    Raises
    ------
    ResourceError
        When the service stops before the work has begun.
    """
    try:
        return await asyncio.shield(asyncio.wrap_future(work))
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
        raise ResourceError("the service is stopping", fix="ask again when it is back") from None


def predicted(copy: Copy, model: PriceModel, day: date, price: float | None) -> ModelPrediction:
    """Return what a model says of a day, with where its data come from."""
    said = model.predict(day, current_price=price).to_dict()
    metadata = {**said["metadata"], **copy.origin()}
    return ModelPrediction.model_validate({**said, "metadata": metadata})


def backtest_options(
    service: Service, start: date | None, end: date | None, train_pct: float | None
) -> dict[str, Any]:
    """Return the options of a backtest: those of the request, else the configured ones."""
    chosen = service.settings.valuation.backtest
    return {
        "start": start,
        "end": end,
        "train_pct": chosen.train_pct if train_pct is None else train_pct,
        "horizon": chosen.horizon,
        "refit": chosen.refit,
        "seed": service.settings.system.controls.seed,
    }


def chosen_models(copy: Copy, names: list[str]) -> tuple[PriceModel, ...]:
    """Return models of the copy, each once, fitted or not.

    Raises
    ------
    Refusal
        400 when a name is no model's.
    """
    from pipeline.valuation.registry import slug

    by_slug = {slug(name): model for name, model in copy.models.items()}
    asked = list(dict.fromkeys(slug(each.strip()) for name in names for each in name.split(",")))
    for each in asked:
        if each not in by_slug:
            raise unknown(copy, each, 400)
    return tuple(by_slug[each] for each in asked)


def fitted_names(copy: Copy) -> list[str]:
    """Return the names of the models that are fitted."""
    return [name for name, model in copy.models.items() if model.is_fitted]


def refuse_repeated(names: list[str], models: tuple[PriceModel, ...]) -> None:
    """Refuse an ensemble in which a member stands twice: its weights would be ambiguous.

    Raises
    ------
    Refusal
        400.
    """
    if len(models) != len(names):
        raise Refusal(400, "a model stands twice in the ensemble", "field: models; constraint: each once")
