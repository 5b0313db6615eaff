"""``/api/v1/models/board``: the newest stored board, as it was judged; nothing is judged here."""

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from assets.valuation.board_read import StoredBoard
from service.api.access import key_required
from service.api.answers import as_json
from service.api.errors import Refusal, documented
from service.api.schemas import Record
from service.api.service import service_of

Share = Annotated[float | None, Field(ge=0.0, le=1.0)]

router = APIRouter(prefix="/api/v1/models", tags=["models"], dependencies=[Depends(key_required)])


class BoardRow(Record):
    """One model at one horizon; null is unknown, and a verdict stands at the verdict's horizon only."""

    model: str
    horizon: int = Field(description="Days ahead")
    n: int | None = Field(description="Forecasts that were scored")
    mape: float | None
    rmse_log: float | None
    skill: float | None = Field(description="1 - MSE / MSE of the last price, of ln errors")
    skill_drift: float | None = Field(description="As skill, the last price moved by the drift so far")
    p: Share = Field(description="Share of random walks with at least that skill, the worst of the drifts")
    power: Share = Field(description="Chance to find the fitted structure, were it true")
    coverage_68: Share
    coverage_95: Share
    verdict: Literal["skill", "structure", "undecided", "no skill"] | None
    reason: str


class Board(Record):
    """What is left of each model when random walks go through the same pipeline."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    source: str
    simulated: bool
    data_through: dt.date = Field(description="The newest day that it was judged by")
    verdict_horizon: int = Field(description="Days ahead of the verdicts")
    models: list[str] = Field(description="In order of rank, those without a verdict last")
    rows: list[BoardRow]


@router.get("/board", response_model=Board, responses=documented(304, 503))
async def board(request: Request) -> Response:
    """Tell what the newest board says of each model; `bells models board` and a monthly job make it."""
    service = service_of(request)
    copy = service.copy_for(request)
    if copy.board is None:
        raise Refusal(
            503,
            "there is no board yet",
            f"no board of {copy.inputs.feed} with these settings is stored; `bells models board` makes one",
            "no_data",
        )
    told = copy.bodies.get("board")
    if told is None:
        horizon = service.settings.valuation.falsification.verdict_horizon
        told = _told(copy.board, copy.inputs.feed, horizon).model_dump_json()
        copy.bodies["board"] = told
    return as_json(told)


def _told(stored: StoredBoard, source: str, horizon: int) -> Board:
    return Board(
        source=source,
        simulated=stored.simulated,
        data_through=stored.data_through,
        verdict_horizon=horizon,
        models=list(dict.fromkeys(row["model"] for row in stored.rows)),
        rows=[BoardRow.model_validate(_row(row)) for row in stored.rows],
    )


def _row(stored: Any) -> dict[str, Any]:
    told = {**stored, "horizon": stored["horizon_days"]}
    return {name: told[name] for name in BoardRow.model_fields}
