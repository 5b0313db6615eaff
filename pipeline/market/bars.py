"""The columns of bars, macro series and quarantined rows, and the one way to bring a frame into them.

What a row may hold is decided here; whether its values make sense is `validation`'s business.
"""

from collections.abc import Mapping
from enum import StrEnum

import polars as pl

from pipeline.errors import SchemaError, TimestampError

UTC_TIME = pl.Datetime("us", "UTC")


class BarState(StrEnum):
    """How complete the knowledge of a bar is, from the least complete to the most."""

    IMPUTED = "imputed"
    """Made up by a policy where the source has none."""
    PROVISIONAL = "provisional"
    """Built from finer bars and trades before the venue's own closed bar came."""
    FINAL = "final"
    """The source's closed bar."""


STATES = tuple(str(state) for state in BarState)
"""A bar never replaces one that stands later in this order."""


BAR_SCHEMA: Mapping[str, pl.DataType] = {
    "symbol": pl.String(),
    "ts": UTC_TIME,
    "open_at": UTC_TIME,
    "close_at": UTC_TIME,
    "minutes": pl.Int32(),
    "covered_minutes": pl.Int32(),
    "open": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Float64(),
    "adjustment": pl.String(),
    "source": pl.String(),
    "venue": pl.String(),
    "vintage": pl.String(),
    "state": pl.String(),
    "simulated": pl.Boolean(),
    "known_at": UTC_TIME,
}
"""Bars: the same columns for H4 and daily.  Times are UTC, ``minutes`` is cell meets session."""

MACRO_SCHEMA: Mapping[str, pl.DataType] = {
    "series": pl.String(),
    "ts": UTC_TIME,
    "value": pl.Float64(),
    "unit": pl.String(),
    "source": pl.String(),
    "vintage": pl.String(),
    "simulated": pl.Boolean(),
    "known_at": UTC_TIME,
}
"""Macro series: ``ts`` is the reference period's start, ``known_at`` the release."""

QUARANTINE_SCHEMA: Mapping[str, pl.DataType] = {
    "dataset": pl.String(),
    "symbol": pl.String(),
    "ts": UTC_TIME,
    "rule": pl.String(),
    "severity": pl.String(),
    "reason": pl.String(),
    "row_json": pl.String(),
}
"""Rows kept out of the data, each with the rule it broke and the row itself."""

GAP_SCHEMA: Mapping[str, pl.DataType] = {
    "symbol": pl.String(),
    "timeframe": pl.String(),
    "first": UTC_TIME,
    "last": UTC_TIME,
    "count": pl.Int64(),
}
"""Runs of missing bars: labels of the first and the last one, and how many."""

PRICES = ("open", "high", "low", "close")
ADJUSTMENTS = ("raw", "split", "split_dividend")
VINTAGES = ("as_published", "latest_revision")

NULLABLE_BAR = frozenset({"volume", "minutes", "covered_minutes", "venue"})
"""An index has no volume, a foreign bar no venue; everything else must be given."""
NULLABLE_MACRO = frozenset({"unit"})


def conform_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with exactly the columns of `BAR_SCHEMA`, in order and type.

    Nullable columns that are missing are added as NULL, an unknown volume given as NaN becomes NULL,
    foreign columns are left out.  A frame without ``state`` holds final bars.  Prices stay as they are, NaN
    included: `validation` names such rows.

    Raises
    ------
    SchemaError
        Naming the column that is missing, cannot be cast, or holds an unknown word.
    TimestampError
        When a time column carries no time zone.
    """
    if "state" not in frame.columns:
        frame = frame.with_columns(state=pl.lit(str(BarState.FINAL)))
    bars = _conform(frame, BAR_SCHEMA, NULLABLE_BAR).with_columns(pl.col("volume").fill_nan(None))
    _require_words(bars, "adjustment", ADJUSTMENTS)
    _require_words(bars, "vintage", VINTAGES)
    _require_words(bars, "state", STATES, nullable=False)
    return bars


def conform_macro(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with exactly the columns of `MACRO_SCHEMA`; a NaN value becomes NULL.

    Raises
    ------
    SchemaError, TimestampError
        As `conform_bars`.
    """
    macro = _conform(frame, MACRO_SCHEMA, NULLABLE_MACRO).with_columns(pl.col("value").fill_nan(None))
    _require_words(macro, "vintage", VINTAGES)
    return macro


def empty(schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return a frame of that schema without rows."""
    return pl.DataFrame(schema=dict(schema))


def _conform(
    frame: pl.DataFrame, schema: Mapping[str, pl.DataType], nullable: frozenset[str]
) -> pl.DataFrame:
    columns = []
    for name, dtype in schema.items():
        if name not in frame.columns:
            if name not in nullable:
                raise SchemaError(
                    "a required column is missing",
                    name,
                    sorted(frame.columns),
                    f"columns {', '.join(sorted(set(schema) - nullable))}",
                    f"add {name} or map it from a column of the source",
                )
            columns.append(pl.lit(None, dtype=dtype).alias(name))
            continue
        columns.append(_cast(frame, name, dtype))
    return frame.select(columns)


def _cast(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    given = frame.schema[name]
    if dtype == UTC_TIME and isinstance(given, pl.Datetime) and given.time_zone is None and given != dtype:
        raise TimestampError(
            "times without a time zone",
            name,
            str(given),
            "Datetime with a time zone",
            "name the zone of the stamps",
        )
    allowed = _castable(given, dtype)
    if not allowed:
        raise SchemaError(
            "a column has the wrong type", name, str(given), str(dtype), f"read {name} as {dtype}"
        )
    if isinstance(given, pl.Datetime):
        return pl.col(name).dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return pl.col(name).cast(dtype, strict=True)


def _castable(given: pl.DataType, wanted: pl.DataType) -> bool:
    if given in {wanted, pl.Null}:
        return True
    if wanted == UTC_TIME:
        return isinstance(given, pl.Datetime)
    if wanted.is_numeric():
        return given.is_numeric()
    return wanted == pl.String and given in {pl.Categorical, pl.Enum}


def _require_words(
    frame: pl.DataFrame, column: str, words: tuple[str, ...], *, nullable: bool = True
) -> None:
    wrong = frame.filter(~pl.col(column).is_in(words).fill_null(value=nullable))
    if wrong.height:
        raise SchemaError("an unknown word", column, wrong[column][0], f"one of {', '.join(words)}")
