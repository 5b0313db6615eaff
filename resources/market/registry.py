"""Market sources by name: the only place that knows which adapters exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ComponentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.config.instruments import Instrument
    from resources.clock import Clock
    from resources.market.port import MarketSource

LIVE = ("ccxt", "alpaca", "yahoo", "fred")
"""Sources that ask venues, each by the file of its name under ``configs/sources``."""
ALIASES = {"yfinance": "yahoo", "schwab_stub": "schwab"}
SOURCES = ("sample", "files", *LIVE, "venues")
SAMPLE_SETTINGS = "configs/sources/sample.yaml"
FILES_MAPPING = "configs/sources/example.yaml"
VENUES_SETTINGS = "configs/sources/venues.yaml"


def open_source(
    name: str,
    *,
    root: Path,
    data_dir: Path | None,
    instruments: Mapping[str, Instrument],
    mapping: str | Path = FILES_MAPPING,
    venues: str | Path = VENUES_SETTINGS,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> MarketSource:
    """Return the source of that name, its settings read and checked, no data read yet.

    Parameters
    ----------
    name
        One of `SOURCES`, or an alias.
    root
        Project root; settings are read from ``configs/sources`` below it.
    data_dir
        Folder that the ``files`` mapping's paths are relative to; None: the mapping's own folder.
    instruments
        The instrument table; it decides asset class, calendar, tick and venue of a symbol.
    mapping
        Mapping of the ``files`` source, relative to the root unless absolute.
    venues
        Settings of the ``venues`` source, likewise.
    environ
        Where adapters find their keys; None: nowhere.
    clock
        What adapters wait by; None: the machine's.

    Raises
    ------
    ComponentNotFoundError
        For an unknown name; says which ones exist.
    ConfigError
        When the source's own YAML is wrong, or the source is one that refuses.
    """
    name = ALIASES.get(name, name)
    if name == "sample":
        from resources.market.sample import SampleSource

        return SampleSource.from_yaml(root / SAMPLE_SETTINGS, instruments=instruments, root=root)
    if name == "files":
        from resources.market.files import FilesSource

        return FilesSource.from_yaml(root / mapping, data_dir=data_dir, instruments=instruments, root=root)
    if name in LIVE or name == "venues":
        path = root / (venues if name == "venues" else f"configs/sources/{name}.yaml")
        return _live(path, root=root, instruments=instruments, environ=environ or {}, clock=clock)
    from resources.venues.registry import REFUSED, refuse

    if name in REFUSED:
        refuse(name)
    raise ComponentNotFoundError(
        "no such market source",
        field="source",
        value=name,
        constraint=f"one of {', '.join(SOURCES)}",
        fix="set source in configs/base/system.yaml, EIGHTBELLS_SOURCE or --source",
    )


def _live(
    path: Path,
    *,
    root: Path,
    instruments: Mapping[str, Instrument],
    environ: Mapping[str, str],
    clock: Clock | None,
) -> MarketSource:
    from functools import partial

    from resources.clock import SystemClock
    from resources.market.live import LiveSource
    from resources.venues.registry import open_venue

    opening = partial(open_venue, environ=environ, clock=clock or SystemClock())
    return LiveSource.from_yaml(path, instruments=instruments, root=root, open_venue=opening)
