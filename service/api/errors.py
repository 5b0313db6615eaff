"""Every failure as ``{error, code, detail, trace_id}``: which status each error of ours has over HTTP."""

from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipeline.errors import (
    BellsError,
    ComponentNotFoundError,
    ConfigError,
    InsufficientDataError,
    RefusedError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

NAMES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
}


class UnavailableError(BellsError):
    """There is nothing to answer from yet."""

    exit_code = 2


class OverloadedError(BellsError):
    """Too much long work is asked at once, or it takes too long; it may be asked again."""

    exit_code = 4


class UnauthorisedError(RefusedError):
    """No key, or not one of ours."""


def status_of(failure: BellsError) -> int:
    """Return the HTTP status of an error."""
    for kind, status in (
        (UnavailableError, 503),
        (OverloadedError, 429),
        (UnauthorisedError, 401),
        (RefusedError, 403),
        (ComponentNotFoundError, 404),
        (ConfigError, 400),
        (InsufficientDataError, 400),
    ):
        if isinstance(failure, kind):
            return status
    return 503


def record(request: "Request", status: int, name: str, detail: str, **headers: str) -> JSONResponse:
    """Return the answer of a failure."""
    body = {"error": name, "code": status, "detail": detail, "trace_id": request.scope.get("trace_id", "")}
    return JSONResponse(body, status, headers={"Cache-Control": "no-store", **headers})


def install(app: "FastAPI") -> None:
    """Give the app its handlers."""

    @app.exception_handler(BellsError)
    def ours(request: "Request", failure: BellsError) -> JSONResponse:
        status = status_of(failure)
        retry = {"Retry-After": "2"} if status in {429, 503} else {}
        return record(request, status, type(failure).__name__, str(failure), **retry)

    @app.exception_handler(RequestValidationError)
    def invalid(request: "Request", failure: RequestValidationError) -> JSONResponse:
        found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in failure.errors()]
        return record(request, 400, "InvalidRequest", "; ".join(found))

    @app.exception_handler(HTTPException)
    def http(request: "Request", failure: HTTPException) -> JSONResponse:
        name = NAMES.get(failure.status_code, "http_error")
        headers = dict(failure.headers or {})
        return record(request, failure.status_code, name, str(failure.detail), **headers)
