"""Knowing without reading that a source of files would deliver again what it delivered last time.

An ingest records a hash of all that its answer depends on: the content of the files, the mapping, the
instruments, the code and its libraries, the window.  While it is the same, and the warehouse holds what
that ingest left, its findings stand.  It is not recorded when something in the files lay after its now.
Anything else falls to reading and comparing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from assets.manifests import code_text, library_versions
from resources.market.port import FileBacked
from warehouse.asof import visible
from warehouse.tables import INGESTS, QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pipeline.market.findings import Finding
    from resources.market.file_marks import FileMark
    from resources.market.port import Dataset, Fetched, MarketSource
    from warehouse.store import Warehouse
    from warehouse.table import Table

LEFT_OUT = "unreadable"
"""The rule of findings about a file that could not be read, perhaps only this time: never taken as known."""


@dataclass(frozen=True)
class Recalled:
    """What the same files gave last time: rows delivered and set aside, and the findings."""

    fetched: int
    quarantined: int
    findings: tuple[Finding, ...]


def recall(
    market: MarketSource,
    dataset: Dataset,
    table: Table,
    window: tuple[datetime, datetime],
    *,
    warehouse: Warehouse,
) -> Recalled | None:
    """Return what the last ingest found, if doing it again would find and write the same; else None."""
    from pipeline.market.findings import Finding

    if not isinstance(market, FileBacked) or not warehouse.path.exists():
        return None
    warehouse.migrate()
    where = {"feed": market.feed, "table_name": table.full_name}
    last = warehouse.as_of(INGESTS, where=where).to_dicts()
    if not last or last[0]["stored_json"] != _stored(market.feed, table, warehouse):
        return None
    marks = market.marks(dataset)
    if marks is None or last[0]["fingerprint"] != _fingerprint(marks, market, window):
        return None
    findings = tuple(Finding.from_dict(found) for found in json.loads(last[0]["findings_json"]))
    return Recalled(last[0]["fetched"], last[0]["quarantined"], findings)


def remember(
    market: MarketSource,
    table: Table,
    window: tuple[datetime, datetime],
    fetched: Fetched,
    recalled: Recalled,
    *,
    warehouse: Warehouse,
) -> None:
    """Record what an ingest read and found, where a later one may rely on it."""
    import polars as pl

    lost = any(finding.rule == LEFT_OUT for finding in fetched.findings)
    if not isinstance(market, FileBacked) or not fetched.settled or not fetched.files or lost:
        return
    row = {
        "feed": market.feed,
        "table_name": table.full_name,
        "fingerprint": _fingerprint(fetched.files, market, window),
        "fetched": recalled.fetched,
        "quarantined": recalled.quarantined,
        "findings_json": json.dumps([finding.to_dict() for finding in recalled.findings]),
        "stored_json": _stored(market.feed, table, warehouse),
    }
    warehouse.append(INGESTS, pl.DataFrame([row], infer_schema_length=None))


def _fingerprint(marks: Sequence[FileMark], market: MarketSource, window: tuple[datetime, datetime]) -> str:
    parts = {
        "files": [asdict(mark) for mark in marks],
        "source": market.version,
        "window": [bound.isoformat() for bound in window],
        "code": code_text(),
        "libraries": dict(library_versions()),
    }
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stored(feed: str, table: Table, warehouse: Warehouse) -> str:
    """Return what the warehouse holds of a feed in a table and beside it: counts and newest instants."""
    seen = visible()
    text = "SELECT count(*), max(epoch_us(recorded_at)) FROM {} WHERE feed = ? AND {} AND {}"
    with warehouse.read() as cursor:
        rows = [
            cursor.execute(text.format(name, condition, seen.sql), [feed, *parameters]).fetchone()
            for name, condition, parameters in (
                (table.full_name, "true", []),
                (QUARANTINE.full_name, "dataset = ?", [table.full_name]),
            )
        ]
    return json.dumps(rows)
