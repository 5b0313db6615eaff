"""Makes bars of the files that one mapping entry names.

Each file is read for itself, so that a damaged one is a finding and the others still count; all rows of the
entry are then made into H4 or daily bars together: a cell may begin in one file and end in the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import BellsError
from resources.market.checked import when_known
from resources.market.mapping import OURS, BarFile
from resources.market.port import Listed
from resources.market.reading import as_numbers, as_texts, read_columns
from resources.market.stamps import dates, instants, stretches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from pipeline.config.instruments import AssetClass, Instrument
    from pipeline.market.findings import Finding
    from resources.market.file_marks import FileMark

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Built:
    """What came out of one entry.

    Parameters
    ----------
    bars, quarantined
        Per timeframe, in the columns of ``BAR_SCHEMA`` and ``QUARANTINE_SCHEMA``; not yet validated.
    findings
        Files that could not be read, symbols without an instrument.
    read
        How many files were read.
    listed
        What its symbols are taken for.
    marks
        The files, marked before they were read.
    """

    bars: Mapping[str, pl.DataFrame]
    quarantined: Mapping[str, pl.DataFrame]
    findings: Sequence[Finding]
    read: int
    listed: Mapping[str, Listed] = field(default_factory=dict)
    marks: tuple[FileMark, ...] = ()


def build(entry: BarFile, files: Sequence[Path], base: Path, instruments: Mapping[str, Instrument]) -> Built:
    """Read the files of an entry and make its bars.

    Parameters
    ----------
    entry
        What the files hold.
    files
        Existing files.
    base
        Folder that names in ``source`` and ``{symbol}`` start from.
    instruments
        The instrument table.
    """
    import polars as pl

    from pipeline.market.set_aside import file_findings

    parts: list[pl.DataFrame] = []
    findings: list[Finding] = []
    for path in files:
        name = path.relative_to(base).as_posix()
        try:
            rows = _our_bars(entry, path) if entry.timeframe in OURS else _rows(entry, path, name)
        except BellsError as error:
            findings.append(unreadable(error, entry.symbol))
            continue
        known, said = _with_instrument(rows, entry, instruments, name)
        findings.extend(said)
        if entry.timeframe not in OURS:
            findings.extend(file_findings(known, ordered=entry.timeframe != "1d"))
        parts.append(known)
    rows = pl.concat(parts) if parts else None
    if rows is None or rows.is_empty():
        return Built({}, {}, findings, len(parts))
    found = {symbol: _listed(symbol, entry, instruments) for symbol in rows["symbol"].unique()}
    listed = {symbol: taken for symbol, taken in found.items() if taken is not None}
    if entry.timeframe in OURS:
        return Built({entry.timeframe: rows}, {}, findings, len(parts), listed)
    make = _days if entry.timeframe == "1d" else _within_days
    bars, aside = make(rows, entry, {symbol: taken.instrument for symbol, taken in listed.items()})
    return Built(bars, aside, findings, len(parts), listed)


def unreadable(error: BellsError, symbol: str | None) -> Finding:
    """Return the finding that stands for a file, or a whole entry, that could not be used."""
    from pipeline.market.findings import Finding, Severity

    return Finding("unreadable", Severity.ERROR, symbol, None, str(error))


def _listed(symbol: str | None, entry: BarFile, instruments: Mapping[str, Instrument]) -> Listed | None:
    survivors = entry.selection == "survivors"
    if symbol is None:
        return None
    if symbol in instruments:
        return Listed(instruments[symbol], survivors=survivors)
    if entry.like is None:
        return None
    borrowed = instruments[entry.like].model_copy(update={"symbol": symbol})
    return Listed(borrowed, like=entry.like, survivors=survivors)


def _with_instrument(
    rows: pl.DataFrame, entry: BarFile, instruments: Mapping[str, Instrument], name: str
) -> tuple[pl.DataFrame, list[Finding]]:
    import polars as pl

    from pipeline.market.findings import Finding, Severity

    there = sorted(rows["symbol"].drop_nulls().unique())
    foreign = [symbol for symbol in there if _listed(symbol, entry, instruments) is None]
    if not foreign:
        return rows, []
    reason = f"{name}: no instrument of that name; add it to instruments.yaml, or say symbols or like"
    counts = dict(rows.group_by("symbol").len().iter_rows())
    said = [
        Finding("unknown_symbol", Severity.ERROR, symbol, None, reason, count=counts[symbol])
        for symbol in foreign
    ]
    return rows.filter(~pl.col("symbol").is_in(foreign)), said


def _our_bars(entry: BarFile, path: Path) -> pl.DataFrame:
    from pipeline.market.bars import BAR_SCHEMA, conform_bars

    required = [name for name in BAR_SCHEMA if name != "state"]
    return conform_bars(read_columns(path, required, kind=entry.kind(path.name), optional=("state",)))


def _rows(entry: BarFile, path: Path, name: str) -> pl.DataFrame:
    """Return ``stamp, symbol``, prices and volume as the file has them, stamps as instants or dates."""
    import polars as pl

    columns = entry.columns
    optional = [c for c in (columns.volume, columns.symbol) if c is not None]
    prices = [getattr(columns, price) for price in PRICES]
    raw = read_columns(path, [columns.time, *prices, *optional], kind=entry.kind(path.name))
    raw = as_numbers(raw, [*prices, *([columns.volume] if columns.volume else [])], path)
    to_time = dates if entry.stamp == "session_date" else instants
    stamps = to_time(raw[columns.time], entry, path)
    volume = pl.col(columns.volume) if columns.volume else pl.lit(None, dtype=pl.Float64)
    if columns.symbol is None:
        symbol = pl.lit(entry.symbol_of(name))
    else:
        raw = as_texts(raw, [columns.symbol], path)
        symbol = pl.col(columns.symbol).replace(entry.symbols)
    return raw.select(
        stamps.alias("stamp"),
        symbol.alias("symbol"),
        *(pl.col(theirs).alias(ours) for ours, theirs in zip(PRICES, prices, strict=True)),
        volume.cast(pl.Float64).alias("volume"),
        pl.lit(name).alias("source"),
    )


def _venue(entry: BarFile, quoted: Instrument) -> str:
    return entry.venue or quoted.venue


def _labelled(rows: pl.DataFrame, entry: BarFile, instruments: Mapping[str, Instrument]) -> pl.DataFrame:
    import polars as pl

    venues = {symbol: _venue(entry, instrument) for symbol, instrument in instruments.items()}
    return rows.with_columns(
        pl.col("symbol").replace_strict(venues, default=None, return_dtype=pl.String).alias("venue"),
        adjustment=pl.lit(entry.adjustment),
        vintage=pl.lit(entry.vintage),
        state=pl.lit("final"),
        simulated=pl.lit(value=False),
    )


def _within_days(
    rows: pl.DataFrame, entry: BarFile, table: Mapping[str, Instrument]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    import polars as pl

    from pipeline.market.resample import to_daily, to_h4

    bars: dict[str, list[pl.DataFrame]] = {name: [] for name in entry.makes}
    aside: dict[str, list[pl.DataFrame]] = {name: [] for name in entry.makes}
    for calendar in sorted({instrument.calendar for instrument in table.values()}):
        of_calendar = [symbol for symbol, i in table.items() if i.calendar == calendar]
        some = rows.filter(pl.col("symbol").is_in(of_calendar))
        opens, closes = stretches(some["stamp"], entry, calendar)
        fine = _labelled(some.with_columns(opens, closes), entry, table).with_columns(
            known_at=pl.col("close_at") + (entry.lag or timedelta(0))
        )
        h4, bad = to_h4(fine, calendar, allow_straddle=entry.allow_straddle)
        if "h4" in bars:
            bars["h4"].append(h4)
            aside["h4"].append(bad)
        if "daily" in bars:
            days, odd = to_daily(h4, calendar)
            bars["daily"].append(days)
            aside["daily"].append(odd if "h4" in bars else pl.concat([bad, odd]))
    return _joined(bars), _joined(aside)


def _days(
    rows: pl.DataFrame, entry: BarFile, table: Mapping[str, Instrument]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    import polars as pl

    from pipeline.market.bars import conform_bars

    back = timedelta(microseconds=1) if entry.stamp == "close" else timedelta(0)
    dated = rows.with_columns(ts=(pl.col("stamp") - back).dt.truncate("1d"))
    whole = _labelled(dated.filter(pl.col("ts").is_not_null()), entry, table)
    alike: dict[tuple[str, AssetClass], list[str]] = {}
    for symbol, instrument in table.items():
        alike.setdefault((instrument.calendar, instrument.asset_class), []).append(symbol)
    parts = [
        placed_days(whole.filter(pl.col("symbol").is_in(symbols)), table[symbols[0]], entry.lag)
        for symbols in alike.values()
    ]
    undated = dated.filter(pl.col("ts").is_null())
    return {"daily": conform_bars(pl.concat(parts))}, {"daily": _undated(undated, rows.columns)}


def placed_days(days: pl.DataFrame, instrument: Instrument, lag: timedelta | None) -> pl.DataFrame:
    """Give daily rows, dated by ``ts``, their session; a row on another day is to be judged later.

    ``lag`` is the vendor's delay; None: the rule's own.
    """
    import polars as pl

    from pipeline.calendar.sessions import expected_daily

    day = timedelta(days=1)
    if days.is_empty():
        return days.with_columns(
            pl.lit(None, pl.Datetime("us", "UTC")).alias(c) for c in ("open_at", "close_at", "known_at")
        ).with_columns(pl.lit(None, pl.Int32).alias(c) for c in ("minutes", "covered_minutes"))
    first, last = days.select(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")).row(0)
    sessions = expected_daily(instrument.calendar, first, last + day)
    placed = days.join(sessions, on="ts", how="left", maintain_order="left").with_columns(
        pl.coalesce("open_at", "ts").alias("open_at"),
        pl.coalesce("close_at", pl.col("ts") + day).alias("close_at"),
        pl.col("minutes").alias("covered_minutes"),
    )
    labels, closes = (placed[c].dt.replace_time_zone(None).to_numpy() for c in ("ts", "close_at"))
    known = when_known(instrument, "daily", labels, closes, lag)
    by_rule = pl.Series("known_at", known).dt.replace_time_zone("UTC")
    in_session = pl.col("minutes").is_not_null()
    return placed.with_columns(by_rule).with_columns(
        known_at=pl.when(in_session).then("known_at").otherwise(pl.max_horizontal("known_at", "close_at"))
    )


def _undated(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    import polars as pl

    from pipeline.market.quarantine import quarantine

    bad = rows.with_columns(
        rule=pl.lit("missing_value"), severity=pl.lit("error"), reason=pl.lit("the date cannot be read")
    )
    return quarantine(bad, "market.ohlcv_daily", columns)


def _joined(parts: Mapping[str, list[pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    import polars as pl

    return {name: pl.concat(frames, how="diagonal") for name, frames in parts.items() if frames}
