"""Reads columns of one Parquet or CSV file, and turns every way in which that fails into an error with a fix.

Nothing here knows what the columns mean (`mapping`) or when a stamp is (`stamps`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import SchemaError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from resources.market.mapping import FileFormat


def matching_files(base: Path, pattern: str) -> list[Path]:
    """Return the files below ``base`` that a pattern names, sorted.

    Raises
    ------
    SourceError
        When there is none.
    """
    found = sorted(path for path in base.glob(pattern) if path.is_file()) if base.is_dir() else []
    if not found:
        raise SourceError(
            "no file matches" if base.is_dir() else "the folder of the data does not exist",
            field="path",
            value=pattern if base.is_dir() else str(base),
            constraint=f"a file below {base}",
            fix="check path in the mapping, and EIGHTBELLS_DATA or data_dir",
        )
    return found


def read_columns(
    path: Path, columns: Sequence[str], *, kind: FileFormat, optional: Sequence[str] = ()
) -> pl.DataFrame:
    """Return the named columns of a file, and the optional ones that it has; those of a CSV file as text.

    Raises
    ------
    SourceError
        When the file is missing, empty, damaged, or cannot be read.
    SchemaError
        When a column is missing.
    """
    import polars as pl

    try:
        str(path).encode()  # polars answers a name that is no text with a TypeError of its own
        frame = (_parquet if kind == "parquet" else _csv)(path, columns, optional)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, UnicodeError) as error:
        lines = str(error).strip().splitlines()
        raise SourceError(
            "the file cannot be read",
            field=str(path),
            value=lines[0] if lines else type(error).__name__,
            constraint=f"a whole {kind} file",
            fix="fetch the file again, or correct format in the mapping",
        ) from error
    if frame.is_empty():
        raise SourceError(
            "the file holds no rows", field=str(path), constraint="at least one row", fix="fetch it again"
        )
    return frame


def as_numbers(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> pl.DataFrame:
    """Return the frame with float columns; text that is no number becomes NULL and is quarantined later.

    Raises
    ------
    SchemaError
        When a column holds something else, or text without a single number.
    """
    import polars as pl

    out = []
    for name in columns:
        column = frame[name]
        if column.dtype != pl.String and not column.dtype.is_numeric() and column.dtype != pl.Null:
            raise _wrong_type(path, name, column.dtype)
        numbers = column.cast(pl.Float64, strict=False)
        given = column.drop_nulls()
        if given.len() and numbers.is_null().all():
            raise _wrong_type(path, name, column.dtype, example=given[0])
        out.append(numbers)
    return frame.with_columns(out)


def as_texts(frame: pl.DataFrame, columns: Sequence[str], path: Path) -> pl.DataFrame:
    """Return the frame with text in these columns.

    Raises
    ------
    SchemaError
        When a column holds something that has no text, such as lists or bytes that are no UTF-8.
    """
    import polars as pl

    out = []
    for name in columns:
        try:
            out.append(frame[name].cast(pl.String))
        except pl.exceptions.PolarsError as error:
            raise SchemaError(
                "a column does not hold text",
                field=f"{path}: {name}",
                value=str(frame[name].dtype),
                constraint="text, or numbers that are names",
                fix="map another column, or repair the file",
            ) from error
    return frame.with_columns(out)


def _parquet(path: Path, columns: Sequence[str], optional: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    there = list(pl.read_parquet_schema(path))
    _require_columns(path, columns, there)
    return pl.read_parquet(path, columns=_wanted(columns, optional, there), glob=False)


def _csv(path: Path, columns: Sequence[str], optional: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    header = pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns
    _require_columns(path, columns, header)
    wanted = _wanted(columns, optional, header)
    return pl.read_csv(path, columns=wanted, infer_schema=False, glob=False)


def _wanted(columns: Sequence[str], optional: Sequence[str], there: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*columns, *(name for name in optional if name in there)]))


def _require_columns(path: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in there]
    if missing:
        raise SchemaError(
            "a column is missing",
            field=f"{path}: {missing[0]}",
            value=list(there)[:20],
            constraint=f"columns {', '.join(wanted)}",
            fix="name the file's own column under columns in the mapping",
        )


def _wrong_type(path: Path, name: str, dtype: pl.DataType, example: object = None) -> SchemaError:
    return SchemaError(
        "a column does not hold numbers",
        field=f"{path}: {name}",
        value=str(dtype) if example is None else example,
        constraint="numbers",
        fix="map another column, or repair the file",
    )
