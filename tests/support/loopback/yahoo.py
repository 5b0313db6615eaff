"""A Yahoo chart endpoint over rows in memory, in the documented format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from tests.support.loopback.server import Reply, Request, as_json

NAMES = ("open", "high", "low", "close", "volume")


@dataclass
class YahooSymbol:
    """One symbol: rows of (instant, open, high, low, close, volume), and what else its document says."""

    rows: Sequence[tuple[Any, ...]] = ()
    dividends: Mapping[datetime, float] = field(default_factory=dict)
    splits: Mapping[datetime, tuple[float, float]] = field(default_factory=dict)
    session: tuple[datetime, datetime] | None = None
    zone: str | None = "America/New_York"
    gmtoffset: int | None = -14400
    currency: str = "USD"


@dataclass
class YahooCharts:
    """Answers ``/v8/finance/chart/{symbol}`` for the symbols it holds, by (symbol, interval) or symbol."""

    symbols: Mapping[Any, YahooSymbol]
    reach: timedelta = timedelta(days=60)

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        name, interval = unquote(request.path.rsplit("/", 1)[1]), request.query["interval"]
        symbol = self.symbols.get((name, interval)) or self.symbols.get(name)
        if symbol is None:
            return refused("Not Found", "No data found, symbol may be delisted", 404)
        start, end = (datetime.fromtimestamp(int(request.query[p]), UTC) for p in ("period1", "period2"))
        if interval == "30m" and start < request.now - self.reach:
            return refused(
                "Unprocessable Entity", "30m data not available: must be within the last 60 days.", 422
            )
        rows = [row for row in symbol.rows if start <= row[0] < end]
        document = chart(name, interval, symbol, rows, (start, end))
        if request.fault == "wrong_types" and rows:
            document["chart"]["result"][0]["indicators"]["quote"][0]["close"][0] = "12.5"
        if request.fault == "repeated" and rows:
            document = chart(name, interval, symbol, [*rows, rows[-1]], (start, end))
        return as_json(document)


def chart(
    name: str,
    interval: str,
    symbol: YahooSymbol,
    rows: Sequence[tuple[Any, ...]],
    within: tuple[datetime, datetime],
) -> dict[str, Any]:
    """Return the document of one symbol."""
    meta: dict[str, Any] = {
        "currency": symbol.currency, "symbol": name, "exchangeTimezoneName": symbol.zone,
        "gmtoffset": symbol.gmtoffset, "dataGranularity": interval, "instrumentType": "EQUITY",
    }  # fmt: skip
    if symbol.session is not None:
        start, end = (int(at.timestamp()) for at in symbol.session)
        meta["currentTradingPeriod"] = {
            "regular": {"start": start, "end": end, "gmtoffset": symbol.gmtoffset}
        }
    result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [{}]}}
    if rows:
        result["timestamp"] = [int(row[0].timestamp()) for row in rows]
        result["indicators"]["quote"] = [{n: [row[k + 1] for row in rows] for k, n in enumerate(NAMES)}]
    stamps = {at: str(int(at.timestamp())) for at in (*symbol.dividends, *symbol.splits)}
    inside = [at for at in stamps if within[0] <= at < within[1]]
    dividends = {
        stamps[at]: {"amount": symbol.dividends[at], "date": int(stamps[at])}
        for at in inside
        if at in symbol.dividends
    }
    splits = {
        stamps[at]: {
            "date": int(stamps[at]),
            "numerator": new,
            "denominator": old,
            "splitRatio": f"{new:g}:{old:g}",
        }
        for at in inside
        if at in symbol.splits
        for new, old in [symbol.splits[at]]
    }
    events = {kind: found for kind, found in (("dividends", dividends), ("splits", splits)) if found}
    if events:
        result["events"] = events
    return {"chart": {"result": [result], "error": None}}


def refused(code: str, description: str, status: int) -> Reply:
    error = {"code": code, "description": description}
    return as_json({"chart": {"result": None, "error": error}}, status=status)
