"""Venues by kind: the only place that knows which adapters exist; the rest come from installed packages.

A package adds a kind by an entry point of the group `GROUP`.  A file of settings can name only what is
installed and says of itself that it is a venue, never any module, so that settings run no code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from pipeline.errors import ComponentNotFoundError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resources.clock import Clock
    from resources.market.live_settings import VenueSettings
    from resources.venues.port import BarVenue, SeriesVenue

    Venue: TypeAlias = BarVenue | SeriesVenue

GROUP = "eightbells.venues"
REFUSED = {"schwab": "a person must sign in with a browser every week, which no unattended desk can"}
EXCHANGES = frozenset({"ccxt"})
"""Kinds whose bars are the venue's own closed bars: known at the close, without a vendor's delay."""


class OpenVenue(Protocol):
    """What an entry point of the group names: makes an adapter of its settings, without asking anybody."""

    def __call__(
        self, name: str, settings: VenueSettings, *, environ: Mapping[str, str], clock: Clock
    ) -> Venue:
        """Return the adapter; ``name`` is what rows say under ``venue``."""
        ...


def open_venue(name: str, settings: VenueSettings, *, environ: Mapping[str, str], clock: Clock) -> Venue:
    """Return the adapter of a venue; nobody is asked yet.

    Parameters
    ----------
    name
        Name in the file, and under ``venue`` in every row.
    settings
        Kind, address, pace, names of the variables with keys.
    environ
        Where keys are read from.
    clock
        Tells and waits.

    Raises
    ------
    ComponentNotFoundError
        When no adapter of that kind is installed.
    ConfigError
        When the kind takes no such key, or a variable with a key is not set.
    """
    kind = settings.kind
    if kind in REFUSED:
        raise refusal(kind)
    opener = _BUILT_IN.get(kind) or _installed(kind)
    return opener(name, settings, environ=environ, clock=clock)


def refusal(kind: str) -> ConfigError:
    """Return the error that says why a kind is not offered."""
    return ConfigError(
        f"{kind} is not offered: {REFUSED[kind]}",
        field="kind",
        value=kind,
        constraint=f"one of {', '.join(kinds())}",
        fix="take alpaca or yahoo",
    )


def kinds() -> tuple[str, ...]:
    """Return every kind that can be opened, ours first."""
    from importlib.metadata import entry_points

    return (*_BUILT_IN, *sorted(point.name for point in entry_points(group=GROUP)))


def secret(settings: VenueSettings, which: str, environ: Mapping[str, str]) -> str:
    """Return the value of the variable that ``key_env`` or ``secret_env`` names.

    Raises
    ------
    ConfigError
        When the settings name none, or it is not set.
    """
    variable = getattr(settings, which)
    if variable is None or not environ.get(variable, "").strip():
        raise ConfigError(
            "a venue's key is missing",
            field=which if variable is None else variable,
            constraint=f"the name of a variable under {which}"
            if variable is None
            else "a variable that is set",
            fix=f"write {which}: ITS_NAME" if variable is None else f"export {variable}=...",
        )
    return environ[variable].strip()


def _installed(kind: str) -> OpenVenue:
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP, name=kind)
    if not found:
        raise ComponentNotFoundError(
            "no such kind of venue",
            field="kind",
            value=kind,
            constraint=f"one of {', '.join(kinds())}",
            fix=f"install the package that offers it under the entry points {GROUP}",
        )
    return next(iter(found)).load()


_BUILT_IN: dict[str, Callable[..., Venue]] = {}
