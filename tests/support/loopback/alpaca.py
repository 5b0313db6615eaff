"""Alpaca's market data in the documented format: bars of stocks and coins, corporate actions, page tokens."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.support.loopback.exchanges import Exchange
from tests.support.loopback.server import Reply, Request, as_json
from tests.support.loopback.truth import EPOCH, Bar, bar_at, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NEW_YORK = ZoneInfo("America/New_York")
_STEPS = {"1Min": 1, "5Min": 5, "15Min": 15, "30Min": 30, "1Hour": 60}


@dataclass
class Alpaca(Exchange):
    """``/v2/stocks/bars``, ``/v1beta3/crypto/us/bars`` and ``/v1/corporate-actions``.

    Parameters
    ----------
    keys
        The pair that is let in; coins need none.
    page
        Most bars of one answer.
    actions
        ``corporate_actions`` by kind, as Alpaca spells them.
    """

    keys: tuple[str, str] = ("key", "secret")
    page: int = 1000
    actions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        stocks = request.path != "/v1beta3/crypto/us/bars"
        given = (request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY"))
        if stocks and given != self.keys:
            return as_json({"message": "forbidden."}, 403)
        if request.path == "/v1/corporate-actions":
            return self._actions(request)
        if request.path in {"/v2/stocks/bars", "/v1beta3/crypto/us/bars"}:
            return self._bars(request)
        return as_json({"message": "endpoint not found."}, 404)

    def _bars(self, request: Request) -> Reply:
        query = request.query
        symbol = query["symbols"]
        if not symbol.replace("/", "").replace(".", "").isalpha():
            return as_json({"message": f"invalid symbol: {symbol}"}, 400)
        first, last = (stamp(datetime.fromisoformat(query[name])) for name in ("start", "end"))
        daily = query["timeframe"] == "1Day"
        bars = self._days(symbol, first, last, request.now) if daily else self._intraday(request, first, last)
        skip = int(base64.b64decode(query["page_token"])) if "page_token" in query else 0
        size = min(self.page, int(query.get("limit", "1000")))
        told = bars[skip : skip + size]
        more = base64.b64encode(str(skip + size).encode()).decode() if skip + size < len(bars) else None
        rows = self.spoiled(
            told,
            request,
            again=lambda at: next((bar for bar in bars if bar.at == at), bar_at(symbol, at)),
            row=_row,
            spoil=lambda row: {**row, "c": "n/a", "v": None},
        )
        content = {symbol: rows} if rows else None
        return as_json({"bars": content, "next_page_token": more})

    def _intraday(self, request: Request, first: int, last: int) -> list[Bar]:
        history = self.histories.get(request.query["symbols"])
        step = timedelta(minutes=_STEPS[request.query["timeframe"]])
        return [] if history is None else history.between(first, last + 1, step, request.now)

    def _days(self, symbol: str, first: int, last: int, now: datetime) -> list[Bar]:
        """Return daily bars of weekdays, stamped midnight in New York, values those of 00:00 UTC."""
        history = self.histories.get(symbol)
        if history is None:
            return []
        told = []
        day = (EPOCH + timedelta(seconds=first)).date() - timedelta(days=1)
        while stamp(at := datetime.combine(day, time(), _NEW_YORK).astimezone(UTC)) <= min(last, stamp(now)):
            if stamp(at) >= first and at >= history.listed and day.weekday() < 5:
                session = bar_at(symbol, stamp(datetime.combine(day, time(), UTC)))
                told.append(Bar(stamp(at), *session.values))
            day += timedelta(days=1)
        return told

    def _actions(self, request: Request) -> Reply:
        query = request.query
        wanted = query["types"].split(",")
        told = {
            kind: [
                record
                for record in records
                if record["symbol"] in query["symbols"].split(",")
                and query["start"] <= record["ex_date"] <= query["end"]
            ]
            for kind, records in self.actions.items()
            if kind.removesuffix("s") in wanted
        }
        return as_json({"corporate_actions": told, "next_page_token": None})


def _row(bar: Bar) -> dict[str, Any]:
    at = EPOCH + timedelta(seconds=bar.at)
    row = dict(zip("ohlcv", bar.values, strict=True))
    return {"t": at.strftime("%Y-%m-%dT%H:%M:%SZ"), **row, "n": 100, "vw": bar.close}
