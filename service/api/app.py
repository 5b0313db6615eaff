"""The ASGI app of ``bells serve``; a later part (learning, oracle) mounts its own router here."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from fastapi import FastAPI

from service.api import errors, models_routes, observed, page, power_law_routes
from service.api.copy import Copy
from service.api.work import Work


def build_app(
    copy: Copy,
    *,
    today: Callable[[], date],
    keys: Sequence[str] = (),
    backtest_options: Mapping[str, Any] | None = None,
    work: Work | None = None,
    poll_s: float | None = None,
) -> FastAPI:
    """Return the app.

    Parameters
    ----------
    copy
        What requests are answered from.
    today
        The UTC day that a prediction without a date means.
    keys
        Secrets of ``X-API-Key``; none leaves reading open.
    backtest_options
        ``horizon``, ``refit`` and ``seed`` of backtests.
    work
        The pool of long requests.
    poll_s
        Seconds between looks at the warehouse; None leaves refreshing to the caller.
    """
    pool = work or Work()

    @asynccontextmanager
    async def living(_app: FastAPI) -> AsyncGenerator[None]:
        if poll_s is not None:
            copy.start(poll_s)
        try:
            yield
        finally:
            copy.stop()
            pool.close()

    app = FastAPI(title="Eight Bells", version="1", docs_url=None, redoc_url=None, lifespan=living)
    state = app.state
    state.copy, state.today, state.keys, state.work = copy, today, tuple(keys), pool
    state.backtest_options = dict(backtest_options or {})
    state.figures = observed.Figures()
    errors.install(app)
    app.include_router(power_law_routes.router)  # before the models: /{name}/predict would take its paths
    app.include_router(models_routes.router)
    app.include_router(observed.router)
    app.include_router(page.router)
    app.add_middleware(observed.Observed, figures=state.figures)
    return app
