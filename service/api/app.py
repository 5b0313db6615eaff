"""The ASGI app: routes, failures and the outer frame put together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from service.api import board, errors, page, power_law, standing, valuation
from service.api.access import HEADER
from service.api.copy import Pool
from service.api.counts import Counts
from service.api.frame import Frame
from service.api.keys import Keys
from service.api.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pipeline.config.settings import Settings
    from service.api.refresh import Keeper

HEADERS: dict[str, Any] = {
    "X-As-Of": {"description": "When the copy was last known to be the newest", "schema": {"type": "string"}},
    "X-Age-S": {"description": "Seconds since then", "schema": {"type": "string"}},
}
ORIGIN: dict[str, Any] = {
    "X-Source": {"description": "Where the data of the answer come from", "schema": {"type": "string"}},
    "X-Simulated": {
        "description": "Whether a simulator made any of them",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "X-Latest-Revision": {
        "description": "Whether the past is known as it was revised later",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "X-Data-Through": {
        "description": "The newest day, YYYY-MM-DD",
        "schema": {"type": "string", "format": "date"},
    },
}


def build_app(settings: Settings, keeper: Keeper, keys: Keys | None = None) -> FastAPI:
    """Return the app over a keeper of the copy.

    Parameters
    ----------
    settings
        All settings.
    keeper
        Started and stopped with the app.
    keys
        None: nobody is asked for one.
    """
    service = Service(
        settings=settings,
        keeper=keeper,
        keys=keys or Keys(),
        pool=Pool(settings.service.workers, settings.service.waiting),
        counts=Counts(),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        keeper.start()
        yield
        keeper.stop()
        service.pool.close()

    app = FastAPI(
        title="Eight Bells",
        version="1",
        description="What bitcoin is worth by several models. Answers come from a copy in memory;"
        " X-As-Of and X-Age-S say how old it is, X-Source and X-Simulated where its data come from.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(power_law.router)  # before the paths with a name in them
    app.include_router(board.router)
    app.include_router(valuation.router)
    app.include_router(standing.router)
    app.include_router(page.router)
    errors.install(app)
    app.add_middleware(
        Frame, standing=service.headers, counts=service.counts, monotonic=keeper.clock.monotonic
    )
    _document(app, with_keys=service.keys.configured)
    return app


def _document(app: FastAPI, *, with_keys: bool) -> None:
    """Say in ``/openapi.json`` what all answers share, and nothing that no answer has (422)."""
    make = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = make()
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    if with_keys and path.startswith("/api/"):
                        operation["security"] = [{"key": []}]
                    operation["responses"].pop("422", None)
                    for answer in operation["responses"].values():
                        answer["headers"] = HEADERS | (ORIGIN if path.startswith("/api/v1/") else {})
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(name, None)
            if with_keys:
                key = {"type": "apiKey", "in": "header", "name": HEADER}
                schema["components"]["securitySchemes"] = {"key": key}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described
