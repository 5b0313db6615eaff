"""Who may ask: keys from the environment, compared in constant time and never logged."""

import hmac
from collections.abc import Sequence
from ipaddress import ip_address

from fastapi import Request

from pipeline.errors import RefusedError
from service.api.errors import UnauthorisedError


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's own."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_ours(given: str, keys: Sequence[str]) -> bool:
    """Return whether a key is one of ours; every key is compared, so that time tells nothing."""
    return sum(hmac.compare_digest(given.encode(), each.encode()) for each in keys) > 0


def may_ask(request: Request) -> None:
    """Refuse a request without a key where keys are configured.

    Raises
    ------
    UnauthorisedError
        Without one of our keys.
    """
    keys = request.app.state.keys
    if keys and not is_ours(request.headers.get("x-api-key", ""), keys):
        raise UnauthorisedError(
            "this service wants a key", "X-API-Key", constraint="one of the configured keys"
        )


def may_change(request: Request) -> None:
    """Refuse a change without a key, or from another machine where no key is configured.

    Raises
    ------
    UnauthorisedError, RefusedError
        See above.
    """
    may_ask(request)
    client = request.client.host if request.client else ""
    if not request.app.state.keys and not is_loopback(client):
        raise RefusedError(
            "a change is taken from this machine only while no key is configured",
            "client",
            client,
            "a loopback address",
            "configure a key",
        )
