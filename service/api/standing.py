"""``/health`` and ``/metrics``: how the service is, open to everybody and true without data."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from service.api.copy import Copy
from service.api.counts import TYPE
from service.api.errors import documented
from service.api.schemas import Health
from service.api.service import service_of

router = APIRouter(tags=["standing"])
LATE_S = 30.0
"""A copy that could not be confirmed for so long is stale."""
LATE_DATA = timedelta(hours=48)
"""As the market's series: data are stale when the next day is this late."""


@router.get("/health", responses=documented())
async def health(request: Request) -> Health:
    """Tell how old the copy is and what is in the way of a newer one."""
    service = service_of(request)
    state = service.state_for(request)
    age = service.age_s(state)
    held = state.copy
    if held is None:
        return Health(
            status="empty", as_of=None, age_s=None, data_through=None, board_through=None, source=None,
            simulated=None, latest_revision=None, models={}, trouble=state.trouble, snapshot=None,
        )  # fmt: skip
    return Health(
        status="stale" if (age or 0.0) > LATE_S or _late(held, service.keeper.clock.now()) else "ok",
        as_of=state.confirmed_at,
        age_s=age,
        data_through=held.history.date[-1].item(),
        board_through=held.board.data_through if held.board else None,
        source=held.inputs.feed,
        simulated=held.inputs.simulated,
        latest_revision=held.inputs.latest_revision,
        models=dict(held.reasons),
        trouble=state.trouble,
        snapshot=held.name,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented()},
)
async def metrics(request: Request) -> Response:
    """Tell counts and ages in the text form of Prometheus."""
    service = service_of(request)
    text = service.counts.text({"bells_api_copy_age_seconds": service.age_s(service.keeper.state)})
    return Response(text, media_type=TYPE)


def _late(copy: Copy, now: datetime) -> bool:
    """Whether the day after the newest one has ended for longer than `LATE_DATA`."""
    newest = copy.history.date[-1].item()
    return now.date() - newest > timedelta(days=2) + LATE_DATA
