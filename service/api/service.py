"""What the endpoints share: settings, the copy in force, keys, threads and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ComponentNotFoundError
from service.api.errors import Refusal
from service.api.refresh import GET_DATA

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from datetime import date

    from fastapi import Request

    from pipeline.config.settings import Settings
    from pipeline.valuation.model import PriceModel
    from service.api.copy import Copy, Pool
    from service.api.counts import Counts
    from service.api.keys import Keys
    from service.api.refresh import Keeper, State

LONGEST = 100
"""Letters of a name that are looked at and told."""
STATE = "bells_state"
"""Where a request's scope holds the state that its answer is made of."""


@dataclass(frozen=True)
class Service:
    """One for each app.

    Parameters
    ----------
    settings, keeper, keys
        As for `service.api.app.build_app`.
    pool
        Threads for what takes longer than a few milliseconds.
    counts
        Of answers.
    """

    settings: Settings
    keeper: Keeper
    keys: Keys
    pool: Pool
    counts: Counts

    def state_for(self, request: Request) -> State:
        """Return the state in force when the request first asked for it, and that one from then on."""
        return request.scope.setdefault(STATE, self.keeper.state)

    def copy_for(self, request: Request) -> Copy:
        """Return the one copy that the answer to a request is made of.

        Raises
        ------
        Refusal
            503 when there are no data yet.
        """
        state = self.state_for(request)
        if state.copy is None:
            why = state.trouble or "the first copy is being made"
            raise Refusal(503, "there are no data yet", f"{why}; fix: {state.fix or GET_DATA}", "no_data")
        return state.copy

    def today(self) -> date:
        """Return the day, UTC."""
        return self.keeper.clock.now().date()

    def age_s(self, state: State) -> float | None:
        """Return how long ago the copy of a state was last known to be the newest, seconds."""
        confirmed = state.confirmed_at
        return None if confirmed is None else max(0.0, (self.keeper.clock.now() - confirmed).total_seconds())

    def headers(self, scope: MutableMapping[str, Any]) -> dict[str, str]:
        """Return the headers that say how old the copy of an answer is and what it was made of.

        They are those of the copy that the request took, also when another one came meanwhile; nothing
        while there is none.
        """
        now = self.keeper.state
        taken: State = scope.get(STATE, now)
        state = now if now.copy is taken.copy else taken
        age = self.age_s(state)
        if state.copy is None or state.confirmed_at is None or age is None:
            return {}
        told = {"x-as-of": state.confirmed_at.isoformat(), "x-age-s": f"{age:.3f}"}
        if scope["path"].startswith("/api/v1/"):
            origin = state.copy.origin()
            told |= {
                "x-source": origin["source"],
                "x-simulated": str(origin["simulated"]).lower(),
                "x-latest-revision": str(origin["latest_revision"]).lower(),
                "x-data-through": origin["data_through"],
            }
        return told


def service_of(request: Request) -> Service:
    """Return the service of the app that got the request."""
    return request.app.state.service


def fitted_model(copy: Copy, name: str) -> PriceModel:
    """Return a fitted model of the copy by its name or slug.

    Raises
    ------
    Refusal
        404 when it is unknown or switched off, 503 when it could not be fitted.
    """
    from pipeline.valuation.registry import slug

    for known, model in copy.models.items():
        if slug(known) == slug(name):
            if model.is_fitted:
                return model
            raise Refusal(503, f"{known} has no data", copy.reasons[known] or "it is not fitted", "no_data")
    raise unknown(copy, name, 404)


def unknown(copy: Copy, name: str, status: int) -> Refusal:
    """Return the refusal of a name that is no model's, with the one that was meant where it can be told."""
    from pipeline.valuation.registry import get

    fix: str | None = "switch it on in valuation.yaml"
    try:
        get(name[:LONGEST])
    except ComponentNotFoundError as failure:
        fix = failure.fix
    return Refusal(
        status,
        "there is no such model",
        f"value: {name[:LONGEST]!r}; constraint: one of {', '.join(copy.models)}; fix: {fix}",
        "unknown_model",
    )
