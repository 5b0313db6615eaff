"""Reads one series of FRED's interface: pages put together, and more vintages than one answer may hold.

A stretch of vintages begins by repeating what was known before it; that is left out again, so that each value
stands once, with the day from which FRED had it.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from resources.venues.http import Answer, JsonAsker

OBSERVATIONS = "/fred/series/observations"
MOST_OBSERVATIONS = 100_000
MOST_DATES = 10_000
MOST_VINTAGES = 2_000
_FIRST_DAY, _LAST_DAY = "1776-07-04", "9999-12-31"
_DAY = timedelta(days=1)

Row = tuple[date, date, float | None]
"""Reference period, first day on which FRED had the value, value."""


class Reading:
    """One series and window while it is read.

    Parameters
    ----------
    asker
        Asks FRED.
    series
        Its name.
    window
        Query parameters that name the series and the periods.
    """

    def __init__(self, asker: JsonAsker, series: str, window: Mapping[str, str]) -> None:
        self._asker = asker
        self._series = series
        self._window = window
        self.answers: list[Answer] = []

    @property
    def server_time(self) -> datetime | None:
        """FRED's clock at the last answer."""
        return self.answers[-1].server_time

    def vintages(self) -> list[Row] | None:
        """Return every value with its first day; None where ALFRED does not keep the series."""
        try:
            return self._between(_FIRST_DAY, _LAST_DAY)
        except SourceError as error:
            words = str(error.value)
            if "does not exist in ALFRED" in words:
                return None
            if "vintage dates" not in words:
                raise
        return self._stitched(self._vintage_dates())

    def latest(self) -> list[Row]:
        """Return today's values; their day is today's and says nothing."""
        return self._rows({})

    def _stitched(self, dates: list[date]) -> list[Row]:
        """Read 2,000 vintages at a time; what a stretch repeats at its first day is left out."""
        begins = dates[::MOST_VINTAGES]
        rows: list[Row] = []
        last: dict[date, float | None] = {}
        for number, begin in enumerate(begins):
            since = f"{begin}" if number else _FIRST_DAY
            until = f"{begins[number + 1] - _DAY}" if number + 1 < len(begins) else _LAST_DAY
            for day, first, value in sorted(self._between(since, until), key=lambda row: row[:2]):
                repeated = number > 0 and first == begin and day in last and last[day] == value
                if not repeated:
                    rows.append((day, first, value))
                last[day] = value
        return rows

    def _between(self, since: str, until: str) -> list[Row]:
        return self._rows({"realtime_start": since, "realtime_end": until})

    def _rows(self, realtime: Mapping[str, str]) -> list[Row]:
        query = {**self._window, **realtime, "output_type": 1, "sort_order": "asc", "units": "lin"}
        rows = [_row(item) for item in self._pages(OBSERVATIONS, "observations", query, MOST_OBSERVATIONS)]
        seen = {row[:2] for row in rows}
        if len(seen) != len(rows):
            raise _damaged(
                self._series, "observations", len(rows) - len(seen), "one value a period and vintage"
            )
        return rows

    def _vintage_dates(self) -> list[date]:
        query = {"series_id": self._series, "realtime_start": _FIRST_DAY, "realtime_end": _LAST_DAY}
        pages = self._pages("/fred/series/vintagedates", "vintage_dates", query, MOST_DATES)
        return sorted(_date(day, "vintage_dates") for day in pages)

    def _pages(self, path: str, holds: str, query: Mapping[str, str | int], limit: int) -> Iterator[Any]:
        """Yield the items of all pages.

        Raises
        ------
        SourceError
            When a page is empty before the promised count is reached, or the count changes between pages.
        """
        offset, count = 0, None
        while count is None or offset < count:
            full = {**query, "file_type": "json", "limit": limit, "offset": offset}
            answer = self._asker.get(path, full, about=self._series)
            self.answers.append(answer)
            document = answer.document if isinstance(answer.document, dict) else {}
            items, promised = document.get(holds), document.get("count")
            if not isinstance(items, list) or not isinstance(promised, int) or isinstance(promised, bool):
                raise _damaged(self._series, holds, items, f"a list of {holds} with its count")
            if count not in {None, promised} or (not items and offset < promised):
                raise _damaged(self._series, "count", promised, f"{count or len(items)} on every page")
            yield from items
            offset, count = offset + len(items), promised


def _row(item: object) -> Row:
    row = item if isinstance(item, dict) else {}
    return _date(row.get("date"), "date"), _date(row.get("realtime_start"), "realtime_start"), _value(row)


def _date(given: object, name: str) -> date:
    try:
        day = date.fromisoformat(given)  # ty: ignore[invalid-argument-type] - a TypeError is caught
    except (TypeError, ValueError) as error:
        raise _damaged("dates", name, given, "a date such as 2024-02-29") from error
    if f"{day}" == _LAST_DAY:  # it stands for no end, and no period or value begins there
        raise _damaged("dates", name, given, "a date such as 2024-02-29")
    return day


def _value(row: Mapping[str, Any]) -> float | None:
    given = row.get("value")
    if given == ".":
        return None
    try:
        value = float(given)  # ty: ignore[invalid-argument-type] - a TypeError is caught
    except (TypeError, ValueError, OverflowError) as error:
        raise _damaged("observations", "value", given, "a number as text, or .") from error
    if not math.isfinite(value):
        raise _damaged("observations", "value", given, "a finite number, or .")
    return value


def _damaged(about: str, place: str, value: object, constraint: str) -> SourceError:
    return SourceError(
        f"fred's answer for {about} is not as it should be",
        field=place,
        value=value,
        constraint=constraint,
        fix="try again later; if it stays, the format has changed: take the series from files",
    )
