"""Venues by kind: the only place that knows which adapters exist; the rest come from installed packages.

A package adds a kind by an entry point of the group `GROUP`.  A file of settings can name only what is
installed and says of itself that it is a venue, never any module, so that settings run no code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

from pipeline.errors import ComponentNotFoundError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from resources.clock import Clock
    from resources.market.live_settings import VenueSettings
    from resources.venues.patience import Patience
    from resources.venues.port import BarVenue, SeriesVenue

    Venue: TypeAlias = BarVenue | SeriesVenue

GROUP = "eightbells.venues"
REFUSED = ("schwab",)
"""Kinds that are known by name and never open."""
EXCHANGES = frozenset({"ccxt"})
"""Kinds whose bars are the venue's own closed bars: known at the close, without a vendor's delay."""

EXCHANGE_SPACING_S = 0.2
"""Pace of public requests that every exchange bears, seconds, but for those of `SLOWER_S`."""
SLOWER_S = {"kraken": 1.0}
ALPACA_SPACING_S = 0.3
"""Pace: a free account may ask 200 times a minute."""


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
    if settings.kind in REFUSED:
        refuse(settings.kind)
    opener = _BUILT_IN.get(settings.kind) or _installed(settings.kind)
    return opener(name, settings, environ=environ, clock=clock)


def refuse(kind: str) -> NoReturn:
    """Raise the error that says why a kind of `REFUSED` is not offered."""
    from resources.venues.schwab import open_schwab

    {"schwab": open_schwab}[kind]()


def kinds() -> tuple[str, ...]:
    """Return every kind that can be opened, ours first."""
    from importlib.metadata import entry_points

    return (*_BUILT_IN, *sorted(point.name for point in entry_points(group=GROUP)))


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


def _ccxt(name: str, settings: VenueSettings, *, environ: Mapping[str, str], clock: Clock) -> BarVenue:  # noqa: ARG001 - as `OpenVenue`
    from resources.venues.ccxt_venue import CcxtVenue

    _require_taken(name, settings, "symbols")
    pace = _patience(settings, clock, SLOWER_S.get(name, EXCHANGE_SPACING_S))
    return CcxtVenue(name, symbols=settings.symbols, patience=pace, base_url=settings.base_url)


def _alpaca(name: str, settings: VenueSettings, *, environ: Mapping[str, str], clock: Clock) -> BarVenue:
    from resources.venues.alpaca_venue import AlpacaVenue

    _require_taken(name, settings, "symbols", "key_env", "secret_env", options={"market", "feed"})
    named = {"key_env": settings.key_env, "secret_env": settings.secret_env, **settings.options}
    return AlpacaVenue(
        patience=_patience(settings, clock, ALPACA_SPACING_S),
        environ=environ,
        symbols=settings.symbols,
        base_url=settings.base_url,
        **{key: value for key, value in named.items() if value is not None},  # ty: ignore[invalid-argument-type]
    )


def _yahoo(name: str, settings: VenueSettings, *, environ: Mapping[str, str], clock: Clock) -> BarVenue:  # noqa: ARG001 - as `OpenVenue`
    from resources.venues.yahoo import BASE_URL, SPACING_S, YahooVenue

    _require_taken(name, settings, "symbols")
    pace = _patience(settings, clock, SPACING_S)
    return YahooVenue(pace, base_url=settings.base_url or BASE_URL, names=settings.symbols)


def _fred(name: str, settings: VenueSettings, *, environ: Mapping[str, str], clock: Clock) -> SeriesVenue:
    from resources.venues.fred import BASE_URL, KEY_ENV, SPACING_S, FredVenue

    _require_taken(name, settings, "key_env", options=None)
    return FredVenue(
        _patience(settings, clock, SPACING_S),
        api_key_env=settings.key_env or KEY_ENV,
        environ=environ,
        base_url=settings.base_url or BASE_URL,
        releases={series: str(rule) for series, rule in settings.options.items()},
    )


def _patience(settings: VenueSettings, clock: Clock, spacing_s: float) -> Patience:
    from resources.venues.patience import Patience

    return Patience(clock, spacing_s=spacing_s if settings.spacing_s is None else settings.spacing_s)


def _require_taken(
    name: str, settings: VenueSettings, *taken: str, options: Collection[str] | None = ()
) -> None:
    """Refuse keys that this kind does not read; options None: any."""
    given = [key for key in ("symbols", "key_env", "secret_env") if getattr(settings, key)]
    idle = [key for key in given if key not in taken]
    idle += [f"options.{key}" for key in settings.options if options is not None and key not in options]
    if idle:
        raise ConfigError(
            f"a venue of kind {settings.kind} does not read this key",
            field=f"venues.{name}.{idle[0]}",
            constraint=f"keys {', '.join(('base_url', 'spacing_s', *taken))}",
            fix="take it out",
        )


_BUILT_IN: dict[str, Callable[..., Venue]] = {
    "ccxt": _ccxt,
    "alpaca": _alpaca,
    "yahoo": _yahoo,
    "fred": _fred,
}
