"""What a reader of versions took: each row as it was first published, and the record of it for a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.manifest import Input

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from warehouse.table import Table


def input_of(table: Table, versions: pl.DataFrame, at: datetime | None, end: datetime) -> Input:
    """Return the record of what was read: the bars as first published, and corrections known by ``end``."""
    from hashlib import sha256

    import polars as pl

    from warehouse.digest import digest_frame

    first = first_versions(table, versions)
    digests = [digest_frame(table, first)] if first.height else []
    later = versions.filter(~pl.struct(table.key).is_first_distinct() & (pl.col("known_at") <= end))
    digests += [
        digest_frame(table, later.filter(pl.col("known_at") == since))
        for since in later["known_at"].unique().sort()
    ]
    digest = sha256(" ".join(digests).encode()).hexdigest() if len(digests) > 1 else (digests or [None])[0]
    return Input(table.full_name, at, first.height + later.height, digest)


def first_versions(table: Table, versions: pl.DataFrame) -> pl.DataFrame:
    """Return each bar as it was first published; ``versions`` are in the order of becoming known."""
    return versions.unique(table.key, keep="first", maintain_order=True)
