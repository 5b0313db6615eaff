"""The manifest of a materialisation: what it read, with which code and configuration, and what it wrote."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.asof import instant
from warehouse.tables_meta import MANIFESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from warehouse.table import Table


@dataclass(frozen=True)
class Input:
    """One table or file that a materialisation read.

    Parameters
    ----------
    table
        ``schema.name``, or ``file:`` and the name of the file.
    at
        The instant it was read as of; None for everything known then.
    rows
        Rows that were read; None for a file, whose digest covers its bytes.
    digest
        Digest of what was read; of a file its SHA-256.
    recorded
        Whether ``at`` is on the clock of ``recorded_at``.
    schema
        For a file: hash of its column names and types.
    """

    table: str
    at: datetime | None
    rows: int | None
    digest: str | None
    recorded: bool = False
    schema: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the record kept in ``inputs_json``."""
        return {
            "table": self.table,
            "at": None if self.at is None else instant("at", self.at).isoformat(),
            "rows": self.rows,
            "digest": self.digest,
            "recorded": self.recorded,
            **({} if self.schema is None else {"schema": self.schema}),
        }


@dataclass(frozen=True)
class Manifest:
    """What the caller knows about a materialisation; the store adds what was written.

    Parameters
    ----------
    asset
        ``schema/name`` of the asset, or the command that wrote.
    inputs
        What was read.
    config_hash, code_version
        Of the values and the code that can change a result.
    seed
        Seed of the run, None where nothing is drawn.
    versions
        Library to version.
    started_at, seconds
        When the work started and how long it took; instants are time-zone aware.
    dagster_run_id
        The run in Dagster, if it was one.
    """

    asset: str
    inputs: tuple[Input, ...] = ()
    config_hash: str | None = None
    code_version: str | None = None
    seed: int | None = None
    versions: "Mapping[str, str]" = field(default_factory=dict)
    started_at: datetime | None = None
    seconds: float | None = None
    dagster_run_id: str | None = None


@dataclass(frozen=True)
class Output:
    """What one write did to one table."""

    table: "Table"
    rows: int
    inserted: int
    revised: int
    digest: str


def new_id(now: datetime) -> str:
    """Return an identifier that sorts by time and no other process will make.

    It identifies a write; no result depends on it.
    """
    return f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"


def record(
    cursor: "duckdb.DuckDBPyConnection",
    manifest: Manifest,
    output: Output,
    *,
    now: datetime,
    write_id: str | None = None,
) -> str:
    """Insert the manifest row of one table and return its id; with it a chunked write becomes visible."""
    manifest_id = new_id(now)
    row = {
        "manifest_id": manifest_id,
        "table_name": output.table.full_name,
        "asset": manifest.asset,
        "dagster_run_id": manifest.dagster_run_id,
        "inputs_json": json.dumps([i.to_dict() for i in manifest.inputs]),
        "config_hash": manifest.config_hash,
        "code_version": manifest.code_version,
        "seed": manifest.seed,
        "versions_json": json.dumps(dict(sorted(manifest.versions.items()))),
        "started_at": None if manifest.started_at is None else instant("started_at", manifest.started_at),
        "seconds": manifest.seconds,
        "rows": output.rows,
        "inserted": output.inserted,
        "revised": output.revised,
        "digest": output.digest,
        "known_at": now,
        "recorded_at": now,
        "write_id": write_id,
    }
    cursor.execute(
        f"INSERT INTO {MANIFESTS.full_name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        list(row.values()),
    )
    return manifest_id
