"""What a check of market data has to say: a finding names the rule, the symbol and where, with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One statement about a run of rows of one symbol.

    Parameters
    ----------
    rule
        Name of the rule, the same as in the quarantine.
    severity
        How much it matters.
    symbol
        The series concerned; NULL when it is about a whole file.
    ts
        Label of the first row concerned, NULL where no row is.
    reason
        One sentence with the figures, taken from the first row concerned.
    last
        Label of the last row concerned.
    count
        How many rows.
    """

    rule: str
    severity: Severity
    symbol: str | None
    ts: datetime | None
    reason: str
    last: datetime | None = None
    count: int = 1

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the finding of a record that `to_dict` made."""
        ts, last = (
            None if record[name] is None else datetime.fromisoformat(record[name]) for name in ("ts", "last")
        )
        return cls(
            rule=record["rule"],
            severity=Severity(record["severity"]),
            symbol=record["symbol"],
            ts=ts,
            reason=record["reason"],
            last=last,
            count=record["count"],
        )

    def to_dict(self) -> dict[str, object]:
        """Return the finding as a JSON-ready record."""
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "symbol": self.symbol,
            "ts": None if self.ts is None else self.ts.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            "count": self.count,
            "reason": self.reason,
        }
