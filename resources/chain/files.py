"""Days and raw blocks of the chain from files, read through the ``chain`` part of a files mapping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from pipeline.errors import BellsError, SourceError
from resources.chain.port import Blocks, Days
from resources.market.coverage import GENESIS_DAY
from resources.market.port import Window
from resources.market.reading import as_numbers, matching_files, read_columns
from resources.market.stamps import dates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from pipeline.chain.metrics import Origin
    from pipeline.market.findings import Finding
    from resources.chain.port import StoredBlocks
    from resources.market.mapping import ChainBlocks, ChainFile, ChainFiles

CODE_VERSION = "1"
"""Rises when the same files and mapping give other rows."""


@dataclass(frozen=True)
class FilesChain:
    """Days and blocks of files.

    Parameters
    ----------
    mapping
        What the files hold.
    base
        Folder that the mapping's paths start from.
    feed
        Name of the rows, that of the market source over the same mapping.
    ends
        The end of the files' history; None: it goes on.
    """

    mapping: ChainFiles
    base: Path
    feed: str
    ends: datetime | None = None
    simulated = False
    has_days = True
    priced = True
    recheck_days = None

    @property
    def history(self) -> Window:
        """From the first day of the chain to the end that the mapping names."""
        return Window(GENESIS_DAY, self.ends)

    @property
    def has_blocks(self) -> bool:
        """Whether the mapping names raw blocks."""
        return self.mapping.blocks is not None

    @property
    def version(self) -> str:
        """Hash of the mapping: equal versions read equal files the same way."""
        text = f"{CODE_VERSION}\n{self.base}\n{self.mapping.model_dump_json()}"
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def origin(self) -> Origin:
        """What the mapping says of the time before the first day."""
        from pipeline.chain.metrics import GENESIS, Origin

        entry = self.mapping.days
        if entry is None:
            return GENESIS
        before = -1 if entry.height_before is None else entry.height_before
        return Origin(before, entry.thermocap_usd_before)

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:  # noqa: ARG002 - the port
        """Return the days of the files that were there at ``now``.

        Raises
        ------
        SourceError, SchemaError
            When a file is missing, damaged or lacks a column, or a row says nothing that can be.
        """
        import polars as pl

        from pipeline.chain.days import DAY_SCHEMA, conform_days, empty
        from pipeline.chain.sound import sound_days
        from resources.market.file_marks import mark_files

        entry = self.mapping.days
        if entry is None:
            return Days(empty(DAY_SCHEMA))
        files = matching_files(self.base, entry.glob)
        names = [path.relative_to(self.base).as_posix() for path in files]
        marks = mark_files(files, self.base, {name: entry.kind(name) for name in names})
        parts = [_read(entry, path, name) for path, name in zip(files, names, strict=True)]
        inside = pl.col("ts").is_between(start, end, closed="left") & (pl.col("known_at") <= now)
        days = conform_days(sound_days(pl.concat(parts), entry.glob))
        return Days(days.filter(inside), files=marks)

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:
        """Yield the raw blocks that are not stored; a file that is no block is a finding."""
        import polars as pl

        from pipeline.chain.days import BLOCK_SCHEMA
        from pipeline.chain.faults import MAX_WEIGHT
        from pipeline.chain.raw_rows import row_of

        entry = self.mapping.blocks
        if entry is None:
            return
        known, rows, findings = stored.hashes(), [], []
        for path in matching_files(self.base, entry.path):
            name = path.relative_to(self.base).as_posix()
            try:
                with path.open("rb") as file:
                    row = row_of(file.read(MAX_WEIGHT + 1))  # more is no block
            except (BellsError, OSError) as error:
                findings.append(_unreadable(name, error))
                continue
            if row["hash"] not in known:
                rows.append({**row, "source": name, **_clock(entry, row["ts"], now)})
        frame = pl.DataFrame(rows, schema=dict(BLOCK_SCHEMA))
        yield Blocks(frame.filter(pl.col("known_at") <= now), tuple(findings))


def _read(entry: ChainFile, path: Path, name: str) -> pl.DataFrame:
    import polars as pl

    from pipeline.chain.days import AMOUNTS, COUNTS, DAY

    columns = {ours: getattr(entry.columns, ours) for ours in (*AMOUNTS, *COUNTS)}
    mapped = {ours: theirs for ours, theirs in columns.items() if theirs is not None}
    theirs = list(dict.fromkeys(mapped.values()))
    told = read_columns(path, [entry.columns.time, *theirs], kind=entry.kind(path.name))
    ts = dates(told[entry.columns.time], entry, path).alias("ts")
    raw = as_numbers(told, theirs, path).with_columns(ts)
    for read, column in (("ts", entry.columns.time), *((column, column) for column in theirs)):
        lost = told.filter(raw[read].is_null() & (told[column].is_not_null() | (read == "ts")))
        if not lost.is_empty():
            raise _damaged_cell(path, column, lost)
    return raw.select("ts", *(pl.col(column).alias(ours) for ours, column in mapped.items())).with_columns(
        source=pl.lit(name),
        vintage=pl.lit(entry.vintage),
        simulated=pl.lit(value=False),
        known_at=pl.col("ts") + DAY + timedelta(minutes=entry.lag_minutes),
    )


def _damaged_cell(path: Path, column: str, rows: pl.DataFrame) -> SourceError:
    return SourceError(
        f"a cell cannot be read (rows concerned: {rows.height})",
        field=f"{path}: {column}",
        value=rows.row(0, named=True),
        constraint="a date in every row; a number, or nothing, in every other cell",
        fix="repair the file; what is unknown is an empty cell",
    )


def _clock(entry: ChainBlocks, ts: object, now: datetime) -> dict[str, object]:
    assert isinstance(ts, datetime)  # noqa: S101 - what the row holds
    known = max(ts, min(now, ts + timedelta(minutes=entry.lag_minutes)))
    return {"state": "active", "simulated": False, "known_at": known, "median_time": None}


def _unreadable(name: str, error: Exception) -> Finding:
    from pipeline.market.findings import Finding, Severity

    return Finding("unreadable", Severity.ERROR, name, None, str(error))
