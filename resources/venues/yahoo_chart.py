"""Reads Yahoo's chart document: columns beside one list of stamps, corporate actions, and the session.

Whatever is not as the format says is an error with the place; values are handed on as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from datetime import tzinfo

COLUMNS = ("open", "high", "low", "close", "volume")
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Chart:
    """One symbol's chart.

    Parameters
    ----------
    zone
        The exchange's.
    currency
        Of the prices; NULL where it is not said.
    stamps
        First instants of the rows, or of the last one the instant of its quote; ``(rows,)``.
    columns
        Prices and volume, each ``(rows,)``; None where there is none.
    dividends
        Instant and cash per share of today.
    splits
        Instant and new shares for one old.
    session
        Open and close of the exchange's present or next session; None where it is not said.
    """

    zone: tzinfo
    currency: str | None
    stamps: tuple[datetime, ...]
    columns: dict[str, list[float | None]]
    dividends: tuple[tuple[datetime, float], ...]
    splits: tuple[tuple[datetime, float], ...]
    session: tuple[datetime, datetime] | None


def read_chart(document: object, symbol: str, interval: str) -> Chart:
    """Return the chart of a symbol in Yahoo's spelling.

    Raises
    ------
    SourceError
        When the document reports an error, is of another symbol or interval, or breaks its format: lists of
        unequal length, stamps or values that are no numbers, a zone that does not exist.
    """
    chart = _part(_mapping(document, "document"), "chart", dict)
    if chart.get("error") is not None:
        said = chart["error"]
        words = said.get("description") if isinstance(said, dict) else said
        raise SourceError(
            f"yahoo refuses {symbol}",
            field="chart.error",
            value=words,
            constraint="a symbol and a window that it knows",
            fix="correct the symbol, or its name at yahoo",
        )
    results = _part(chart, "result", list)
    result = _mapping(results[0] if len(results) == 1 else results, "chart.result")
    meta = _part(result, "meta", dict)
    _expect(meta, "symbol", symbol)
    _expect(meta, "dataGranularity", interval)
    told = result.get("timestamp") or []
    if not isinstance(told, list):
        raise _damaged("timestamp", told, "a list")
    stamps = tuple(_instant(at, "timestamp") for at in told)
    zone = _zone(meta)
    return Chart(
        zone=zone,
        currency=_text(meta.get("currency"), "meta.currency"),
        stamps=stamps,
        columns=_columns(result, len(stamps)),
        dividends=_events(result, "dividends", lambda e: _number(e.get("amount"), "amount")),
        splits=_events(result, "splits", _ratio),
        session=_session(meta),
    )


def _columns(result: dict[str, Any], rows: int) -> dict[str, list[float | None]]:
    quotes = _part(_part(result, "indicators", dict), "quote", list)
    quote = _mapping(quotes[0] if quotes else {}, "indicators.quote")
    columns = {}
    for name in COLUMNS:
        values = quote.get(name)
        values = [] if values is None and not rows else values
        if not isinstance(values, list) or len(values) != rows:
            held = len(values) if isinstance(values, list) else values
            raise _damaged(f"quote.{name}", held, f"a list of {rows} values, one for each stamp")
        columns[name] = [None if value is None else _number(value, name) for value in values]
    return columns


def _events(result: dict[str, Any], kind: str, value: Any) -> tuple[tuple[datetime, float], ...]:
    events = result.get("events") or {}
    found = _mapping(events, "events").get(kind) or {}
    rows = [_mapping(event, kind) for event in _mapping(found, kind).values()]
    return tuple(sorted((_instant(row.get("date"), f"{kind}.date"), value(row)) for row in rows))


def _ratio(split: dict[str, Any]) -> float:
    new, old = (_number(split.get(name), name) for name in ("numerator", "denominator"))
    if not (new > 0 and old > 0):
        raise _damaged("splits", f"{new}:{old}", "two positive numbers")
    return new / old


def _session(meta: dict[str, Any]) -> tuple[datetime, datetime] | None:
    regular = _mapping(meta.get("currentTradingPeriod") or {}, "meta.currentTradingPeriod").get("regular")
    if regular is None:
        return None
    told = _mapping(regular, "currentTradingPeriod.regular")
    return _instant(told.get("start"), "regular.start"), _instant(told.get("end"), "regular.end")


def _zone(meta: dict[str, Any]) -> tzinfo:
    """Return the exchange's zone; its offset of today serves where no name is given: same dates."""
    name, offset = meta.get("exchangeTimezoneName"), meta.get("gmtoffset")
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder or an endless name is an OSError
        raise _damaged("meta.exchangeTimezoneName", name, "a name of the time zone database") from error
    if isinstance(offset, int) and abs(offset) < timedelta(days=1).total_seconds():
        return timezone(timedelta(seconds=offset))
    raise _damaged("meta.exchangeTimezoneName", name, "a zone, or gmtoffset in seconds")


def _instant(value: Any, place: str) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int) or not _EARLIEST <= value <= _LATEST:
        raise _damaged(place, value, "whole seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _damaged(place, value, "a number or null")
    try:
        return float(value)
    except OverflowError as error:
        raise _damaged(place, value, "a number that a float can hold") from error


def _text(value: Any, place: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _damaged(place, value, "a text or null")
    return value


def _expect(meta: dict[str, Any], name: str, wanted: str) -> None:
    given = meta.get(name)
    if not isinstance(given, str) or given.upper() != wanted.upper():
        raise _damaged(f"meta.{name}", given, wanted)


def _part(of: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(of.get(name), kind):
        raise _damaged(name, of.get(name), f"a {kind.__name__}")
    return of[name]


def _mapping(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _damaged(place, value, "one mapping")
    return value


def _damaged(place: str, value: object, constraint: str) -> SourceError:
    return SourceError(
        "yahoo's answer is not a chart as it should be",
        field=place,
        value=value,
        constraint=constraint,
        fix="try again later; if it stays, the format has changed: use another venue",
    )
