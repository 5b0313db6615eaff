"""``bells serve``: the HTTP service, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError, RefusedError, ResourceError
from service.cli.opening import open_for
from service.cli.output import Set  # noqa: TC001 - typer reads the annotation

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from fastapi import FastAPI

    from resources.desk import Desk

KEYS = "BELLS_API_KEYS"
"""Environment variable with the keys, separated by commas."""
POLL_S = 1.0


def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", help="1 to 65535.")] = 4500,
    assignments: Set = None,
) -> int:
    """Serve valuation models and a page over HTTP, from a copy in memory."""
    from service.api.keys import is_loopback

    if not 1 <= port <= 65_535:  # noqa: PLR2004 - ports of TCP
        raise ConfigError("the port is out of range", "--port", port, "1 to 65535")
    keys = tuple(each for each in os.environ.get(KEYS, "").split(",") if each)
    if not keys and not is_loopback(host):
        raise RefusedError(
            "without keys the service listens on this machine only",
            "--host",
            host,
            "a loopback address, or keys",
            f"set {KEYS}, or leave out --host",
        )
    desk = open_for(assignments)
    return _run(_app(desk, keys), _listening(host, port))


def _app(desk: Desk, keys: tuple[str, ...]) -> FastAPI:
    from pipeline.valuation.configured import configured_models
    from pipeline.valuation.walk_forward import calibrate_or_flag
    from service.api.app import build_app
    from service.api.copy import Copy
    from service.api.reading import Reader

    settings = desk.loaded.settings
    chosen = settings.valuation

    copy = Copy(
        Reader(desk.warehouse, desk.clock.now),
        lambda: configured_models(chosen),
        fit=lambda model, history: calibrate_or_flag(
            model, history, horizons=chosen.intervals.horizons, refit=chosen.backtest.refit
        ),
    )
    options = {
        "horizon": chosen.backtest.horizon,
        "refit": chosen.backtest.refit,
        "seed": settings.system.controls.seed,
    }
    return build_app(
        copy, today=lambda: desk.clock.now().date(), keys=keys, backtest_options=options, poll_s=POLL_S
    )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as failure:
        bound.close()
        raise ResourceError(
            f"cannot listen there: {failure.strerror}",
            "--host, --port",
            f"{host}:{port}",
            "a free port of an address of this machine",
            "stop what listens there, or name another --port",
        ) from failure
    return bound


def _run(app: FastAPI, bound: socket.socket) -> int:
    """Serve until a signal; Ctrl-C leaves with 130 and SIGTERM with 0."""
    import structlog
    import uvicorn

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

    stopped: list[int] = []

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None]:
            """Take both signals; uvicorn's own would raise them again at the end."""
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
            yield

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            stopped.append(sig)
            super().handle_exit(sig, frame)

    server = Server(uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=3))
    with bound:
        server.run(sockets=[bound])
    return 130 if signal.SIGINT in stopped else 0
