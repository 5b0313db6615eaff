"""``bells serve``: the HTTP interface, until it is told to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import contextmanager
from errno import EADDRINUSE
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError, RefusedError, ResourceError
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, say

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from fastapi import FastAPI

    from service.api.keys import Keys

INTERRUPTED = 130
BACKLOG = 2048
GRACE_S = 5
KEEP_ALIVE_S = 75
SWITCH_S = 0.0005
"""How long a thread that fits models may hold the interpreter while requests wait."""


def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="NUMBER", help="Port to listen on.")] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Answer over HTTP from a copy in memory: valuation models at /api/v1/models, a page at /."""
    from assets.valuation.rows import config_of
    from service.api.app import build_app
    from service.api.fitting import Fitting
    from service.api.keys import keys_from
    from service.api.refresh import Keeper, WarehouseSource

    address = (
        None if host is None else json.dumps(host)
    )  # options are read as YAML, and :: is a mapping there
    desk = open_for(assignments, writes=True, service__host=address, service__port=port)
    settings = desk.loaded.settings
    service = settings.service
    keys = keys_from(os.environ, service.api_key_env)
    _require_keys(service.host, keys)
    source = WarehouseSource(desk.warehouse, desk.chain.feed, config_of(settings.valuation))
    fitting = Fitting()
    keeper = Keeper(source, settings.valuation, desk.clock, poll_s=service.poll_s, build=fitting)
    app = build_app(settings, keeper, keys)
    listening = _listen(service.host, service.port)
    name, number = listening.getsockname()[:2]
    url = f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"
    pid: int | str = os.getpid() if as_json else str(os.getpid())  # a name, not a quantity
    emit({"ok": True, "url": url, "pid": pid, "keys": keys.configured}, as_json=as_json)
    if not desk.warehouse.path.exists():
        say("there is no warehouse yet: `bells data update` or `make run` makes one, and it is picked up")
    if not as_json:
        say("Ctrl-C stops it")
    try:
        return _run(app, listening)
    finally:
        fitting.close()


def _run(app: FastAPI, listening: socket.socket) -> int:
    """Serve until a signal; return 0 after SIGTERM and 130 after Ctrl-C."""
    import sys

    import uvicorn

    from service.api.door import Door

    stopped: list[int] = []

    class Server(uvicorn.Server):
        """One that keeps the signals to itself instead of raising them again when it is done."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.service.pool.close()  # work that waits is refused; what runs has its answer
            await super().shutdown(sockets)

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            def stop(number: int, frame: FrameType | None) -> None:
                stopped.append(number)
                self.handle_exit(number, frame)

            before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for each, handler in before.items():
                    signal.signal(each, handler)

    options: dict[str, Any] = {
        "log_level": "warning",
        "timeout_keep_alive": KEEP_ALIVE_S,
        "access_log": False,
        "server_header": False,
        "http": Door,
    }
    config = uvicorn.Config(app, backlog=BACKLOG, timeout_graceful_shutdown=GRACE_S, **options)
    sys.setswitchinterval(SWITCH_S)
    with listening:
        Server(config).run(sockets=[listening])
    return INTERRUPTED if stopped and stopped[0] == signal.SIGINT else 0


def _require_keys(host: str, keys: Keys) -> None:
    from service.api.keys import is_loopback

    if not keys.configured and not is_loopback(host):
        raise RefusedError(
            "without keys nobody on another machine is served",
            field="service.host",
            value=host,
            constraint="127.0.0.1, ::1 or localhost while service.api_key_env is null",
            fix="listen on 127.0.0.1, or export keys and name their variable in service.api_key_env",
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError(
            "this is no address to listen on",
            field="service.host",
            value=host,
            constraint=error.strerror,
            fix="write 127.0.0.1",
        ) from error
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        busy = error.errno == EADDRINUSE
        raise ResourceError(
            "another program listens on this port" if busy else "this port cannot be had",
            field="service.port",
            value=f"{host}:{port}",
            constraint=error.strerror,
            fix="stop that program, or choose another port with --port",
        ) from error
    return opened
