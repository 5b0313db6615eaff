"""Bars of a feed as Parquet files, and their mapping, that the ``files`` source reads back unchanged."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, InsufficientDataError, ResourceError
from warehouse.table import Table
from warehouse.tables_market import INSTRUMENTS, OHLCV_DAILY, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

TIMEFRAMES: tuple[tuple[str, Table], ...] = (("h4", OHLCV_H4), ("daily", OHLCV_DAILY))
"""Folder and table of each timeframe."""

MAPPING = "source.yaml"


def file_name(timeframe: str, symbol: str) -> str:
    """Return the path of a symbol's file below the exported folder.

    Examples
    --------
    >>> file_name("h4", "BTC/USD")
    'h4/BTC_USD.parquet'
    """
    return f"{timeframe}/{symbol.replace('/', '_')}.parquet"


def write(as_of: "Callable[..., pl.DataFrame]", directory: Path, *, feed: str, kind: str) -> list[Path]:
    """Write the newest versions of a feed's bars and return the files, the mapping last.

    Every bar column is written, ``known_at`` included, so reading back repeats the bars exactly.

    Raises
    ------
    ConfigError
        When the format is unknown, or two symbols differ in nothing but a slash.
    InsufficientDataError
        When the feed has no bar.
    ResourceError
        When the folder cannot be written.
    """
    if kind != "parquet":
        raise ConfigError("no such format", field="format", value=kind, constraint="parquet")
    borrowed = _borrowed(as_of(INSTRUMENTS, where={"feed": feed}))
    written: list[Path] = []
    entries: list[dict[str, object]] = []
    for timeframe, table in TIMEFRAMES:
        columns = [name for name in table.readable if name != "feed"]
        bars = as_of(table, where={"feed": feed}, columns=columns)
        for (symbol,), rows in bars.group_by("symbol", maintain_order=True):
            name = file_name(timeframe, str(symbol))
            if directory / name in written:
                raise ConfigError(
                    "two symbols would share one file",
                    field="symbol",
                    value=symbol,
                    constraint=f"one of {name}",
                )
            written.append(_whole(rows, directory / name))
            entry = {"path": name, "symbol": symbol, "timeframe": timeframe}
            entries.append(entry | borrowed.get(str(symbol), {}))
    if not written:
        raise InsufficientDataError(
            "the feed has no bars to export", field="feed", value=feed, fix="run `bells data update` first"
        )
    mapping = directory / MAPPING
    mapping.write_text(_mapping(feed, entries), encoding="utf-8")
    return [*written, mapping]


def _borrowed(instruments: "pl.DataFrame") -> dict[str, dict[str, object]]:
    """Return the keys by which a mapping says what a symbol without an entry of its own is taken for."""
    found: dict[str, dict[str, object]] = {}
    for row in instruments.iter_rows(named=True):
        keys = {"like": row["taken_for"], "selection": "survivors" if row["survivors"] else None}
        found[row["symbol"]] = {key: word for key, word in keys.items() if word is not None}
    return found


def _whole(rows: "pl.DataFrame", target: Path) -> Path:
    """Write one file so that it appears whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        rows.write_parquet(partial, compression="zstd")
        partial.replace(target)
    except OSError as error:
        raise ResourceError(
            "the export cannot be written",
            field="directory",
            value=str(target),
            constraint=error.strerror or str(error),
            fix="name a folder that you may write to, with room on its disk",
        ) from error
    return target


def _mapping(feed: str, entries: list[dict[str, object]]) -> str:
    lines = [
        f"# Bars of feed {json.dumps(feed)}, a file per symbol and timeframe, all columns.",
        "entries:",
    ]
    lines += [f"  - {{{', '.join(f'{k}: {json.dumps(v)}' for k, v in entry.items())}}}" for entry in entries]
    return "\n".join(lines) + "\n"
