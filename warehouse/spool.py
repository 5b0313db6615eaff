"""Decisions that could not reach the warehouse in time: fsynced files, drained later, each applied once.

An entry is one file: a header line of JSON (id, table, digest), then the rows as an Arrow stream.  It appears
under its name in one step and never changes; whoever applies it records `Entry.id` in the same transaction.
A file that is damaged is set aside under its name, never deleted.  Nothing here knows DuckDB.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.errors import BellsError, DataError, RefusedError, ResourceError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX = ".spooled"
HALF = ".half"
ASIDE = "aside"
"""Subfolder for damaged files."""

LONGEST_NAME = 120


@dataclass(frozen=True)
class Entry:
    """One spooled write.

    Attributes
    ----------
    id
        Identity of the write, ``<decision id>/<table>``: what ``meta.spooled`` records.
    decision_id, table
        Its parts: the decision, and the table as ``schema.name``.
    digest
        SHA-256 of table, schema and rows, hex.
    path
        The file.
    rows
        Number of rows.
    """

    id: str
    decision_id: str
    table: str
    digest: str
    path: Path
    rows: int

    def arrow(self) -> "pa.Table":
        """Return the rows as an Arrow table; raises DataError when the file has been damaged since."""
        return _read(self.path)[1]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries; raises DataError when the file has been damaged since."""
        return self.arrow().to_pylist()


class Spool:
    """A folder of spooled writes, shared by any number of processes.

    Parameters
    ----------
    directory
        Made when missing.

    Examples
    --------
    >>> spool = Spool(Path("var/spool"))
    >>> path = spool.put("2024-03-01T16:00Z/trend", "desk.orders", [{"symbol": "SPY", "quantity": 3.0}])
    >>> applied = spool.drain(lambda entry: print(entry.id, entry.to_dicts()))
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory).absolute()

    def put(self, decision_id: str, table: str, rows: "Sequence[Mapping[str, Any]] | pa.Table") -> Path:
        """Store rows so that they survive a power cut, and return the file.

        Putting the same rows again for the same decision and table changes nothing.

        Parameters
        ----------
        decision_id
            The decision that the rows belong to.
        table
            Target, ``schema.name``.
        rows
            Dictionaries of one shape, or an Arrow table.

        Raises
        ------
        RefusedError
            When that decision has spooled other rows for that table.
        DataError
            When the rows are empty, of mixed types, or the id is empty.
        ResourceError
            When the folder cannot be written.
        """
        content, digest = _encode(decision_id, table, rows)
        path = self._path(decision_id, table)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            while not self._publish(content, path):
                if self._holds_same(path, digest):
                    break
        except OSError as error:
            raise ResourceError(
                "the spool cannot be written",
                field="spool",
                value=str(self.directory),
                constraint=error.strerror,
                fix="free disk space or give this user write access",
            ) from error
        return path

    def pending(self) -> list[Entry]:
        """Return the entries that wait, oldest first; damaged and half-written files are set aside."""
        found = []
        self._set_half_files_aside()
        for path in self.directory.glob(f"*{SUFFIX}"):
            try:
                found.append((path.stat().st_mtime_ns, path.name, _read(path)[0]))
            except FileNotFoundError:  # another process drained it
                continue
            except DataError:
                self._set_aside(path)
        return [entry for _, _, entry in sorted(found, key=lambda item: item[:2])]

    def drain(self, apply: Callable[[Entry], None]) -> int:
        """Hand every waiting entry to ``apply``, then remove it; return how many were applied.

        A crash between the two hands the entry over again: ``apply`` writes the rows and `Entry.id` in one
        transaction and does nothing for an id that is recorded.  An entry that fails stays; the others go on.

        Raises
        ------
        ResourceError
            At once when ``apply`` raises it (the warehouse is busy): the rest waits for the next drain.
        BellsError
            The first other failure, after all entries have been tried.
        """
        applied = 0
        failure: BellsError | None = None
        for entry in self.pending():
            try:
                apply(entry)
            except ResourceError:
                raise
            except BellsError as error:
                error.add_note(f"spooled entry {entry.id} stays at {entry.path}")
                failure = failure or error
                continue
            entry.path.unlink(missing_ok=True)
            _sync_folder(self.directory)
            applied += 1
        if failure is not None:
            raise failure
        return applied

    def aside(self) -> list[Path]:
        """Return the damaged files that a person has to look at."""
        return sorted((self.directory / ASIDE).glob("*"))

    def _path(self, decision_id: str, table: str) -> Path:
        name = quote(f"{decision_id}@{table}", safe="@")
        if len(name) > LONGEST_NAME:
            name = f"{name[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:40]}"
        return self.directory / (name + SUFFIX)

    def _publish(self, content: bytes, path: Path) -> bool:
        """Write under a provisional name, fsync, link to the final one; False when that is taken."""
        handle, provisional = tempfile.mkstemp(dir=self.directory, prefix=f"{path.stem}-", suffix=HALF)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, handle)
            stack.callback(Path(provisional).unlink)
            fcntl.flock(handle, fcntl.LOCK_EX)  # says that the writer lives
            with open(handle, "wb", closefd=False) as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            try:
                os.link(provisional, path)
            except FileExistsError:
                return False
            _sync_folder(self.directory)
        return True

    def _holds_same(self, path: Path, digest: str) -> bool:
        """Whether the entry is there with this content; False when it was drained or damaged meanwhile."""
        try:
            entry, _ = _read(path)
        except FileNotFoundError:
            return False
        except DataError:
            self._set_aside(path)
            return False
        if entry.digest != digest:
            raise RefusedError(
                "this decision has spooled other rows for this table",
                field="decision_id",
                value=entry.id,
                constraint="a decision is taken once",
                fix=f"resume the spooled one; it lies at {path}",
            )
        return True

    def _set_half_files_aside(self) -> None:
        """A provisional file with content that nobody locks was left by a killed writer, never answered."""
        for path in self.directory.glob(f"*{HALF}"):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if path.stat().st_size:  # an empty one may be about to be locked
                    self._set_aside(path)

    def _set_aside(self, path: Path) -> None:
        folder = self.directory / ASIDE
        folder.mkdir(exist_ok=True)
        taken = {other.name for other in folder.iterdir()}
        name, number = path.name, 1
        while name in taken:
            number += 1
            name = f"{path.name}.{number}"
        with contextlib.suppress(FileNotFoundError):  # another process set it aside
            path.rename(folder / name)
            _sync_folder(folder)
            _sync_folder(self.directory)


def _encode(
    decision_id: str, table: str, rows: "Sequence[Mapping[str, Any]] | pa.Table"
) -> tuple[bytes, str]:
    """Return the file's content and the digest of what it says."""
    import pyarrow as pa

    if not decision_id or table.count(".") != 1:
        raise DataError(
            "a spooled write needs a decision and a table",
            field="decision_id" if not decision_id else "table",
            value=decision_id or table,
            constraint="a non-empty id, and schema.name",
            fix="pass both",
        )
    try:
        frame = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    except pa.ArrowException as error:
        raise DataError(
            "rows to spool do not form a table",
            field=table,
            constraint=str(error)[:200],
            fix="give every column one type in all rows",
        ) from error
    if frame.num_rows == 0:
        raise DataError(
            "there are no rows to spool", field=table, constraint="at least one row", fix="pass rows"
        )
    said = (
        f"{decision_id}\n{table}\n{frame.schema.to_string(show_field_metadata=False)}\n{frame.to_pylist()!r}"
    )
    digest = hashlib.sha256(said.encode()).hexdigest()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, frame.schema) as writer:
        writer.write_table(frame)
    body = sink.getvalue().to_pybytes()
    header = {
        "decision_id": decision_id,
        "table": table,
        "rows": frame.num_rows,
        "digest": digest,
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    return json.dumps(header).encode() + b"\n" + body, digest


def _read(path: Path) -> "tuple[Entry, pa.Table]":
    import pyarrow as pa

    header_line, _, body = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(header_line)
        whole = hashlib.sha256(body).hexdigest() == header["body_sha256"]
        decision_id, table, digest = header["decision_id"], header["table"], header["digest"]
        rows = int(header["rows"])
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DataError(
            "a spooled file is damaged",
            field="spool",
            value=str(path),
            constraint="header and body agree",
            fix=f"look at it by hand; it is kept in the folder `{ASIDE}`",
        )
    entry = Entry(f"{decision_id}/{table}", decision_id, table, digest, path, rows)
    return entry, pa.ipc.open_stream(body).read_all()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
