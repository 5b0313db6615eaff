"""The ``files`` source: any folder of bars and macro series, read through a mapping."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from pipeline.errors import BellsError, ConfigError
from resources.market.action_files import read_actions
from resources.market.bar_files import Built, build, unreadable
from resources.market.checked import checked_bars
from resources.market.coverage import (
    GENESIS_DAY,
    expected_between,
    joined,
    no_bar,
    not_mapped,
    require_one,
    set_aside_findings,
    spanned,
)
from resources.market.mapping import OURS, SYMBOL, FilesMapping
from resources.market.port import Dataset, Fetched, Listed, Timeframe, Window
from resources.market.reading import matching_files, read_columns
from resources.market.series_files import read_series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding
    from resources.market.file_marks import FileMark
    from resources.market.mapping import BarFile, ChainFiles, SeriesFile

CODE_VERSION = "1"
"""Rises when the same files and mapping give other rows."""


def feed_of(path: Path) -> str:
    """Return the feed of a mapping that names none: its file's name, or its folder's for a ``source.yaml``.

    Two folders of bars are two feeds, so that neither passes for a correction of the other.

    Examples
    --------
    >>> feed_of(Path("/bars/My Broker/source.yaml")), feed_of(Path("sources/kraken.yaml"))
    ('my-broker', 'kraken')
    """
    name = path.resolve().parent.name if path.stem == "source" else path.stem
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40] or "files"


class FilesSource:
    """Bars and macro series of files.

    Parameters
    ----------
    mapping
        What the files hold.
    base
        Folder that the mapping's paths start from.
    instruments
        The instrument table.
    feed
        Name of the rows in the warehouse, where the mapping gives none.

    Raises
    ------
    ConfigError
        When a symbol of the mapping has no instrument.
    """

    incremental = None

    def __init__(
        self, mapping: FilesMapping, base: Path, instruments: Mapping[str, Instrument], *, feed: str = "files"
    ) -> None:
        self.feed = mapping.feed or feed
        self._mapping = mapping
        self._base = base
        self._table = instruments
        self._built: dict[int, tuple[tuple[object, ...], Built]] = {}
        for number, entry in enumerate(mapping.entries):
            _require_instrument(number, entry, instruments)

    @classmethod
    def from_yaml(
        cls, path: Path, *, data_dir: Path | None, instruments: Mapping[str, Instrument], root: Path
    ) -> FilesSource:
        """Build the source from a mapping file; no data are read yet.

        Raises
        ------
        ConfigError
            When the mapping is missing or wrong, or needs a data folder and there is none.
        """
        from resources.market.settings import read_settings

        mapping = read_settings(path, FilesMapping, root=root)
        feed = feed_of(path)
        if mapping.base == "here":
            return cls(mapping, path.resolve().parent, instruments, feed=feed)
        if data_dir is None:
            raise ConfigError(
                "the files source has no data folder",
                field="data_dir",
                constraint=f"an existing folder: {path.name} says base: data_dir",
                fix="set EIGHTBELLS_DATA, or data_dir in configs/base/system.yaml",
            )
        return cls(mapping, data_dir.resolve(), instruments, feed=feed)

    @cached_property
    def version(self) -> str:
        """Hash of mapping and instruments: equal versions read equal files the same way."""
        table = [self._table[symbol].model_dump_json() for symbol in sorted(self._table)]
        text = "\n".join([CODE_VERSION, str(self._base), self._mapping.model_dump_json(), *table])
        return sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def simulated(self) -> bool:
        """Whether files with our own columns hold rows that say they are simulated."""
        exported = [entry for entry in self._mapping.entries if entry.timeframe in OURS]
        return any(
            bool(read_columns(path, ["simulated"], kind=entry.kind(path.name))["simulated"].any())
            for entry in exported
            for path in matching_files(self._base, entry.glob)
        )

    @cached_property
    def history(self) -> Window:
        """The stretch that the mapping names; else the days from the first bar to the last one.

        A mapping of the chain alone begins with the chain.

        Raises
        ------
        SourceError
            When the mapping names none and no file has a bar.
        """
        found = self._stretch()
        if found is None:
            built = [self._of(n, entry) for n, entry in enumerate(self._mapping.entries)]
            aside = [set_aside_findings(frame) for one in built for frame in one.quarantined.values()]
            raise no_bar([f for said in (*(one.findings for one in built), *aside) for f in said])
        return found

    def _stretch(self) -> Window | None:
        named = self._mapping.history
        if named is not None:
            return Window(named.start, named.end)
        if self._mapping.chain_alone:
            return Window(GENESIS_DAY)
        entries = enumerate(self._mapping.entries)
        return spanned(frame for n, entry in entries for frame in self._of(n, entry).bars.values())

    @property
    def base(self) -> Path:
        """The folder that the mapping's paths start from."""
        return self._base

    @property
    def named_end(self) -> datetime | None:
        """The end of the history that the mapping names, if it names one; nothing is read for it."""
        return None if self._mapping.history is None else self._mapping.history.end

    @property
    def chain(self) -> ChainFiles | None:
        """What the mapping says of the chain."""
        return self._mapping.chain

    @property
    def backtest(self) -> Window:
        """The stretch that the mapping names; else the history."""
        named = self._mapping.backtest
        return self.history if named is None else Window(named.start, named.end)

    def instruments(self) -> tuple[str, ...]:
        """Return the symbols of the mapping; files whose rows name their symbol are read for it."""
        found: set[str] = set()
        for number, entry in enumerate(self._mapping.entries):
            if entry.symbol is not None:
                found.add(entry.symbols.get(entry.symbol, entry.symbol))
            elif SYMBOL in entry.path:
                names = (path.relative_to(self._base).as_posix() for path in self._base.glob(entry.glob))
                found.update(symbol for name in names if (symbol := entry.symbol_of(name)) is not None)
            else:
                for frame in self._of(number, entry).bars.values():
                    found.update(frame["symbol"].unique())
        return tuple(sorted(found))

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the validated bars with ``start <= ts < end`` that were known at ``now``.

        A file that cannot be read is a finding of severity error, and the others are used.  Gaps are looked
        for between a symbol's first and last bar.  Bars from the future are set aside by the window that
        reaches the present, however late their label.

        Raises
        ------
        SourceError
            When there are files for the timeframe and not one could be read.
        """
        import polars as pl

        from pipeline.calendar.grid import CELL
        from pipeline.market.bars import BAR_SCHEMA, QUARANTINE_SCHEMA, conform_bars, empty

        parts, aside, findings = [empty(BAR_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
        expected: list[dict[str, pl.DataFrame]] = []
        listed: dict[str, Listed] = {}
        files: tuple[FileMark, ...] = ()
        entries = [(n, entry) for n, entry in enumerate(self._mapping.entries) if timeframe in entry.makes]
        read = 0
        for number, entry in entries:
            built = self._of(number, entry)
            read += built.read
            findings.extend(built.findings)
            listed |= built.listed
            files += built.marks
            if timeframe in built.quarantined:
                aside.append(built.quarantined[timeframe])
            if timeframe in built.bars and end > start:
                bars = conform_bars(built.bars[timeframe])
                parts.append(bars)
                expected.append(
                    expected_between(
                        bars,
                        timeframe,
                        Window(start, end),
                        now=now,
                        lag=entry.lag,
                        instrument_of=lambda symbol, built=built: built.listed[symbol].instrument,
                    )
                )
        require_one(entries, read, findings)
        inside = pl.col("ts").is_between(start, end, closed="left")
        if start <= now < end + CELL:
            inside |= pl.col("ts") > now
        not_yet_known = (pl.col("close_at") <= now) & (pl.col("known_at") > now)
        set_aside = pl.concat(aside).filter(inside | self._in_no_window(start, end))
        bars = pl.concat(parts)
        done = checked_bars(
            bars.filter(inside & ~not_yet_known),
            timeframe=timeframe,
            expected=joined(expected),
            now=now,
            beside=(set_aside, [*findings, *set_aside_findings(set_aside), *self._not_mapped()]),
            allow_straddle=any(entry.allow_straddle for _, entry in entries),
        )
        late = bars.filter((pl.col("close_at") > now) | (pl.col("known_at") > now))
        return replace(done, listed=listed, settled=late.is_empty(), files=files)

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the observations with ``start <= ts < end`` that were known at ``now``.

        Raises
        ------
        SourceError
            When the mapping names series and not one file could be read.
        """
        import polars as pl

        from pipeline.market.bars import GAP_SCHEMA, MACRO_SCHEMA, QUARANTINE_SCHEMA, empty

        parts, aside, findings = [empty(MACRO_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
        files = self.marks("macro") or ()
        for entry in self._mapping.series:
            try:
                for path in matching_files(self._base, entry.glob):
                    frame, bad = read_series(entry, path, path.relative_to(self._base).as_posix())
                    parts.append(frame)
                    aside.append(bad)
            except BellsError as error:
                findings.append(unreadable(error, None))
        require_one(self._mapping.series, len(parts) - 1, findings)
        inside = pl.col("ts").is_between(start, end, closed="left")
        known = pl.col("known_at") <= now
        values = pl.concat(parts)
        rows = values.filter(inside, known).sort("series", "ts")
        bad = pl.concat(aside).filter(inside | self._in_no_window(start, end))
        settled = values.filter(~known).is_empty()
        said = (*findings, *set_aside_findings(bad), *self._not_mapped())
        return Fetched(rows, bad, said, empty(GAP_SCHEMA), settled=settled, files=files)

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the corporate actions with ``start <= ts < end`` that were known at ``now``.

        Raises
        ------
        SourceError
            When the mapping names files of actions and not one could be read.
        """
        import polars as pl

        from pipeline.market.actions import ACTION_SCHEMA
        from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty

        parts, aside, findings = [empty(ACTION_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
        for entry in self._mapping.actions:
            try:
                for path in matching_files(self._base, entry.glob):
                    name = path.relative_to(self._base).as_posix()
                    frame, bad, said = read_actions(entry, path, name, self._table)
                    parts.append(frame)
                    aside.append(bad)
                    findings.extend(said)
            except BellsError as error:
                findings.append(unreadable(error, None))
        require_one(self._mapping.actions, len(parts) - 1, findings)
        inside = pl.col("ts").is_between(start, end, closed="left")
        rows = pl.concat(parts).filter(inside, pl.col("known_at") <= now).sort("symbol", "ts", "kind")
        bad = pl.concat(aside).filter(inside | self._in_no_window(start, end))
        said = (*findings, *set_aside_findings(bad), *self._not_mapped())
        return Fetched(rows, bad, said, empty(GAP_SCHEMA))

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:  # noqa: ARG002 - the port
        """Return no rows: nothing is planted in files."""
        import polars as pl

        from pipeline.market.bars import UTC_TIME

        times = {"ts": UTC_TIME, "known_at": UTC_TIME}
        columns = {"scope": pl.String, "label": pl.String, "simulated": pl.Boolean, **times}
        return pl.DataFrame(schema=columns).select("scope", "ts", "label", "simulated", "known_at")

    def _not_mapped(self) -> tuple[Finding, ...]:
        return (not_mapped(self.feed),) if self._mapping.chain_alone else ()

    def _in_no_window(self, start: datetime, end: datetime) -> pl.Expr:
        """Return which rows set aside lie in no window: the first and the last window show them.

        They have no label, or none of those days that the good rows span.
        """
        import polars as pl

        named, found = self._mapping.history, self._stretch()
        shown = pl.col("ts").is_null() & pl.lit(named is None or start <= named.start)
        if named is None and found is not None and found.end is not None:
            shown |= (pl.col("ts") < found.start) & pl.lit(start <= found.start)
            shown |= (pl.col("ts") >= found.end) & pl.lit(end >= found.end)
        return shown

    def _of(self, number: int, entry: BarFile) -> Built:
        """Return what an entry gives; its files are read again only when one has changed."""
        try:
            files = matching_files(self._base, entry.glob)
        except BellsError as error:
            return Built({}, {}, (unreadable(error, entry.symbol),), 0)
        stamps = tuple((path, stat.st_mtime_ns, stat.st_size) for path in files for stat in (path.stat(),))
        kept = self._built.get(number)
        if kept is None or kept[0] != stamps:
            marks = self._marks(entry, files) or ()
            kept = (stamps, replace(build(entry, files, self._base, self._table), marks=marks))
            self._built[number] = kept
        return kept[1]

    def marks(self, dataset: Dataset) -> tuple[FileMark, ...] | None:
        """Return the marks of all files of a data set as they are now; None when one cannot be opened."""
        bars = (entry for entry in self._mapping.entries if dataset in entry.makes)
        found: tuple[FileMark, ...] = ()
        for entry in self._mapping.series if dataset == "macro" else bars:
            try:
                files = matching_files(self._base, entry.glob)
            except BellsError:
                return None
            marks = self._marks(entry, files)
            if marks is None:
                return None
            found += marks
        return found

    def _marks(self, entry: BarFile | SeriesFile, files: Sequence[Path]) -> tuple[FileMark, ...] | None:
        from resources.market.file_marks import mark_files

        kinds = {name: entry.kind(name) for name in (p.relative_to(self._base).as_posix() for p in files)}
        try:
            return mark_files(files, self._base, kinds)
        except OSError:
            return None  # reading it names the fault


def _require_instrument(number: int, entry: BarFile, instruments: Mapping[str, Instrument]) -> None:
    named = {"like": entry.like} if entry.like is not None else {"symbol": entry.symbol}
    for field, symbol in named.items():
        ours = symbol if symbol is None else entry.symbols.get(symbol, symbol)
        if ours is not None and ours not in instruments:
            raise ConfigError(
                "a symbol of the mapping has no instrument",
                field=f"entries.{number}.{field}",
                value=ours,
                constraint=f"one of {', '.join(sorted(instruments))}",
                fix="add it to configs/base/instruments.yaml, or say like: a similar instrument",
            )
