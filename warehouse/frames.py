"""Frames and declarations: the dtype of each declared type, and the one door for a frame on its way in.

Whether values make sense is the business of validation in ``pipeline``; here only shape, type, zone, NULL.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, SchemaError, TimestampError
from warehouse.table import KNOWN_AT, Column, Table

if TYPE_CHECKING:
    import polars as pl


def dtypes() -> "Mapping[str, pl.DataType]":
    """Return the Polars dtype of every declared type."""
    import polars as pl

    return {
        "VARCHAR": pl.String(),
        "BOOLEAN": pl.Boolean(),
        "INTEGER": pl.Int32(),
        "BIGINT": pl.Int64(),
        "DOUBLE": pl.Float64(),
        "DATE": pl.Date(),
        "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
        "DECIMAL(18,8)": pl.Decimal(18, 8),
        "DECIMAL(28,8)": pl.Decimal(28, 8),
        "FLOAT[]": pl.List(pl.Float32()),
    }


def schema(table: Table, columns: Sequence[str] | None = None) -> "dict[str, pl.DataType]":
    """Return column names and dtypes of a frame of ``table``; by default what a read returns."""
    kinds = dtypes()
    return {name: kinds[table.column(name).type] for name in (table.readable if columns is None else columns)}


def conform(table: Table, frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return ``frame`` with the declared columns in declared types, NaN as NULL.

    Parameters
    ----------
    table
        The declaration.
    frame
        Exactly the declared columns and ``known_at`` (which tables about the warehouse itself may leave out),
        in any order.  Integers widen to floats and narrow where they fit, floats become decimals rounded to
        the declared places, instants of any zone become UTC in microseconds.

    Raises
    ------
    SchemaError
        Naming the column that is missing, undeclared or of another type.
    TimestampError
        Naming a column of datetimes without zone.
    DataError
        Naming a column that must not be NULL, with the first row where it is.
    """
    import polars as pl

    if table.known_at == "recorded" and KNOWN_AT not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(KNOWN_AT))
    missing = [name for name in table.readable if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"{table.full_name}: a column is missing",
            field=missing[0],
            value=frame.columns,
            constraint=f"all of {', '.join(table.readable)}",
            fix="add it; a value that is unknown is NULL",
        )
    extra = [name for name in frame.columns if name not in table.readable]
    if extra:
        raise SchemaError(
            f"{table.full_name}: a column is not declared",
            field=extra[0],
            constraint=f"one of {', '.join(table.readable)}",
            fix="drop it, or declare it in warehouse/tables_*.py with a migration",
        )
    out = frame.select(_as_declared(table, table.column(n), frame[n]) for n in table.readable)
    for name in table.readable:
        column = table.column(name)
        optional = column.nullable or (name == KNOWN_AT and table.known_at == "recorded")
        if not optional and out[name].null_count():
            row = int(out[name].is_null().arg_max() or 0)
            raise DataError(
                f"{table.full_name}: a value is missing",
                field=name,
                value=out.row(row, named=True),
                constraint=f"not NULL (row {row})",
                fix="quarantine the row or give the value",
            )
    return out


def _as_declared(table: Table, column: Column, series: "pl.Series") -> "pl.Series":
    import polars as pl

    wanted, found = dtypes()[column.type], series.dtype
    if isinstance(found, pl.Datetime) and isinstance(wanted, pl.Datetime) and found.time_zone is None:
        raise TimestampError(
            f"{table.full_name}: datetimes without time zone",
            field=column.name,
            value=found,
            constraint="time-zone aware",
            fix="use dt.replace_time_zone with the zone the stamps are in",
        )
    if found.is_float():
        series = series.fill_nan(None)
    elif isinstance(found, pl.List) and found.inner.is_float():
        series = series.list.eval(pl.element().fill_nan(None))
    if found == wanted:
        return series
    if not _fits(found, wanted):
        raise SchemaError(
            f"{table.full_name}: a column has the wrong type",
            field=column.name,
            value=found,
            constraint=f"{column.type}, as Polars {wanted}",
            fix="cast it before writing",
        )
    try:
        return series.cast(wanted, strict=True)
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"{table.full_name}: a value does not fit its column",
            field=column.name,
            value=str(error).splitlines()[0],
            constraint=column.type,
            fix="correct the value",
        ) from error


def _fits(found: Any, wanted: Any) -> bool:
    """Say whether a cast from ``found`` keeps the meaning of a value."""
    import polars as pl

    if found == pl.Null:
        return True
    if isinstance(wanted, pl.List) and isinstance(found, pl.List):
        return _fits(found.inner, wanted.inner)
    return (
        (wanted == pl.String and found in {pl.Categorical, pl.Enum})
        or (wanted.is_integer() and found.is_integer())
        or (wanted.is_float() and (found.is_integer() or found.is_float()))
        or (wanted.is_decimal() and found.is_numeric())
        or (isinstance(wanted, pl.Datetime) and isinstance(found, pl.Datetime))
    )
