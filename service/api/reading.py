"""How the copy reads the warehouse: a look at the file first, and rows only when a manifest is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.valuation_inputs import METRICS, inputs_from
from service.api.copy import Rows
from warehouse.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from warehouse.store import Warehouse


class Reader:
    """Reads ``chain.metrics_daily`` where its newest manifest is not the one held.

    Parameters
    ----------
    warehouse, now
        The store and its clock.
    wait_s
        How long the file may be busy; the next round tries again.
    """

    def __init__(self, warehouse: Warehouse, now: Callable[[], datetime], *, wait_s: float = 0.5) -> None:
        self._warehouse, self._now, self._wait_s = warehouse, now, wait_s
        self._seen: tuple[int, int] | None = None

    def __call__(self, mark: str | None) -> Rows | None:
        """Return the rows as of now, or None while nothing has changed since ``mark``."""
        declared = table(METRICS)
        stat = self._warehouse.path.stat() if self._warehouse.path.exists() else None
        state = (stat.st_mtime_ns, stat.st_size) if stat else None
        if mark is not None and state is not None and state == self._seen:
            return None
        with self._warehouse.read(timeout=self._wait_s) as cursor:
            newest = cursor.execute(
                "SELECT max(manifest_id) FROM meta.manifests WHERE table_name = ?", [METRICS]
            ).fetchone()
        found = newest[0] if newest else None
        if found is None or found != mark:
            read = inputs_from(self._warehouse.as_of(declared, self._now()))
            self._seen = state
            return Rows(read.history, read.feed, read.simulated, found or "")
        self._seen = state
        return None
