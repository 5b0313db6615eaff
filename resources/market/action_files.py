"""Makes corporate actions of files: dated by ex-date, known from their announcement or the ex-date's open."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from resources.market.reading import as_numbers, read_columns
from resources.market.stamps import dates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding
    from resources.market.mapping import ActionFile

_ZONE_OF = {"XNYS": "America/New_York", "24/7": "UTC"}
"""Whose midnight ends the day of an announcement."""


def read_actions(
    entry: ActionFile, path: Path, name: str, instruments: Mapping[str, Instrument]
) -> tuple[pl.DataFrame, pl.DataFrame, list[Finding]]:
    """Return the actions of one file, the rows set aside, and what there is to say.

    An announcement counts from the end of its day at the exchange: a file says no hour.  Symbols without an
    instrument are counted in one finding: such files often hold a whole market.

    Parameters
    ----------
    entry
        What the file holds.
    path
        The file.
    name
        What ``source`` calls it.
    instruments
        The instrument table.

    Raises
    ------
    SourceError, SchemaError, TimestampError
        When the file cannot be read.
    """
    import polars as pl

    from pipeline.market.actions import ACTION_SCHEMA, judged_actions
    from pipeline.market.bars import empty

    rows = _rows(entry, path)
    theirs = rows["symbol"].drop_nulls().unique().to_list()
    calendars = {
        s: found.calendar for s in theirs if (found := _instrument(s, entry, instruments)) is not None
    }
    ours = pl.col("symbol").is_in(list(calendars)) | pl.col("symbol").is_null()
    good, aside = judged_actions(rows.filter(ours), rows.columns)
    parts = [
        _known(
            good.filter(pl.col("symbol").is_in([s for s, c in calendars.items() if c == calendar])), calendar
        )
        for calendar in sorted(set(calendars.values()))
    ]
    made = [
        part.with_columns(source=pl.lit(name), simulated=pl.lit(value=False)).select(list(ACTION_SCHEMA))
        for part in parts
    ]
    return (
        pl.concat([empty(ACTION_SCHEMA), *made]).sort("symbol", "ts", "kind"),
        aside,
        _foreign(rows, ours, name),
    )


def _rows(entry: ActionFile, path: Path) -> pl.DataFrame:
    """Return ``symbol, ts, kind, value, currency`` and the day of the announcement, as the file has them."""
    import polars as pl

    columns = entry.columns
    optional = [c for c in (columns.kind, columns.currency, columns.declared) if c is not None]
    wanted = [columns.time, columns.symbol, columns.value, *optional]
    raw = as_numbers(read_columns(path, wanted, kind=entry.kind(path.name)), [columns.value], path)
    kind = pl.lit(entry.action) if columns.kind is None else pl.col(columns.kind).replace(entry.kinds)
    currency = pl.lit(entry.currency) if columns.currency is None else pl.col(columns.currency)
    declared = None if columns.declared is None else dates(raw[columns.declared], entry, path)
    shown = raw.select(
        pl.col(columns.symbol).cast(pl.String).replace(entry.symbols).alias("symbol"),
        dates(raw[columns.time], entry, path).alias("ts"),
        kind.cast(pl.String).alias("kind"),
        pl.col(columns.value).alias("value"),
        currency.cast(pl.String).alias("currency"),
    )
    day = pl.Series("declared", [None] * raw.height, dtype=pl.Datetime("us", "UTC"))
    said = shown.with_columns(day if declared is None else declared.alias("declared"))
    cash = pl.col("kind") == "dividend"
    return said.with_columns(currency=pl.when(cash).then("currency"))


def _known(rows: pl.DataFrame, calendar: str) -> pl.DataFrame:
    import polars as pl

    from pipeline.market.actions import actions_known_at

    over = (pl.col("declared").dt.replace_time_zone(None) + timedelta(days=1)).dt.replace_time_zone(
        _ZONE_OF[calendar]
    )
    told = rows.with_columns(declared_at=over.dt.convert_time_zone("UTC"))
    return told.with_columns(actions_known_at(told["ts"], told["declared_at"], calendar))


def _instrument(symbol: str, entry: ActionFile, instruments: Mapping[str, Instrument]) -> Instrument | None:
    found = instruments.get(symbol)
    return instruments.get(entry.like) if found is None and entry.like is not None else found


def _foreign(rows: pl.DataFrame, ours: pl.Expr, name: str) -> list[Finding]:
    from pipeline.market.findings import Finding, Severity

    others = rows.filter(~ours)
    if others.is_empty():
        return []
    symbols = others["symbol"].n_unique()
    reason = f"{name}: {others.height} actions of {symbols} symbols that have no instrument"
    return [Finding("other_symbols", Severity.INFO, None, None, reason, count=others.height)]
