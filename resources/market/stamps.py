"""What a file's stamps mean: text, numbers and dates become instants, instants the stretch a bar covers.

One idea: a row leaves this module with an ``open_at`` and a ``close_at`` in UTC, or with NULL where its
stamp says nothing, so that later rules can name it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import SchemaError, TimestampError
from resources.market.mapping import LENGTHS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import polars as pl

    from resources.market.mapping import ActionFile, BarFile, ChainFile, SeriesFile

FIRST_YEAR, LAST_YEAR = 1941, 2044
"""Stamps outside are damage: no calendar here reaches them."""


def instants(column: pl.Series, entry: BarFile | SeriesFile, path: Path) -> pl.Series:
    """Return stamps as instants in UTC; unreadable and impossible ones are NULL.

    Raises
    ------
    TimestampError
        When stamps carry no zone and the mapping names none, or numbers come without ``epoch``.
    SchemaError
        When the column holds nothing that could be a time.
    """
    import polars as pl

    times = column
    if times.dtype == pl.String:
        times = _parsed(times, entry, path)
    if times.dtype.is_numeric():
        times = _counted(times, entry, path)
    if times.dtype == pl.Date:
        times = times.cast(pl.Datetime("us"))
    if not isinstance(times.dtype, pl.Datetime):
        raise SchemaError(
            "a column holds no times",
            field=f"{path}: {entry.columns.time}",
            value=str(column.dtype),
            constraint="times, dates, text or numbers",
            fix="name the column of the stamps under columns.time",
        )
    if times.dtype.time_zone is None:
        times = _zoned(times, entry, path)
    times = times.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return _plausible(times)


def dates(column: pl.Series, entry: ActionFile | BarFile | ChainFile | SeriesFile, path: Path) -> pl.Series:
    """Return session dates as 00:00 UTC of the date that a stamp shows in its zone.

    Raises
    ------
    SchemaError, TimestampError
        As `instants`; dates need no zone.
    """
    import polars as pl

    shown = column
    if shown.dtype == pl.String:
        shown = _parsed(shown, entry, path)
    if shown.dtype.is_numeric():
        shown = _counted(shown, entry, path)
    if isinstance(shown.dtype, pl.Datetime) and shown.dtype.time_zone is not None:
        shown = shown.dt.convert_time_zone(entry.zone or "UTC")
    if shown.dtype != pl.Date and not isinstance(shown.dtype, pl.Datetime):
        raise SchemaError(
            "a column holds no dates",
            field=f"{path}: {column.name}",
            value=str(column.dtype),
            constraint="dates, times, text or numbers",
            fix="name the column of the dates under columns.time",
        )
    return _plausible(shown.dt.date().cast(pl.Datetime("us", "UTC")))


def stretches(stamps: pl.Series, entry: BarFile, calendar: str) -> tuple[pl.Series, pl.Series]:
    """Return ``open_at`` and ``close_at`` of bars within a day.

    ``covers: session`` cuts the stretch to the session that holds its end: an hourly stamp of 09:00 New York
    covers 09:30-10:00.  A stretch that no session meets stays as it is.
    """
    length = LENGTHS[entry.timeframe]
    opens = stamps if entry.stamp == "open" else stamps - length
    closes = stamps + length if entry.stamp == "open" else stamps
    if entry.covers == "timeframe":
        return opens.alias("open_at"), closes.alias("close_at")
    from pipeline.calendar.sessions import ALWAYS_OPEN, session_table

    if calendar == ALWAYS_OPEN:
        return opens.alias("open_at"), closes.alias("close_at")
    import numpy as np

    first, last = _plain(opens), _plain(closes)
    table = session_table(calendar)
    place = np.minimum(np.searchsorted(table.close_at, first, side="right"), table.close_at.size - 1)
    cut_open = np.maximum(first, table.open_at[place])
    cut_close = np.minimum(last, table.close_at[place])
    meets = cut_open < cut_close  # False where NaT
    return (
        _utc("open_at", np.where(meets, cut_open, first)),
        _utc("close_at", np.where(meets, cut_close, last)),
    )


def _parsed(text: pl.Series, entry: ActionFile | BarFile | ChainFile | SeriesFile, path: Path) -> pl.Series:
    import polars as pl

    if entry.epoch is not None:
        numbers = text.cast(pl.Int64, strict=False)
        return _require_some(numbers, text, entry, path)
    try:
        parsed = text.str.to_datetime(entry.time_format, strict=False, time_unit="us", ambiguous="null")
    except pl.exceptions.PolarsError:
        parsed = pl.Series(text.name, [None] * text.len(), dtype=pl.Datetime("us"))
    if parsed.is_null().all():
        days = text.str.to_date(entry.time_format or "%Y-%m-%d", strict=False)
        parsed = days.cast(pl.Datetime("us"))
    return _require_some(parsed, text, entry, path)


def _counted(
    numbers: pl.Series, entry: ActionFile | BarFile | ChainFile | SeriesFile, path: Path
) -> pl.Series:
    import polars as pl

    if entry.epoch is None:
        raise TimestampError(
            "stamps are numbers of an unknown unit",
            field=f"{path}: {entry.columns.time}",
            value=numbers.drop_nulls().first(),
            constraint="epoch: s, ms or us",
            fix="say epoch in the mapping",
        )
    factor = {"s": 1_000_000, "ms": 1000, "us": 1}[entry.epoch]
    most = 2**62 // factor
    safe = (
        numbers.cast(pl.Int64, strict=False)
        .to_frame("n")
        .select(pl.when(pl.col("n").is_between(-most, most)).then(pl.col("n") * factor))
    )
    return safe.to_series().cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(numbers.name)


def _zoned(times: pl.Series, entry: BarFile | SeriesFile, path: Path) -> pl.Series:
    if entry.zone is None:
        raise TimestampError(
            "stamps carry no time zone",
            field=f"{path}: {entry.columns.time}",
            value=str(times.drop_nulls().first()),
            constraint="zone: a time zone",
            fix="say zone in the mapping, such as UTC or America/New_York",
        )
    return times.dt.replace_time_zone(entry.zone, ambiguous="null", non_existent="null")


def _plausible(times: pl.Series) -> pl.Series:
    import polars as pl

    column = pl.col(times.name)
    inside = column.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    return times.to_frame().select(pl.when(inside).then(column)).to_series()


def _require_some(
    parsed: pl.Series, text: pl.Series, entry: ActionFile | BarFile | ChainFile | SeriesFile, path: Path
) -> pl.Series:
    given = text.drop_nulls()
    if given.len() and parsed.is_null().all():
        raise SchemaError(
            "a column holds text that is no time",
            field=f"{path}: {entry.columns.time}",
            value=given[0],
            constraint=entry.time_format or "ISO 8601, such as 2024-07-01T13:30:00Z",
            fix="say time_format or epoch in the mapping",
        )
    return parsed


def _plain(times: pl.Series) -> np.ndarray:
    return times.dt.replace_time_zone(None).to_numpy()


def _utc(name: str, times: np.ndarray) -> pl.Series:
    import polars as pl

    return pl.Series(name, times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
