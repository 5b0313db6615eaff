"""What identifies a file that was read: its content and its columns, by hash; never its date."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resources.market.mapping import FileFormat

_PIECE = 1 << 20


@dataclass(frozen=True)
class FileMark:
    """One file as it was read.

    Parameters
    ----------
    name
        Below the base folder.
    sha256
        Of its bytes.
    schema
        Of its column names and types (names alone for CSV); None where they cannot be read.
    """

    name: str
    sha256: str
    schema: str | None


def mark_files(files: Sequence[Path], base: Path, kind_of: dict[str, FileFormat]) -> tuple[FileMark, ...]:
    """Return the marks of files, in order; take them before reading, so that a later change shows.

    Parameters
    ----------
    files
        Existing files below ``base``.
    kind_of
        Format by name.

    Raises
    ------
    OSError
        When a file cannot be opened.
    """
    names = [path.relative_to(base).as_posix() for path in files]
    return tuple(
        FileMark(name, _content(path), _columns(path, kind_of[name]))
        for name, path in zip(names, files, strict=True)
    )


def _content(path: Path) -> str:
    hasher = sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def _columns(path: Path, kind: FileFormat) -> str | None:
    import polars as pl

    try:
        str(path).encode()
        if kind == "parquet":
            text = "\n".join(f"{name} {dtype}" for name, dtype in pl.read_parquet_schema(path).items())
        else:
            text = "\n".join(pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, UnicodeError):
        return None  # the reader that follows names what is wrong with the file
    return sha256(text.encode()).hexdigest()
