"""Failures as answers: which status each has, and the one body that all of them share."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipeline.errors import BellsError, ResourceError
from service.api.schemas import ApiError

LOG = logging.getLogger("bells.api")
CODES = {
    400: "bad_request",
    401: "key_required",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    500: "fault",
    503: "unavailable",
}
MEANINGS = {
    304: "Nothing has changed since the answer whose ETag was sent",
    400: "An input breaks a rule",
    401: "A key is required in the header X-API-Key",
    403: "Without keys only this machine, by its own name, is answered; other sites change nothing",
    404: "There is no such model",
    405: "The path knows other methods",
    413: "The body is longer than 64 KiB",
    503: "There are no data yet, or too many requests wait",
}
UNCHANGED = 304
RETRY_S = 1


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """An answer other than the one that was asked for.

    Parameters
    ----------
    status
        HTTP status.
    error, detail
        As `ApiError`.
    code
        By default that of the status.
    """

    def __init__(self, status: int, error: str, detail: str, code: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.detail = detail
        self.code = code or CODES[status]


def of_bells(failure: BellsError, status: int = 400, code: str | None = None) -> Refusal:
    """Return one of our errors as a refusal."""
    said = failure.to_dict()
    parts = [f"{name}: {said[name]}" for name in ("field", "value", "constraint", "fix") if said[name]]
    return Refusal(status, failure.what, "; ".join(parts) or failure.what, code)


def body(status: int, error: str, detail: str, code: str, trace_id: str) -> JSONResponse:
    """Return the answer of a failure."""
    said = ApiError(error=error, code=code, detail=detail, trace_id=trace_id)
    headers = {"Retry-After": str(RETRY_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(said.model_dump(), status_code=status, headers=headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of OpenAPI for failures; every path has 400, 401, 403 and 405."""
    return {
        status: {"description": MEANINGS[status]} | ({} if status == UNCHANGED else {"model": ApiError})
        for status in sorted({400, 401, 403, 405, *statuses})
    }


def install(app: FastAPI) -> None:
    """Make every failure of an app answer with the one body."""

    @app.exception_handler(Refusal)
    async def _refused(request: Request, failure: Refusal) -> JSONResponse:
        return body(failure.status, failure.error, failure.detail, failure.code, trace_of(request))

    @app.exception_handler(BellsError)
    async def _ours(request: Request, failure: BellsError) -> JSONResponse:
        said = of_bells(failure, 503 if isinstance(failure, ResourceError) else 400)
        return body(said.status, said.error, said.detail, said.code, trace_of(request))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, failure: RequestValidationError) -> JSONResponse:
        first = failure.errors()[0]
        place, *names = first["loc"]
        numbers = [each for each in names[1:] if isinstance(each, int)]  # the rest are names of our types
        where = ".".join(map(str, [place, *names[:1], *numbers]))
        detail = f"field: {where}; constraint: {first['msg']}"
        if place == "body" and "json" not in request.headers.get("Content-Type", ""):
            detail = "field: Content-Type; constraint: application/json; fix: send it as a header"
        return body(400, "an input breaks a rule", detail, "invalid_input", trace_of(request))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, failure: HTTPException) -> JSONResponse:
        status = failure.status_code
        error = {404: "there is nothing at this path", 405: "the path knows other methods"}.get(status)
        code = CODES.get(status, "bad_request")
        said = body(status, error or str(failure.detail), f"{request.method} {request.url.path}", code,
                    trace_of(request))  # fmt: skip
        said.headers.update(failure.headers or {})
        if said.headers.get("Allow") == "GET":
            said.headers["Allow"] = "GET, HEAD"
        return said


def fault(error: Exception, trace_id: str) -> JSONResponse:
    """Return the answer of an error that nobody expected, and log it; the caller learns its name only."""
    LOG.error("unexpected %s, trace %s", type(error).__name__, trace_id, exc_info=error)
    return body(500, "this is a fault of ours", f"report the trace {trace_id}", CODES[500], trace_id)


def trace_of(request: Request) -> str:
    """Return the name that the request got when it came in."""
    return str(request.scope.get("bells_trace", "unknown"))
