"""One write of any size: whole in one transaction, or in chunks that appear together with their manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.errors import ResourceError
from warehouse.append import Appended, Changes, Prepared, apply
from warehouse.manifest import Manifest, Output, new_id, record

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import duckdb


@dataclass(frozen=True)
class Written:
    """What one write did, table by table."""

    write_id: str | None
    appended: tuple[Appended, ...]


def write(
    session: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
    pieces: Sequence[Prepared],
    *,
    manifest: Manifest | None,
    chunk_rows: int,
    now: Callable[[], datetime],
    require: "Callable[[duckdb.DuckDBPyConnection], None] | None" = None,
) -> Written:
    """Write prepared frames, each session holding the lock for at most ``chunk_rows`` rows.

    Up to ``chunk_rows`` rows in all go in one transaction together with the manifest.  More go in chunks that
    carry a ``write_id``; the manifest comes with the last one, and until then no read sees any of them.
    ``require`` is asked in every session before anything is written in it, and refuses by raising.

    Raises
    ------
    ResourceError
        When somebody removed earlier chunks as orphans while this write was still under way.
    """
    batches = _batches(pieces, chunk_rows)
    write_id = new_id(now()) if len(batches) > 1 else None
    if write_id is not None and manifest is None:
        manifest = Manifest(asset="/".join(pieces[0].table.asset_key))
    done = [Changes(0, 0)] * len(pieces)
    ids: list[str | None] = [None] * len(pieces)
    for number, batch in enumerate(batches):
        with session() as cursor:
            if require is not None:
                require(cursor)
            moment = now()
            for index, chunk in batch:
                changes = apply(cursor, chunk, now=moment, write_id=write_id)
                done[index] = Changes(
                    done[index].inserted + changes.inserted, done[index].revised + changes.revised
                )
            if number == len(batches) - 1 and manifest is not None:
                if write_id is not None:
                    _complete(cursor, pieces, done, write_id)
                ids = [
                    record(
                        cursor,
                        manifest,
                        Output(piece.table, piece.rows_in, changes.inserted, changes.revised, piece.digest),
                        now=moment,
                        write_id=write_id,
                    )
                    for piece, changes in zip(pieces, done, strict=True)
                ]
    return Written(
        write_id,
        tuple(
            Appended(
                table=piece.table.full_name,
                rows_in=piece.rows_in,
                inserted=changes.inserted,
                revised=changes.revised,
                unchanged=piece.rows_in - changes.inserted - changes.revised,
                write_id=write_id,
                manifest_id=manifest_id,
                digest=piece.digest,
            )
            for piece, changes, manifest_id in zip(pieces, done, ids, strict=True)
        ),
    )


def _batches(pieces: Sequence[Prepared], chunk_rows: int) -> list[list[tuple[int, Prepared]]]:
    """Cut the pieces into batches of at most ``chunk_rows`` rows, in order; never an empty list."""
    batches: list[list[tuple[int, Prepared]]] = [[]]
    room = chunk_rows
    for index, piece in enumerate(pieces):
        offset = 0
        while offset < piece.frame.height:
            if room == 0:
                batches.append([])
                room = chunk_rows
            chunk = piece.frame.slice(offset, room)
            batches[-1].append((index, replace(piece, frame=chunk)))
            offset += chunk.height
            room -= chunk.height
    return batches


def _complete(
    cursor: "duckdb.DuckDBPyConnection", pieces: Sequence[Prepared], done: Sequence[Changes], write_id: str
) -> None:
    """Refuse to publish a chunked write that lost rows on the way."""
    expected = sum(c.inserted + c.revised for c in done)
    found = 0
    for name in {p.table.full_name for p in pieces}:
        row = cursor.execute(f"SELECT count(*) FROM {name} WHERE write_id = ?", [write_id]).fetchone()
        found += row[0] if row else 0
    if found != expected:
        raise ResourceError(
            "rows of this chunked write were removed before it was complete",
            field="write_id",
            value=write_id,
            constraint=f"{expected} rows, found {found}",
            fix="run it again; remove orphans only of writes that are dead",
        )
