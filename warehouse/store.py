"""The one door to the warehouse file: sessions, appends, reads as of an instant, digests, upkeep.

Thin: each method says what it does and calls the module that does it.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from pipeline.errors import ConfigError, DataError, WarehouseBusyError
from warehouse import chunks, export, migrations, orphans, queries, retention, snapshot, tree, urgent
from warehouse.append import Appended, Corrections, prepare
from warehouse.asof import instant, newest, select_versions
from warehouse.manifest import Manifest
from warehouse.orphans import GRACE, Orphan
from warehouse.session import Sessions, SessionSettings
from warehouse.table import KNOWN_AT, RECORDED_AT, Table

if TYPE_CHECKING:
    import polars as pl

URGENT_WAIT_S = 2.0
"""Seconds that an urgent write waits for the file before it goes to the spool."""


@cache
def _first_parameter() -> None:
    """Let DuckDB import what it imports at the first bound value (pandas), before a lock is held."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SELECT ?", [0]).fetchall()


@contextmanager
def _lacking(path: Path) -> Generator[None]:
    """Say what the file lacks when a statement names a table or column that is not in it."""
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise DataError(
            "the warehouse lacks what was asked for",
            field=str(path),
            value=str(error).splitlines()[0],
            constraint="a table, view or column of this warehouse",
            fix="correct the name, or restore a snapshot; if the warehouse is new or of an older version,"
            " run `bells run` once",
        ) from error


class Warehouse:
    """The warehouse of one DuckDB file.

    Parameters
    ----------
    path
        The file; it is created by the first write.
    now
        Tells the time, time-zone aware (``clock.now``).
    settings
        Waiting, memory and threads of sessions.
    chunk_rows
        Rows that one session writes at most, so that it holds the lock for under half a second.
    spool
        Folder for urgent writes that could not get in; by default ``spool`` beside the file.
    urgent_wait_s
        How long an urgent write waits for the file before it goes to the spool.

    Examples
    --------
    >>> warehouse = Warehouse(Path("var/warehouse.duckdb"), now=clock.now)  # doctest: +SKIP
    >>> warehouse.append(OHLCV_H4, bars).inserted  # doctest: +SKIP
    10950
    >>> warehouse.as_of(OHLCV_H4, where={"symbol": "SPY"}).height  # doctest: +SKIP
    10950
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        settings: SessionSettings | None = None,
        chunk_rows: int = 200_000,
        spool: Path | None = None,
        urgent_wait_s: float = URGENT_WAIT_S,
    ) -> None:
        if chunk_rows < 1:
            raise ConfigError("a chunk holds no row", field="chunk_rows", value=chunk_rows, constraint=">= 1")
        self.path = path
        self.spool_directory = spool if spool is not None else path.parent / "spool"
        self._now = now
        self._sessions = Sessions(path, settings if settings is not None else SessionSettings())
        self._chunk_rows = chunk_rows
        self._urgent_wait_s = urgent_wait_s
        self._migrated = False
        self._leaves: dict[str, dict[tree.LeafId, tree.Leaf]] = {}

    def now(self) -> datetime:
        """Return the time of the warehouse's clock, UTC."""
        return instant("now", self._now())

    # sessions

    @contextmanager
    def read(self, *, timeout: float | None = None) -> Generator[duckdb.DuckDBPyConnection]:
        """Open a short read session; materialise results inside it.

        Raises
        ------
        WarehouseBusyError
            When the file stays locked for longer than ``timeout`` seconds.
        DataError
            When there is no warehouse yet, or a table or column is not in it.
        """
        _first_parameter()
        with self._sessions.read(timeout=timeout) as cursor, _lacking(self.path):
            yield cursor

    @contextmanager
    def write(
        self, *, urgent: bool = False, timeout: float | None = None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Open a short write session: one transaction, committed at a clean exit.

        Raises
        ------
        WarehouseBusyError
            When the file stays locked for longer than ``timeout`` seconds.
        DataError
            When a table or column is not in the file.
        """
        _first_parameter()
        self._ensure(timeout)
        with self._sessions.write(urgent=urgent, timeout=timeout) as cursor, _lacking(self.path):
            yield cursor

    @contextmanager
    def get_connection(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Open a write session under the name that code for dagster's DuckDBResource expects."""
        with self.write() as cursor:
            yield cursor

    def migrate(self) -> list[str]:
        """Create the file or bring it to this version's schema; return the titles of what was applied.

        The first write calls it; calling it again does nothing.

        Raises
        ------
        ConfigError
            When a newer version made the file.
        SchemaError
            When the file holds something else than is declared.
        """
        return self._migrate(None)

    def _migrate(self, timeout: float | None) -> list[str]:
        _first_parameter()
        self._migrated = False
        if self.path.exists():
            with self._sessions.read(timeout=timeout) as cursor:
                self._migrated = not migrations.pending(cursor)
        done: list[str] = []
        if not self._migrated:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._sessions.write(timeout=timeout) as cursor:
                done = migrations.run(cursor, self.now())
        self._migrated = True
        return done

    def _ensure(self, timeout: float | None) -> None:
        if not self._migrated or not self.path.exists():
            self._migrate(timeout)

    # writing

    def append(
        self,
        table: Table,
        frame: "pl.DataFrame",
        *,
        manifest: Manifest | None = None,
        corrections: Corrections = "now",
    ) -> Appended:
        """Store what is new in ``frame``; see `warehouse.append` for what counts as new.

        Parameters
        ----------
        table, frame
            The declaration, and rows with exactly its columns and ``known_at``.
        manifest
            Stored in the same transaction.
        corrections
            ``now``: a changed row is known no earlier than now.  ``given``: the frame is a vintaged history.

        Raises
        ------
        SchemaError, TimestampError, DataError
            When the frame is not what the table declares; nothing is written then.
        WarehouseBusyError
            When the file stays locked.
        """
        return self._write([(table, frame)], manifest, corrections).appended[0]

    def write_many(
        self,
        writes: "Sequence[tuple[Table, pl.DataFrame]]",
        *,
        manifest: Manifest,
        require: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    ) -> chunks.Written:
        """Store several frames and their manifest together: all of it appears, or nothing.

        ``require`` may refuse it by raising: it looks at the file inside the transaction that writes.
        """
        return self._write(writes, manifest, "now", require)

    def _write(
        self,
        writes: "Sequence[tuple[Table, pl.DataFrame]]",
        manifest: Manifest | None,
        corrections: Corrections,
        require: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    ) -> chunks.Written:
        pieces = [prepare(table, frame, corrections) for table, frame in writes]
        return chunks.write(
            self.write, pieces, manifest=manifest, chunk_rows=self._chunk_rows, now=self.now, require=require
        )

    def write_urgent(
        self, decision_id: str, table: Table, rows: "pl.DataFrame"
    ) -> Literal["written", "spooled"]:
        """Store the rows of a decision at once, or put them into the spool when the file stays locked.

        The same decision twice is stored once.

        Raises
        ------
        SchemaError, TimestampError, DataError
            When the rows are not what the table declares.
        """
        piece = prepare(table, rows)
        try:
            with self.write(urgent=True, timeout=self._urgent_wait_s) as cursor:
                urgent.apply(cursor, urgent.entry_id(decision_id, piece), piece, now=self.now(), via="write")
        except WarehouseBusyError:
            urgent.put(self.spool_directory, decision_id, piece)
            return "spooled"
        return "written"

    def drain(self) -> int:
        """Bring spooled writes into the file, each exactly once; return how many there were."""
        return urgent.drain(self.spool_directory, self.write, self.now)

    # reading

    def as_of(
        self,
        table: Table,
        at: datetime | None = None,
        *,
        recorded: bool = False,
        where: Mapping[str, object] | None = None,
        columns: Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> "pl.DataFrame":
        """Return the newest version of each key as of an instant, sorted by key.

        Parameters
        ----------
        table
            The declaration.
        at
            What the world knew then; None for everything there is.
        recorded
            What this warehouse held then, instead.
        where
            Column to value; a list means any of its values, None means unknown.
        columns
            What to return; by default the declared columns and ``known_at``.
        start, end
            ``start <= time < end`` on the table's time column.

        Raises
        ------
        ConfigError
            When a column is not declared.
        TimestampError
            When an instant has no time zone.
        DataError
            When there is no warehouse yet.
        """
        wanted = list(table.readable if columns is None else columns)
        needed = list(dict.fromkeys((*wanted, *table.key, KNOWN_AT, RECORDED_AT)))
        query = select_versions(table, needed, at, recorded=recorded, where=where, start=start, end=end)
        with self.read() as cursor:
            versions = cursor.execute(query.sql, query.parameters).pl()
        return newest(table, versions).select(wanted)

    def versions(
        self,
        table: Table,
        at: datetime | None = None,
        *,
        where: Mapping[str, object] | None = None,
        end: datetime | None = None,
    ) -> "pl.DataFrame":
        """Return every version known by ``at``, sorted by key and by the order in which they became known.

        Arguments and errors as `as_of`.
        """
        needed = [*table.readable, RECORDED_AT]
        query = select_versions(table, needed, at, where=where, end=end)
        with self.read() as cursor:
            found = cursor.execute(query.sql, query.parameters).pl()
        return found.sort(*table.key, KNOWN_AT, RECORDED_AT).select(table.readable)

    def query(self, name: str, **parameters: object) -> "pl.DataFrame":
        """Return the answer of a named query, see `warehouse.queries`."""
        return queries.run(self.read, name, parameters)

    def duplicates(self, table: Table) -> int:
        """Return how many versions are stored twice (same key, same clocks); anything but 0 is a fault."""
        with self.read() as cursor:
            row = cursor.execute(queries.duplicates(table)).fetchone()
        return int(row[0]) if row else 0

    def latest_digest(
        self,
        table: Table,
        at: datetime | None = None,
        *,
        recorded: bool = False,
        where: Mapping[str, object] | None = None,
        remember: bool = False,
    ) -> tree.TableDigest:
        """Return the digest of what `as_of` reads with the same arguments, hashing only what is new.

        Parameters
        ----------
        table, at, recorded, where
            As `as_of`; ``where`` may name only the columns of ``table.block``.
        remember
            Keep the hashed leaves in the file too, so that other processes need not hash them.
        """
        kept = self._leaves.setdefault(table.full_name, {})
        with self.read() as cursor:
            grown = tree.grow(cursor, table, at, recorded=recorded, where=where, known=kept)
        kept.update(grown.fresh)
        if remember and grown.fresh:
            with self.write() as cursor:
                tree.keep(cursor, table, grown.fresh, self.now())
        return grown.result

    # upkeep

    def snapshot(self, target: Path | None = None) -> Path:
        """Publish a read-only copy of the file for notebooks and the DuckDB CLI, and return its path."""
        return snapshot.publish(self.read, self.path, target, self.now())

    def export(
        self,
        directory: Path,
        *,
        feed: str,
        format: Literal["parquet"] = "parquet",  # noqa: A002 - the CLI's word
    ) -> list[Path]:
        """Write the bars of a feed, one file per symbol and timeframe; the ``files`` source reads them."""
        return export.write(self.as_of, directory, feed=feed, kind=format)

    def prune(self, rules: retention.Retention) -> retention.Pruned:
        """Delete what the rules no longer keep."""
        return retention.prune(self.write, self.path, rules, self.now())

    def orphans(self) -> list[Orphan]:
        """Return rows of chunked writes without manifest, those under way included."""
        with self.read() as cursor:
            return orphans.find(cursor)

    def remove_orphans(self, older_than: timedelta = GRACE) -> list[Orphan]:
        """Delete rows of chunked writes that died, and return what was deleted."""
        with self.write() as cursor:
            return orphans.remove(cursor, self.now(), older_than)
