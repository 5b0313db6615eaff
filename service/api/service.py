"""What the endpoints share: settings, the copy in force, keys, threads and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.api.errors import Refusal

if TYPE_CHECKING:
    from datetime import date

    from fastapi import Request

    from pipeline.config.settings import Settings
    from pipeline.valuation.model import PriceModel
    from service.api.copy import Copy, Pool
    from service.api.counts import Counts
    from service.api.keys import Keys
    from service.api.refresh import Keeper


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

    @property
    def copy(self) -> Copy:
        """The copy in force; take it once in a request.

        Raises
        ------
        Refusal
            503 when there are no data yet.
        """
        held = self.keeper.state.copy
        if held is None:
            why = self.keeper.state.trouble or "the first copy is being made"
            raise Refusal(503, "there are no data yet", why, "no_data")
        return held

    def today(self) -> date:
        """Return the day, UTC."""
        return self.keeper.clock.now().date()

    def age_s(self) -> float | None:
        """Return how long ago the copy was last known to be the newest, seconds."""
        confirmed = self.keeper.state.confirmed_at
        return None if confirmed is None else max(0.0, (self.keeper.clock.now() - confirmed).total_seconds())

    def headers(self) -> dict[str, str]:
        """Return the headers that say how old the copy is; nothing while there is none."""
        confirmed, age = self.keeper.state.confirmed_at, self.age_s()
        if confirmed is None or age is None:
            return {}
        return {"x-as-of": confirmed.isoformat(), "x-age-s": f"{age:.3f}"}


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
    """Return the refusal of a name that is no model's."""
    known = ", ".join(copy.models)
    return Refusal(
        status,
        "there is no such model",
        f"value: {name[:100]!r}; constraint: one of {known}",
        "unknown_model",
    )
