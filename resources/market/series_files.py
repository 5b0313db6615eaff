"""Makes macro observations of files: dated by reference period, known by their release rule."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import SchemaError
from resources.market.reading import as_numbers, as_texts, read_columns
from resources.market.stamps import dates

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from resources.market.mapping import SeriesFile, SeriesRule

DATASET = "market.macro"


def read_series(entry: SeriesFile, path: Path, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the observations of one file and the rows set aside.

    Parameters
    ----------
    entry
        What the file holds.
    path
        The file.
    name
        What ``source`` calls it.

    Returns
    -------
    tuple of polars.DataFrame
        Columns of ``MACRO_SCHEMA``, sorted by series and period, and of ``QUARANTINE_SCHEMA``.

    Raises
    ------
    SourceError, SchemaError, TimestampError
        When the file cannot be read, or lacks a series that the mapping names.
    """
    import polars as pl

    from pipeline.market.bars import MACRO_SCHEMA

    long = _long(entry, path)
    absent = sorted(set(entry.series) - set(long["series"].unique()))
    if absent:
        raise SchemaError(
            "the file lacks a series",
            field=f"{path}: {absent[0]}",
            constraint=f"series {', '.join(entry.series)}",
            fix="take the series out of the mapping, or correct its name",
        )
    good, aside = _judged(long)
    parts = []
    for theirs, rule in entry.series.items():
        some = good.filter(pl.col("series") == theirs)
        parts.append(
            some.with_columns(
                series=pl.lit(rule.name or theirs),
                value=pl.col("value") * rule.scale,
                unit=pl.lit(rule.unit),
                source=pl.lit(name),
                vintage=pl.lit(entry.vintage),
                simulated=pl.lit(value=False),
                known_at=_known(some["ts"], rule, entry.calendar),
            ).select(list(MACRO_SCHEMA))
        )
    return pl.concat(parts).sort("series", "ts"), aside


def _long(entry: SeriesFile, path: Path) -> pl.DataFrame:
    """Return ``series, ts, value`` of the mapped series, whatever the file's layout."""
    import polars as pl

    columns, wanted = entry.columns, list(entry.series)
    kind = entry.kind(path.name)
    if columns.series is None:
        raw = as_numbers(read_columns(path, [columns.time, *wanted], kind=kind), wanted, path)
        wide = raw.with_columns(dates(raw[columns.time], entry, path).alias("ts"))
        long = wide.unpivot(wanted, index="ts", variable_name="series", value_name="value")
        return long.filter(pl.col("value").is_not_null()).select("series", "ts", "value")
    raw = read_columns(path, [columns.time, columns.series, columns.value], kind=kind)
    raw = as_texts(raw, [columns.series], path).filter(pl.col(columns.series).is_in(wanted))
    raw = as_numbers(raw, [columns.value], path)
    return raw.select(
        pl.col(columns.series).alias("series"),
        dates(raw[columns.time], entry, path).alias("ts"),
        pl.col(columns.value).fill_nan(None).alias("value"),
    )


def _judged(long: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    import polars as pl

    from pipeline.market.findings import Severity
    from pipeline.market.quarantine import quarantine
    from pipeline.market.rules import Rule, judge, repeat_rules, with_repeats

    columns = ["series", "ts", "value"]
    rules = [
        Rule("missing_value", Severity.ERROR, pl.col("ts").is_null(), pl.lit("the date cannot be read")),
        Rule("not_finite", Severity.ERROR, pl.col("value").is_infinite(), pl.lit("the value is infinite")),
        *repeat_rules(),
    ]
    good, bad = judge(with_repeats(long, ("series", "ts"), columns), rules)
    named = bad.with_columns(pl.col("series").alias("symbol"))
    return good.select(columns), quarantine(named, DATASET, columns)


def _known(ts: pl.Series, rule: SeriesRule, calendar: str) -> pl.Series:
    import polars as pl

    from pipeline.calendar.known import known_at

    lag = None if rule.lag_minutes is None else timedelta(minutes=rule.lag_minutes)
    known = known_at(rule.release, ts.dt.replace_time_zone(None).to_numpy(), calendar=calendar, lag=lag)
    return pl.Series(known.astype("datetime64[us]")).dt.replace_time_zone("UTC")
