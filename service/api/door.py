"""The connection under the app: how long a request may take to come, in seconds, and its head in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

MOST_HEAD_BYTES = 65_536
PATIENCE_S = 30.0
"""From the first byte of a request, or from the connection, until the request is whole."""


class Door(HttpToolsProtocol):
    """Uvicorn's connection; by itself it waits for ever and keeps headers of any length."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: TimerHandle | None = None
        self._head = self._told = 0
        self._in_head = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and close the connection when they only make the head longer."""
        self._head = self._head + len(data) if self._in_head else 0
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()  # Uvicorn stops its own wait at any byte, be it of no request
        super().data_received(data)
        if self._in_head and self._head > MOST_HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request."""
        super().on_message_begin()
        self._in_head, self._head, self._told = True, 0, 0
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header that came with its request's other bytes, and refuse what is too much.

        Raises
        ------
        ValueError
            Which Uvicorn answers with 400 and a closed connection.
        """
        self._told += len(name) + len(value)
        if self._told > MOST_HEAD_BYTES:
            raise ValueError("the head of the request is too long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop counting: a body has a bound of its own."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: what takes long now is our own work."""
        self._rest()
        super().on_message_complete()

    def _wait(self) -> None:
        self._rest()
        self._deadline = self.loop.call_later(PATIENCE_S, self.transport.close)

    def _rest(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
