"""Pages of bars become one frame: nothing twice, nothing beyond the window, and a word about what was odd.

Rows stay in the venue's order and with the venue's values; a cell that is no number is NULL, which the rules
of `pipeline.market` quarantine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.market.findings import Finding, Severity
from resources.venues.port import venue_bar_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CELLS = 6


@dataclass
class Gathering:
    """Collects rows ``[open time in ms, open, high, low, close, volume]`` of one symbol.

    Parameters
    ----------
    symbol, venue
        For the findings.
    start, end
        The window that was asked for; rows outside are left out.
    told_window
        Whether the venue was told both ends, so that rows outside are worth a finding.
    """

    symbol: str
    venue: str
    start: datetime
    end: datetime
    told_window: bool = True
    _rows: list[list[Any]] = field(default_factory=list, init=False)
    _seen: set[tuple[Any, ...]] = field(default_factory=set, init=False)
    _repeated: list[int | None] = field(default_factory=list, init=False)
    _outside: int = field(default=0, init=False)
    _unreadable: list[tuple[int | None, Any]] = field(default_factory=list, init=False)

    def add(self, rows: Sequence[Sequence[Any]], raw: Sequence[Any]) -> None:
        """Take one page; ``raw`` holds the same rows as the venue spelled them."""
        first, last = stamp_ms(self.start), stamp_ms(self.end)
        for row, spelled in zip(rows, raw, strict=True):
            cells = tuple(row[:_CELLS])
            if cells[0] is not None and not first <= cells[0] < last:
                self._outside += 1
            elif cells[0] is not None and cells in self._seen:
                self._repeated.append(cells[0])
            else:
                self._seen.add(cells)
                self._rows.append(list(cells))
                if any(cell is None or not math.isfinite(cell) for cell in cells):
                    self._unreadable.append((cells[0], spelled))

    def frame(self) -> pl.DataFrame:
        """Return the rows in the columns of `venue_bar_schema`."""
        import polars as pl

        schema = venue_bar_schema()
        plain: Mapping[str, Any] = {**schema, "open_at": pl.Int64()}
        frame = pl.DataFrame(self._rows, schema=dict(plain), orient="row")
        stamps = pl.col("open_at").cast(pl.Datetime("ms", "UTC")).cast(schema["open_at"])
        return frame.with_columns(stamps)

    def first(self) -> datetime | None:
        """Return the earliest open time."""
        stamps = [row[0] for row in self._rows if row[0] is not None]
        return _instant(min(stamps)) if stamps else None

    def findings(self) -> tuple[Finding, ...]:
        """Return what was odd about the rows."""
        found = []
        if self._repeated:
            found.append(self._finding("repeated_rows", Severity.INFO, "sent again, equal", self._repeated))
        if self._unreadable:
            reason = f"a cell is no number: {str(self._unreadable[0][1])[:160]}"
            stamps = [stamp for stamp, _ in self._unreadable]
            found.append(self._finding("unreadable_cells", Severity.WARN, reason, stamps))
        if self._outside and self.told_window:
            reason = f"{self.venue} sent rows outside of what was asked; they were left out"
            found.append(
                Finding("outside_window", Severity.INFO, self.symbol, None, reason, None, self._outside)
            )
        return tuple(found)

    def _finding(self, rule: str, severity: Severity, reason: str, stamps: Sequence[int | None]) -> Finding:
        known = [stamp for stamp in stamps if stamp is not None]
        first, last = (_instant(min(known)), _instant(max(known))) if known else (None, None)
        return Finding(rule, severity, self.symbol, first, f"{self.venue}: {reason}", last, len(stamps))


def stamp_ms(at: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _instant(stamp: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=stamp)
