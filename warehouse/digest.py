r"""The bytes of a digest: what is hashed, in which order, so that equal data have equal digests anywhere.

A table's digest is a tree: root over months, month over blocks, block (leaf) over columns.  All integers are
little endian, text is UTF-8, every hash is SHA-256.

=======  ================================================================================================
node     bytes
=======  ================================================================================================
column   ``eightbells column 1\n``, ``<name> <type>\n``, rows as u64, then *cells*
cells    validity (one bit a row, lowest bit first, 1 = known, padded with 0 to whole bytes), then values
leaf     ``eightbells leaf 1\n``, then the 32 bytes of each column in declared order
month    ``eightbells month 1\n``, then each block in byte order of its label: length as u32, label, 32 bytes
root     ``eightbells table 1\n``, ``<schema.name>\n``, then the months likewise, labelled ``YYYY-MM``
=======  ================================================================================================

Values: BOOLEAN one byte; INTEGER and DATE (days since 1970) i32; BIGINT and TIMESTAMPTZ (microseconds since
1970) i64; DOUBLE f64; DECIMAL the unscaled number as i128; VARCHAR rows + 1 offsets as i64 from 0, then
the text; FLOAT[] rows + 1 offsets as i64 counted in elements, then the *cells* of the elements as f32.
NaN counts as NULL, a NULL's slot is zero (or empty), -0.0 is 0.0.  The rows of a leaf are sorted by the
key, then by ``known_at``, NULL first.  Columns: see `Table.digested`.  The label of a block is the JSON
list of its values; a table without a time axis has the one month ``1970-01``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from warehouse.frames import dtypes
from warehouse.table import KNOWN_AT, RECORDED_AT, Column, Table

if TYPE_CHECKING:
    import polars as pl

_COLUMN = b"eightbells column 1\n"
_LEAF = b"eightbells leaf 1\n"
_MONTH = b"eightbells month 1\n"
_TABLE = b"eightbells table 1\n"
_EPOCH_MONTH = 1970 * 12
_MONTHS = "months_"


class LeafId(NamedTuple):
    """Where a leaf hangs: ``months`` since year 0 (``12 * year + month - 1``) and the label of its block."""

    months: int
    block: str

    @property
    def month(self) -> str:
        """``YYYY-MM``."""
        return f"{self.months // 12:04d}-{self.months % 12 + 1:02d}"


class LeafDigest(NamedTuple):
    """The 32 bytes of a leaf, and how many rows they cover."""

    digest: bytes
    rows: int


@dataclass(frozen=True)
class _Cells:
    """One column in canonical form; ``offsets`` and ``inner`` where rows vary in length."""

    valid: np.ndarray
    values: np.ndarray
    offsets: np.ndarray | None = None
    inner: "_Cells | None" = None

    def feed(self, hasher: Any, first: int, last: int) -> None:
        hasher.update(np.packbits(self.valid[first:last], bitorder="little"))
        if self.offsets is None:
            hasher.update(self.values[first:last])
            return
        begin, end = int(self.offsets[first]), int(self.offsets[last])
        hasher.update(self.offsets[first : last + 1] - begin)
        if self.inner is None:
            hasher.update(self.values[begin:end])
        else:
            self.inner.feed(hasher, begin, end)


def leaves(table: Table, frame: "pl.DataFrame", *, versions: bool = False) -> dict[LeafId, LeafDigest]:
    """Return the digest of every leaf that ``frame`` has rows in.

    Parameters
    ----------
    table
        The declaration.
    frame
        At least the columns of ``table.digested`` in declared types, in any order of rows.
    versions
        Whether there may be several versions of a key; the newest by both clocks, which the frame then
        holds, is the one that counts.

    Returns
    -------
    dict
        In order of month and block.
    """
    if frame.is_empty():
        return {}
    columns = table.digested
    clocks = [name for name in (KNOWN_AT, *([RECORDED_AT] if versions else [])) if name in frame.columns]
    order = dict.fromkeys((*table.block, _MONTHS, *table.key, *clocks))
    frame = frame.with_columns(_month_number(table).alias(_MONTHS)).sort(*order)
    if versions:
        frame = frame.filter(_last_of(table.key))
    bounds = _bounds(table, frame)
    heads = frame.select(_MONTHS, *table.block)[bounds[:-1]].rows()
    cells = list(zip((_header(c) for c in columns), _canonical(columns, frame), strict=True))
    found: dict[LeafId, LeafDigest] = {}
    for head, (first, last) in zip(heads, pairwise(bounds), strict=True):
        leaf = hashlib.sha256(_LEAF)
        count = (last - first).to_bytes(8, "little")
        for header, column in cells:
            hasher = hashlib.sha256(header + count)
            column.feed(hasher, first, last)
            leaf.update(hasher.digest())
        found[LeafId(head[0], label(head[1:]))] = LeafDigest(leaf.digest(), last - first)
    return dict(sorted(found.items()))


def combine(table: Table, found: Mapping[LeafId, bytes]) -> str:
    """Return the root over leaves, as hex."""
    months: dict[int, list[tuple[str, bytes]]] = {}
    for leaf, digest in found.items():
        months.setdefault(leaf.months, []).append((leaf.block, digest))
    nodes = [(LeafId(m, "").month, _node(_MONTH, children)) for m, children in months.items()]
    return _node(_TABLE + table.full_name.encode() + b"\n", nodes).hex()


def digest_frame(table: Table, frame: "pl.DataFrame") -> str:
    """Return the digest of ``frame`` as content of ``table``, as hex.

    For the newest versions of a whole table this is what `Warehouse.latest_digest` returns.

    Examples
    --------
    >>> import polars as pl
    >>> from warehouse.tables import MIGRATIONS
    >>> digest_frame(MIGRATIONS, pl.DataFrame({"number": [1], "title": ["first"]}))[:16]
    '6f7c15d1a4c14544'
    """
    kinds = dtypes()
    wanted = {c.name: kinds[c.type] for c in table.digested}
    found = leaves(table, frame.with_columns(frame[n].cast(k) for n, k in wanted.items()))
    return combine(table, {i: leaf.digest for i, leaf in found.items()})


def label(values: Iterable[object]) -> str:
    """Return the label of a block."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))


def _month_number(table: Table) -> "pl.Expr":
    """Return ``12 * year + month - 1``; that of 1970-01 where the table has no time axis."""
    import polars as pl

    if table.time is None:
        return pl.lit(_EPOCH_MONTH, pl.Int32)
    ts = pl.col(table.time).dt
    return ts.year().cast(pl.Int32) * 12 + ts.month().cast(pl.Int32) - 1


def _last_of(key: tuple[str, ...]) -> "pl.Expr":
    """Return where the key of a row is not that of the next one."""
    import polars as pl

    other = (pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in key)
    return pl.any_horizontal(*other, pl.int_range(pl.len()) == pl.len() - 1)


def _node(prefix: bytes, children: Iterable[tuple[str, bytes]]) -> bytes:
    hasher = hashlib.sha256(prefix)
    for text, digest in sorted((name.encode(), digest) for name, digest in children):
        hasher.update(len(text).to_bytes(4, "little") + text + digest)
    return hasher.digest()


def _header(column: Column) -> bytes:
    return _COLUMN + f"{column.name} {column.type}\n".encode()


def _bounds(table: Table, frame: "pl.DataFrame") -> list[int]:
    """Return where runs of equal month and block begin, and the end."""
    import polars as pl

    heads = (pl.col(name) for name in (_MONTHS, *table.block))
    changed = frame.select(pl.any_horizontal(head.ne_missing(head.shift(1)) for head in heads))
    return sorted({0, *np.flatnonzero(changed[:, 0].to_numpy()).tolist(), frame.height})


_WHOLE = {"BOOLEAN": "u1", "INTEGER": "<i4", "DATE": "<i4", "BIGINT": "<i8", "TIMESTAMPTZ": "<i8"}


def _canonical(columns: tuple[Column, ...], frame: "pl.DataFrame") -> list[_Cells]:
    """Bring all columns into canonical form, in one pass over the frame."""
    import polars as pl

    plain = frame.select(part for n, column in enumerate(columns) for part in _parts(n, column))
    names = [c.name for c in columns if c.type == "VARCHAR"]
    joined = frame.select(pl.col(name).str.join("") for name in names).row(0, named=True) if names else {}
    return [
        _cells(column, frame, plain[f"valid{n}"].to_numpy(), plain[f"cell{n}"], joined.get(column.name, ""))
        for n, column in enumerate(columns)
    ]


def _parts(n: int, column: Column) -> "tuple[pl.Expr, pl.Expr]":
    """Return what is known, and the values (or lengths) with zero in place of NULL."""
    import polars as pl

    cell = pl.col(column.name)
    if column.type == "DOUBLE":
        cell = cell.fill_nan(None)
    known = cell.is_not_null().alias(f"valid{n}")
    if column.type == "VARCHAR":
        cell = cell.str.len_bytes().cast(pl.Int64)
    elif column.type == "FLOAT[]":
        cell = cell.list.len().cast(pl.Int64)
    elif column.type in _WHOLE:
        cell = cell.to_physical()
    zero = cell.fill_null(value=False) if column.type == "BOOLEAN" else cell.fill_null(0)
    return known, zero.alias(f"cell{n}")


def _cells(column: Column, frame: "pl.DataFrame", valid: np.ndarray, cell: "pl.Series", text: str) -> _Cells:
    if column.type == "VARCHAR":
        return _Cells(valid, np.frombuffer(text.encode(), dtype=np.uint8), _offsets(cell.to_numpy()))
    if column.type == "FLOAT[]":
        elements = frame[column.name].filter(cell > 0).explode().fill_nan(None)
        values = _positive_zero(elements.fill_null(0.0).to_numpy().astype("<f4"))
        inner = _Cells(elements.is_not_null().to_numpy(), values)
        return _Cells(valid, valid[:0], _offsets(cell.to_numpy()), inner)
    if column.type == "DOUBLE":
        return _Cells(valid, _positive_zero(cell.to_numpy().astype("<f8")))
    if column.type in _WHOLE:
        return _Cells(valid, np.ascontiguousarray(cell.to_numpy().astype(_WHOLE[column.type])))
    decimals = cell.rechunk().to_arrow()
    return _Cells(
        valid,
        np.frombuffer(decimals.buffers()[1], dtype="V16", offset=16 * decimals.offset, count=len(cell)),
    )


def _positive_zero(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values + values.dtype.type(0.0))


def _offsets(sizes: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(sizes) + 1, dtype="<i8")
    np.cumsum(sizes, out=offsets[1:])
    return offsets
