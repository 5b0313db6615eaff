"""A FRED that keeps vintages: it clips, pages, counts and refuses as the documented interface does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from tests.support.loopback.server import Reply, Request, as_json

KEY = "abcdefghijklmnopqrstuvwxyz012345"
FOREVER = "9999-12-31"


@dataclass
class FredArchive:
    """What the archive holds.

    Parameters
    ----------
    series
        Series to its values: (reference date, first day of the value, text).
    unarchived
        Series of which only the latest revision is kept: (reference date, text).
    most_vintages, most_rows
        Limits of one request.
    today
        What ``realtime_start`` says of rows asked for without vintages.
    """

    series: Mapping[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    unarchived: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)
    most_vintages: int = 2000
    most_rows: int = 100_000
    today: str = "2024-03-20"

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        query = request.query
        if query.get("api_key") != KEY:
            return refused(
                f"Bad Request.  The value {query.get('api_key')} for variable api_key is not registered."
            )
        return self._of_series(query["series_id"], request.path, query)

    def _of_series(self, name: str, path: str, query: Mapping[str, str]) -> Reply:
        if name not in self.series and name not in self.unarchived:
            return refused("Bad Request.  The series does not exist.")
        if name in self.unarchived:
            if query.get("realtime_start", self.today) != self.today:
                return refused("Bad Request.  The series does not exist in ALFRED but may exist in FRED.")
            rows = [(day, self.today, self.today, value) for day, value in self.unarchived[name]]
            return self._observations(rows, query)
        since, until = query.get("realtime_start", self.today), query.get("realtime_end", self.today)
        dates = sorted({first for _, first, _ in self.series[name] if since <= first <= until})
        if path.endswith("/vintagedates"):
            return self._page("vintage_dates", dates, query)
        if len(dates) > self.most_vintages:
            return refused(
                f"Bad Request.  There are {len(dates)} vintage dates in the specified real-time period: "
                f"{since} to {until}.  This exceeds the maximum number of vintage dates allowed "
                f"({self.most_vintages})."
            )
        return self._observations(clipped(self.series[name], since, until), query)

    def _observations(self, rows: list[tuple[str, str, str, str]], query: Mapping[str, str]) -> Reply:
        first, last = query.get("observation_start", "0000"), query.get("observation_end", FOREVER)
        items = [
            {"realtime_start": since, "realtime_end": until, "date": day, "value": value}
            for day, since, until, value in sorted(rows)
            if first <= day <= last
        ]
        return self._page("observations", items, query)

    def _page(self, holds: str, items: list, query: Mapping[str, str]) -> Reply:
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 10**9)), self.most_rows)
        page = items[offset : offset + limit]
        return as_json({"count": len(items), "offset": offset, "limit": limit, holds: page})


def clipped(values: list[tuple[str, str, str]], since: str, until: str) -> list[tuple[str, str, str, str]]:
    """Return (day, realtime start, realtime end, value) inside a stretch, whose ends cut what is longer."""
    rows = []
    for day in sorted({day for day, _, _ in values}):
        versions = sorted((first, value) for of, first, value in values if of == day)
        for number, (first, value) in enumerate(versions):
            ends = the_day_before(versions[number + 1][0]) if number + 1 < len(versions) else FOREVER
            if first <= until and ends >= since:
                rows.append((day, max(first, since), min(ends, until), value))
    return rows


def the_day_before(day: str) -> str:
    return str(date.fromordinal(date.fromisoformat(day).toordinal() - 1))


def refused(message: str) -> Reply:
    return as_json({"error_code": 400, "error_message": message}, status=400)
