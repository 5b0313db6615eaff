"""Market sources by name: the only place that knows which adapters exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ComponentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.config.instruments import Instrument
    from resources.market.port import MarketSource

SOURCES = ("files", "sample")
SAMPLE_SETTINGS = "configs/sources/sample.yaml"
FILES_MAPPING = "configs/sources/example.yaml"


def open_source(
    name: str,
    *,
    root: Path,
    data_dir: Path | None,
    instruments: Mapping[str, Instrument],
    mapping: str | Path = FILES_MAPPING,
) -> MarketSource:
    """Return the source of that name, its settings read and checked, no data read yet.

    Parameters
    ----------
    name
        ``sample`` or ``files``.
    root
        Project root; settings are read from ``configs/sources`` below it.
    data_dir
        Folder that the ``files`` mapping's paths are relative to; None: the mapping's own folder.
    instruments
        The instrument table; it decides asset class, calendar, tick and venue of a symbol.
    mapping
        Mapping of the ``files`` source, relative to the root unless absolute.

    Raises
    ------
    ComponentNotFoundError
        For an unknown name; says which ones exist.
    ConfigError
        When the source's own YAML is wrong.
    """
    if name == "sample":
        from resources.market.sample import SampleSource

        return SampleSource.from_yaml(root / SAMPLE_SETTINGS, instruments=instruments, root=root)
    if name == "files":
        from resources.market.files import FilesSource

        return FilesSource.from_yaml(root / mapping, data_dir=data_dir, instruments=instruments, root=root)
    raise ComponentNotFoundError(
        "no such market source",
        field="source",
        value=name,
        constraint=f"one of {', '.join(SOURCES)}",
        fix="set source in configs/base/system.yaml, EIGHTBELLS_SOURCE or --source",
    )
