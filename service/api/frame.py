"""What every request passes: its trace, the headers of every answer, ETags, counts, and the last door."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from service.api.errors import UNCHANGED, body, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.api.counts import Counts

MOST_BYTES = 65_536
"""Length of a request's body."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": POLICY,
}


class Frame:
    """The outermost layer of the app; answers are small, so each is held whole before it is sent.

    Parameters
    ----------
    app
        What is inside.
    standing
        Headers that say which copy a request was answered from, asked for at each answer.
    counts
        Told of every answer.
    monotonic
        Seconds, for durations.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        standing: Callable[[Scope], Mapping[str, str]],
        counts: Counts,
        monotonic: Callable[[], float],
    ) -> None:
        self.app = app
        self.standing = standing
        self.counts = counts
        self.monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = self.monotonic()
        head = scope["method"] == "HEAD"
        trace = secrets.token_hex(8)
        scope = {**scope, "bells_trace": trace, "method": "GET" if head else scope["method"]}
        held, body_in = _Held(), _Bounded(receive)
        try:
            await self.app(scope, body_in, held.take)
        except Exception as error:  # noqa: BLE001 - the last door: a fault has the one body too
            held = await _said(fault(error, trace), scope)
        if body_in.too_long:
            held = await _said(
                body(413, "the body is too long", f"at most {MOST_BYTES} bytes", "too_large", trace), scope
            )
        headers = {**SAFE, **self.standing(scope), "x-trace-id": trace}
        await held.give(send, scope, headers, bodiless=head)
        self.counts.add(held.status, self.monotonic() - began)


class _Held:
    """An answer on its way out."""

    def __init__(self) -> None:
        self.status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self._body.append(message.get("body", b""))

    async def give(self, send: Send, scope: Scope, more: Mapping[str, str], *, bodiless: bool) -> None:
        content = b"".join(self._body)
        headers = [(k, v) for k, v in self._headers if k.lower() != b"content-length"]
        if scope["method"] == "GET" and self.status == 200:  # noqa: PLR2004 - OK
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            headers += [(b"etag", tag.encode()), (b"cache-control", b"private, no-cache")]
            if _matches(_header(scope, b"if-none-match"), tag):
                self.status, content = UNCHANGED, b""
                headers = [(k, v) for k, v in headers if k.lower() != b"content-type"]
        else:
            headers.append((b"cache-control", b"no-store"))
        headers += [(name.encode(), value.encode()) for name, value in more.items()]
        if self.status != UNCHANGED:
            headers.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if bodiless else content})


def _matches(asked: str, tag: str) -> bool:
    given = {each.strip().removeprefix("W/") for each in asked.split(",")}
    return tag in given or "*" in given


def _header(scope: Scope, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name)


class _Bounded:
    """The body of a request, cut off where it is longer than `MOST_BYTES`."""

    def __init__(self, receive: Receive) -> None:
        self.too_long = False
        self._receive = receive
        self._seen = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > MOST_BYTES:
            self.too_long = True
            return {"type": "http.disconnect"}
        return message


async def _said(answer: ASGIApp, scope: Scope) -> _Held:
    held = _Held()

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await answer(scope, nothing, held.take)
    return held
