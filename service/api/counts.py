"""What ``/metrics`` tells: answers by status, how long they took, and how old the copy is."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counts:
    """Counters since the start of the process."""

    def __init__(self) -> None:
        self._status: Counter[int] = Counter()
        self._within = [0] * len(BOUNDS_S)
        self._sum = 0.0
        self._lock = Lock()

    def add(self, status: int, seconds: float) -> None:
        """Count one answer."""
        with self._lock:
            self._status[status] += 1
            self._sum += seconds
            for place, bound in enumerate(BOUNDS_S):
                self._within[place] += seconds <= bound

    def text(self, gauges: Mapping[str, float | None]) -> str:
        """Return everything in the text form of Prometheus; an unknown gauge is NaN."""
        with self._lock:
            total = sum(self._status.values())
            lines = ["# TYPE bells_api_answers_total counter"]
            lines += [
                f'bells_api_answers_total{{status="{status}"}} {n}'
                for status, n in sorted(self._status.items())
            ]
            lines.append("# TYPE bells_api_seconds histogram")
            lines += [
                f'bells_api_seconds_bucket{{le="{bound}"}} {n}'
                for bound, n in zip(BOUNDS_S, self._within, strict=True)
            ]
            lines += [
                f'bells_api_seconds_bucket{{le="+Inf"}} {total}',
                f"bells_api_seconds_sum {self._sum:.6f}",
                f"bells_api_seconds_count {total}",
            ]
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {'NaN' if value is None else f'{value:.6g}'}"]
        return "\n".join(lines) + "\n"
