"""Binance, Kraken and Coinbase in the formats that they document, as far as ccxt asks for keyless bars."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from tests.support.loopback.server import Reply, Request, as_json
from tests.support.loopback.truth import Bar, History, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MINUTE = timedelta(minutes=1)
_BINANCE = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440}
_COINBASE = {
    "ONE_MINUTE": 1,
    "FIVE_MINUTE": 5,
    "FIFTEEN_MINUTE": 15,
    "THIRTY_MINUTE": 30,
    "ONE_HOUR": 60,
    "ONE_DAY": 1440,
}


@dataclass
class Exchange(ABC):
    """What the venues have in common: histories by the venue's symbol, and faults of the rows.

    Parameters
    ----------
    histories
        By the venue's own identifier.
    seed
        Of the faults' details.
    """

    histories: Mapping[str, History]
    seed: int = 8
    _random: random.Random = field(init=False, repr=False)
    _before: dict[str, list[int]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @abstractmethod
    def __call__(self, request: Request) -> Reply:
        """Answer one request."""

    def spoiled(
        self,
        bars: list[Bar],
        request: Request,
        *,
        again: Callable[[int], Bar],
        row: Callable[[Bar], Any],
        spoil: Callable[[Any], Any],
    ) -> list[Any]:
        """Return the rows of one page with the planned fault of the rows in them.

        Parameters
        ----------
        bars
            The right page.
        request
            Its fault: ``repeated`` sends the page before instead, ``overlap`` the end of it too.
        again
            The bar of the asked series that opens at some time, as it stands now.
        row
            A bar in the venue's format.
        spoil
            A row with cells of the wrong type.
        """
        asked = [request.query.get(name, "") for name in ("symbol", "symbols", "pair")]
        series = " ".join([request.path, *asked])
        before = [again(at) for at in self._before.get(series, [])]
        if bars and request.fault != "repeated":
            self._before[series] = [bar.at for bar in bars]
        told = list(bars)
        if request.fault == "repeated":
            told = before or told
        elif request.fault == "overlap":
            told = before[-3:] + told
        elif request.fault == "out_of_order":
            self._random.shuffle(told)
        rows = [row(bar) for bar in told]
        if request.fault == "wrong_types" and rows:
            place = self._random.randrange(len(rows))
            rows[place] = spoil(rows[place])
        return rows


def _text(value: float) -> str:
    return f"{value:.8f}"


class Binance(Exchange):
    """``/api/v3/klines``, ``exchangeInfo``, ``time``."""

    page = 1000

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if request.path == "/api/v3/exchangeInfo":
            return as_json({"timezone": "UTC", "symbols": [self._market(s) for s in self.histories]})
        if request.path == "/api/v3/time":
            return as_json({"serverTime": stamp(request.now) * 1000})
        if request.path == "/api/v3/klines":
            return self._klines(request)
        return as_json({"code": -1100, "msg": "no such path"}, 404)

    def _klines(self, request: Request) -> Reply:
        query, history = request.query, self.histories.get(request.query["symbol"])
        if history is None:
            return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
        minutes = _BINANCE[query["interval"]]
        first, last = int(query["startTime"]), int(query["endTime"])
        limit = min(int(query.get("limit", "500")), self.page)
        bars = history.between(-(-first // 1000), last // 1000 + 1, minutes * _MINUTE, request.now)[:limit]
        return as_json(
            self.spoiled(
                bars,
                request,
                again=lambda at: history.bar(at, minutes * 60, request.now),
                row=lambda bar: self._row(bar, minutes),
                spoil=lambda row: [row[0], "n/a", None, *row[3:5]],
            )
        )

    @staticmethod
    def _row(bar: Bar, minutes: int) -> list[Any]:
        closes = (bar.at + minutes * 60) * 1000 - 1
        quote = bar.volume * bar.close
        return [
            bar.at * 1000,
            *(_text(value) for value in bar.values),
            closes,
            _text(quote),
            100,
            _text(bar.volume / 2),
            _text(quote / 2),
            "0",
        ]

    @staticmethod
    def _market(symbol: str) -> dict[str, Any]:
        base, quote = symbol[:3], symbol[3:]
        return {
            "symbol": symbol,
            "status": "TRADING",
            "baseAsset": base,
            "baseAssetPrecision": 8,
            "quoteAsset": quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            ],
            "permissions": [],
            "permissionSets": [["SPOT"]],
        }


class Kraken(Exchange):
    """``/0/public/OHLC``, ``AssetPairs``, ``Time``: the last 720 rows whatever ``since`` says."""

    page = 720

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if request.path == "/0/public/AssetPairs":
            return as_json({"error": [], "result": {s: self._market(s) for s in self.histories}})
        if request.path == "/0/public/Time":
            at = request.now
            told = {"unixtime": stamp(at), "rfc1123": format_datetime(at)}
            return as_json({"error": [], "result": told})
        if request.path == "/0/public/OHLC":
            return self._ohlc(request)
        return as_json({"error": ["EGeneral:Unknown method"]})

    def _ohlc(self, request: Request) -> Reply:
        query, history = request.query, self.histories.get(request.query["pair"])
        if history is None:
            return as_json({"error": ["EQuery:Unknown asset pair"]})
        step = int(query["interval"]) * _MINUTE
        now = stamp(request.now)
        reach = now - self.page * int(step.total_seconds())
        since = max(int(query.get("since", "0")), reach)
        bars = history.between(since + 1, now + 1, step, request.now)
        told = self.spoiled(
            bars,
            request,
            again=lambda at: history.bar(at, int(query["interval"]) * 60, request.now),
            row=self._row,
            spoil=lambda row: [row[0], {"price": 1}, *row[2:]],
        )
        last = bars[-2].at if len(bars) > 1 else 0
        return as_json({"error": [], "result": {query["pair"]: told, "last": last}})

    @staticmethod
    def _row(bar: Bar) -> list[Any]:
        prices = [f"{price:.2f}" for price in bar.values[:4]]
        return [bar.at, *prices, prices[3], _text(bar.volume), 100]

    @staticmethod
    def _market(pair: str) -> dict[str, Any]:
        base, quote = pair[:4], pair[4:]
        return {
            "altname": f"{base[1:]}{quote[1:]}",
            "wsname": f"{base[1:]}/{quote[1:]}",
            "aclass_base": "currency",
            "base": base,
            "aclass_quote": "currency",
            "quote": quote,
            "pair_decimals": 2,
            "lot_decimals": 8,
            "fees": [[0, 0.4]],
            "fees_maker": [[0, 0.25]],
            "ordermin": "0.0001",
            "costmin": "0.5",
            "tick_size": "0.01",
            "status": "online",
        }


class Coinbase(Exchange):
    """Advanced Trade's public ``market/products`` and their ``candles``, newest first, both ends included."""

    page = 350
    products = "/api/v3/brokerage/market/products"

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        if request.path == self.products:
            spot = request.query.get("product_type", "SPOT") == "SPOT"
            listed = [self._market(s) for s in self.histories] if spot else []
            return as_json({"products": listed, "num_products": len(listed)})
        if request.path == "/v2/time":
            return as_json({"data": {"epoch": stamp(request.now), "iso": request.now.isoformat()}})
        if request.path.startswith(self.products) and request.path.endswith("/candles"):
            return self._candles(request)
        return as_json({"error": "NOT_FOUND", "message": "no such path"}, 404)

    def _candles(self, request: Request) -> Reply:
        query, symbol = request.query, request.path.split("/")[-2]
        history = self.histories.get(symbol)
        if history is None:
            return as_json({"error": "NOT_FOUND", "error_details": "valid product_id is required"}, 404)
        step = _COINBASE[query["granularity"]] * _MINUTE
        first, last = int(query["start"]), int(query["end"])
        if (last - first) / step.total_seconds() > self.page:
            return as_json(
                {
                    "error": "INVALID_ARGUMENT",
                    "message": "number of candles requested should be less than 350",
                },
                400,
            )
        bars = history.between(first, last + 1, step, request.now)
        told = self.spoiled(
            bars[::-1],
            request,
            again=lambda at: history.bar(at, int(step.total_seconds()), request.now),
            row=self._row,
            spoil=lambda row: {**row, "close": "unknown"},
        )
        return as_json({"candles": told})

    @staticmethod
    def _row(bar: Bar) -> dict[str, str]:
        names = ("open", "high", "low", "close", "volume")
        return {
            "start": str(bar.at),
            **{
                name: f"{value:.4f}" if name == "volume" else f"{value:.2f}"
                for name, value in zip(names, bar.values, strict=True)
            },
        }

    @staticmethod
    def _market(symbol: str) -> dict[str, Any]:
        base, quote = symbol.split("-")
        return {
            "product_id": symbol,
            "base_increment": "0.00000001",
            "quote_increment": "0.01",
            "price_increment": "0.01",
            "base_min_size": "0.00000001",
            "base_max_size": "3400",
            "quote_min_size": "1",
            "quote_max_size": "150000000",
            "status": "online",
            "trading_disabled": False,
            "product_type": "SPOT",
            "base_currency_id": base,
            "quote_currency_id": quote,
            "alias": "",
            "alias_to": [],
            "product_venue": "CBE",
        }
