"""A venue on 127.0.0.1: a threaded HTTP server that puts planned faults around a handler and logs requests.

What the venue says is the handler's business (`Request` to `Reply`); how the line treats it is `faults`'.
Times are those of the clock handed in: with a `SimulatedClock` shared with the client nothing here waits but
a ``slow`` answer, which must outlast the client's own timeout.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.support.loopback.faults import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from resources.clock import Clock

HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>maintenance</body></html>"


@dataclass(frozen=True)
class Request:
    """What a client asked: ``fault`` is the planned fault, for those that concern rows or the venue's time.

    ``now`` is the venue's own time, skew included.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    now: datetime
    fault: str | None = None
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What the venue answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Logged:
    """One request as the server saw it; ``at`` in seconds of the clock's monotonic time."""

    at: float
    path: str
    query: Mapping[str, str]
    fault: str | None
    status: int | None


def as_json(document: Any, status: int = 200) -> Reply:
    """Return a JSON reply."""
    return Reply(status, json.dumps(document).encode())


class LoopbackServer:
    """Serves one venue while the ``with`` block lasts.

    Parameters
    ----------
    handler
        Answers one request; called by one thread at a time.
    clock
        Stamps the log and the ``Date`` header.
    faults
        Which request meets which fault; none by default.
    skew
        How far the venue's clock is ahead of ours.
    slow_s
        Real seconds that a ``slow`` answer takes; longer than the client's timeout.
    retry_after_s
        What a 429 asks for.
    dated
        Whether answers carry a ``Date`` header.
    """

    def __init__(
        self,
        handler: Callable[[Request], Reply],
        *,
        clock: Clock,
        faults: FaultPlan | None = None,
        skew: timedelta = timedelta(0),
        slow_s: float = 0.5,
        retry_after_s: int = 3,
        dated: bool = True,
    ) -> None:
        self.handler = handler
        self.clock = clock
        self.faults = faults or FaultPlan()
        self.skew = skew
        self.slow_s = slow_s
        self.retry_after_s = retry_after_s
        self.dated = dated
        self.log: list[Logged] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        venue = self

        class Line(_Line):
            server_of = venue

        self._server = _Listener(("127.0.0.1", 0), Line)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Base address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
        if error is None and self._server.failures:
            raise self._server.failures[0]  # a fault of the fake would pass for a fault of the line

    def answer(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], line: _Line, body: bytes = b""
    ) -> None:
        """Plan, log and send the answer to one request."""
        with self._lock:
            at = self.clock.monotonic()
            now = self.clock.now() + self.skew
            fault = self.faults.next(path)
            reply = self._reply(Request(path, query, headers, now, fault, body), now)
            self.log.append(Logged(at, path, dict(query), fault, reply.status))
        if fault == "closed":
            line.hang_up()
            return
        if fault == "slow":
            self._closing.wait(self.slow_s)
        with suppress(BrokenPipeError, ConnectionResetError):  # the client had enough of waiting
            date = format_datetime(now, usegmt=True) if self.dated else None
            line.send(reply, date=date, cut=fault == "truncated")

    def _reply(self, request: Request, now: datetime) -> Reply:
        fault = request.fault
        later = now.replace(microsecond=0) + timedelta(seconds=self.retry_after_s)
        instead = {
            "429_seconds": _limited(str(self.retry_after_s)),
            "429_date": _limited(format_datetime(later, usegmt=True)),
            **{code: Reply(int(code), b'{"error": "out of order"}') for code in ("500", "502", "503")},
            "html": Reply(200, HTML, {"Content-Type": "text/html"}),
            "html_502": Reply(502, HTML, {"Content-Type": "text/html"}),
        }
        if fault in instead:
            return instead[fault]
        reply = self.handler(request)
        if fault == "invalid_json":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        return reply


def _limited(retry_after: str) -> Reply:
    headers = {"Content-Type": "application/json", "Retry-After": retry_after}
    return Reply(429, b'{"code": -1003, "msg": "Too many requests."}', headers)


class _Listener(ThreadingHTTPServer):
    """Accepts connections; remembers what went wrong in a handler, but not that a client hung up."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], line: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, line)
        self.failures: list[BaseException] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.failures.append(error)


class _Line(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together, or the line waits 40 ms for an acknowledgement
    server_of: LoopbackServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.server_of.answer(parts.path, query, dict(self.headers), self)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server_of.answer(urlsplit(self.path).path, {}, dict(self.headers), self, body)

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, reply: Reply, *, date: str | None, cut: bool) -> None:
        """Send the reply; ``cut`` promises the whole body, sends half of it and hangs up."""
        self.send_response_only(reply.status)
        if date is not None:
            self.send_header("Date", date)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        self.wfile.flush()
        if cut:
            self.hang_up()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log is the server's list."""
