"""Answers that end: a cap on size and time for clients that ask through requests, as ccxt and alpaca-py do.

requests itself bounds only the silence between two bytes, so that a venue which drips is waited for without
end, and a huge answer fills the memory.  `http` has the same limits for the adapters of our own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from resources.venues.http import LONGEST_ANSWER_S, MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

_PIECE = 65_536


def bounded(
    session: requests.Session,
    *,
    most_bytes: int = MOST_BYTES,
    longest_s: float = LONGEST_ANSWER_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Make a session give up answers that are too large or take too long, as a broken line.

    Parameters
    ----------
    session
        The client's own.
    most_bytes
        Of the unpacked body.
    longest_s
        From the first byte of the body to the last one, seconds.
    monotonic
        Seconds that only rise.
    """
    from requests.adapters import HTTPAdapter
    from requests.exceptions import ConnectionError as BrokenLineError
    from urllib3.exceptions import HTTPError

    class Bounded(HTTPAdapter):
        """Reads the body itself, piece by piece."""

        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            response = super().send(request, *args, **{**options, "stream": True})
            began, parts, size = monotonic(), [], 0
            while part := _piece(response, request):
                parts.append(part)
                size += len(part)
                if size > most_bytes or monotonic() - began > longest_s:
                    response.close()
                    limit = f"{most_bytes / 1e6:g} MB" if size > most_bytes else f"{longest_s:g} s"
                    raise BrokenLineError(f"the answer takes more than {limit}", request=request)
            response._content = b"".join(parts)  # noqa: SLF001 - what reading `content` would set
            return response

    def _piece(response: Any, request: Any) -> bytes:
        try:
            return response.raw.read1(_PIECE, decode_content=True)  # what has come, however little
        except HTTPError as error:
            raise BrokenLineError(error, request=request) from error

    for scheme in ("https://", "http://"):
        session.mount(scheme, Bounded())
