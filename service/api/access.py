"""What a request must bring before an endpoint is asked."""

from urllib.parse import urlsplit

from fastapi import Request

from service.api.errors import Refusal
from service.api.keys import is_loopback
from service.api.service import service_of

HEADER = "X-API-Key"


async def key_required(request: Request) -> None:
    """Refuse a request without a key where keys are configured, and one under a foreign name where not.

    A page of another site can have its own name resolved to this machine; its browser then takes our
    answers for that site's, but still sends that name as ``Host``.

    Raises
    ------
    Refusal
        401, 403.
    """
    keys = service_of(request).keys
    if not keys.opens(request.headers.get(HEADER)):
        raise Refusal(401, "a key is required", f"send it in the header {HEADER}")
    host = request.headers.get("Host")
    if not keys.configured and host is not None and not is_loopback(_name(f"//{host}")):
        raise Refusal(403, "without keys only this machine's own names are answered", "ask 127.0.0.1")


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
    if origin is not None and origin.partition("://")[2] != request.headers.get("Host"):
        raise Refusal(403, "a page of another site may not do this", "the Origin is not this service")


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
