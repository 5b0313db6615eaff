"""Around every request: a trace id, a line in the log, counts, latencies; ``/health`` and ``/metrics``."""

import secrets
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("service.api")
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
router = APIRouter(tags=["service"])


class Figures:
    """Requests by route and status, and how long they took."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.buckets: Counter[float] = Counter()
        self.seconds = 0.0

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests[method, route, status] += 1
        self.seconds += seconds
        self.buckets[next((each for each in BOUNDS_S if seconds <= each), float("inf"))] += 1

    def text(self, age_s: float) -> str:
        """Return the figures in Prometheus' text format."""
        lines = ["# TYPE bells_requests_total counter"]
        for (method, route, status), n in sorted(self.requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            lines.append(f"bells_requests_total{{{labels}}} {n}")
        lines.append("# TYPE bells_request_seconds histogram")
        total = 0
        for bound in (*BOUNDS_S, float("inf")):
            total += self.buckets[bound]
            shown = "+Inf" if bound == float("inf") else f"{bound:g}"
            lines.append(f'bells_request_seconds_bucket{{le="{shown}"}} {total}')
        lines += [f"bells_request_seconds_sum {self.seconds:.6f}", f"bells_request_seconds_count {total}"]
        lines += ["# TYPE bells_copy_age_seconds gauge", f"bells_copy_age_seconds {age_s:.3f}"]
        return "\n".join(lines) + "\n"


class Observed:
    """The outermost layer of the app."""

    def __init__(self, app: "ASGIApp", figures: Figures) -> None:
        self._app, self._figures = app, figures

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, trace = perf_counter(), secrets.token_hex(8)
        scope["trace_id"] = trace
        status = 500

        async def sending(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-trace-id", trace.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            took = perf_counter() - began
            route = getattr(scope.get("route"), "path", "other")
            known = scope["method"] if scope["method"] in {"GET", "POST", "HEAD"} else "other"
            self._figures.add(known, route, status, took)
            log.info("request", trace_id=trace, method=known, route=route, status=status, seconds=took)


@router.get("/health")
async def health(request: Request) -> JSONResponse:
    """Return 200 where there are data, 503 where there are none yet; and what is wrong."""
    copy = request.app.state.copy
    held = copy.held
    body: dict[str, Any] = {
        "status": "no data" if held is None else "ok" if copy.problem is None else "stale",
        "problem": copy.problem,
        "age_s": round(copy.age_s(), 3),
        "as_of": held.as_of.isoformat() if held else None,
        "simulated": held.simulated if held else None,
        "feed": held.rows.feed if held else None,
        "unfitted": dict(held.absent) if held else {},
        "trace_id": request.scope.get("trace_id", ""),
    }
    return JSONResponse(body, 503 if held is None else 200, headers={"Cache-Control": "no-store"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """Return counts and latencies for a scraper."""
    return PlainTextResponse(request.app.state.figures.text(request.app.state.copy.age_s()))
