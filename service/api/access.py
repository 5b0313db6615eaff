"""What a request must bring before an endpoint is asked."""

from urllib.parse import urlsplit

from fastapi import Request

from service.api.errors import Refusal
from service.api.keys import is_loopback
from service.api.service import service_of

HEADER = "X-API-Key"


async def key_required(request: Request) -> None:
    """Refuse a request without a key where keys are configured.

    Raises
    ------
    Refusal
        401.
    """
    if not service_of(request).keys.opens(request.headers.get(HEADER)):
        raise Refusal(401, "a key is required", f"send it in the header {HEADER}")


async def may_change(request: Request) -> None:
    """Refuse a change by somebody on another machine, or by a foreign page in a browser here.

    Raises
    ------
    Refusal
        403.
    """
    caller = request.client.host if request.client else None
    if not service_of(request).keys.configured and not is_loopback(caller):
        raise Refusal(
            403,
            "without keys only this machine may do this",
            "configure service.api_key_env, or ask from here",
        )
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise Refusal(403, "a page of another site may not do this", "the Origin is not this service")
