"""Raw bars and corporate actions of United States stocks, and bars of coins, from Alpaca through alpaca-py.

One idea: a page is what alpaca-py's own pagination asks for; rows are taken as JSON, not through the
library's models, which would refuse a whole answer for one odd cell.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from pipeline.errors import ConfigError, SourceError
from resources.venues.gathering import Gathering, stamp_ms
from resources.venues.headers import skew_finding
from resources.venues.port import Length, VenueBars, action_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from resources.venues.patience import Patience

_NEW_YORK = ZoneInfo("America/New_York")
_DAY = timedelta(days=1)
_INTRADAY: tuple[Length, ...] = ("1m", "5m", "15m", "30m", "1h")
_SPLITS = ("forward_splits", "reverse_splits")


class AlpacaVenue:
    """Alpaca behind the port `BarVenue`, for one of its two markets.

    Intraday bars of stocks cover trading before and after the session too; ``resources.market`` decides
    by the calendar.  With the feed ``iex`` volume is that of one exchange, a few per cent of the whole.

    Parameters
    ----------
    patience
        Pace and tries.
    market
        ``stocks`` need keys; ``crypto`` works without.
    feed
        Of stocks: ``iex`` is free, ``sip`` has every exchange.
    key_env, secret_env
        Names of the environment variables that hold the keys.
    environ
        Where they are looked up; the process's environment by default.
    symbols
        Our symbol to Alpaca's where they differ, such as ``BRK-B: BRK.B``.
    base_url
        Instead of Alpaca's own address.
    timeout_s
        How long one answer may take.

    Raises
    ------
    ConfigError
        When a key of ``stocks`` is missing.
    """

    def __init__(
        self,
        *,
        patience: Patience,
        market: Literal["stocks", "crypto"] = "stocks",
        feed: Literal["iex", "sip"] = "iex",
        key_env: str = "ALPACA_API_KEY",
        secret_env: str = "ALPACA_SECRET_KEY",  # noqa: S107 - the name of a variable, no secret
        environ: Mapping[str, str] | None = None,
        symbols: Mapping[str, str] | None = None,
        base_url: str | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        env = os.environ if environ is None else environ
        self._key, self._secret = env.get(key_env) or None, env.get(secret_env) or None
        missing = [n for n, v in ((key_env, self._key), (secret_env, self._secret)) if v is None]
        if market == "stocks" and missing:
            raise ConfigError(
                "alpaca needs keys for stocks",
                field=missing[0],
                constraint="an environment variable that is set",
                fix=f"export {' and '.join(missing)} with the keys of https://app.alpaca.markets",
            )
        if missing:  # one key alone is no credential
            self._key = self._secret = None
        self._patience, self._market, self._feed = patience, market, feed
        self._symbols = dict(symbols or {})
        self._base_url, self._timeout_s = base_url, timeout_s

    @property
    def name(self) -> str:
        """What rows say under ``venue``."""
        return "alpaca"

    @property
    def lengths(self) -> tuple[Length, ...]:
        """Bar lengths that it offers; a day of a coin is not UTC's there, so it is left to be made."""
        return (*_INTRADAY, "1d") if self._market == "stocks" else _INTRADAY

    @cached_property
    def _bars_client(self) -> Any:
        return self._client(self._market)

    @cached_property
    def _actions_client(self) -> Any:
        return self._client("actions")

    def _client(self, kind: str) -> Any:
        from resources.venues.alpaca_client import open_client

        return open_client(
            kind,
            self._patience,
            key=self._key,
            secret=self._secret,
            base_url=self._base_url,
            timeout_s=self._timeout_s,
        )

    def bars(self, symbol: str, length: Length, start: datetime, end: datetime) -> VenueBars:
        """Return all bars with ``start <= open_at < end``, prices unadjusted.

        A daily bar, which Alpaca stamps midnight in New York, opens at 00:00 UTC of its session date.  A cell
        that is no number is NULL, a time that is none likewise.  A symbol that Alpaca does not know and one
        without trades look the same: no rows.

        Raises
        ------
        SourceError
            For a length that is not on offer, a refusal, pages in a circle, or a venue out of reach.
        """
        if length not in self.lengths:
            raise SourceError(
                "alpaca has no bars of that length",
                field="length",
                value=length,
                constraint=f"one of {', '.join(self.lengths)}",
            )
        daily = length == "1d"
        told = self._symbols.get(symbol, symbol)
        raw = self._ask_bars(told, length, start, end + _DAY if daily else end).get(told, [])
        gathering = Gathering(symbol, self.name, start, end, told_window=not daily)
        gathering.add([_row(bar, daily=daily) for bar in raw], raw)
        server_time = self._bars_client.server_time
        skew = skew_finding(server_time, self._bars_client.answered_at, symbol, self.name)
        findings = (*gathering.findings(), *([skew] if skew else []))
        feed = f" {self._feed}" if self._market == "stocks" else ""
        source = f"alpaca {self._market}{feed} {told} {length}"
        return VenueBars(gathering.frame(), "raw", source, server_time, findings)

    def actions(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame | None:
        """Return splits and cash dividends with an ex-date in the window; None for coins.

        Dividends of one day, such as an ordinary and a special one, are told as their sum.  When an action
        was announced is not told.  The currency of a dividend that Alpaca marks as foreign is NULL.

        Raises
        ------
        SourceError
            As `bars`, and for an action that cannot be read: half a split is worse than none.
        """
        import polars as pl

        if self._market != "stocks":
            return None
        from alpaca.data.enums import CorporateActionsType
        from alpaca.data.requests import CorporateActionsRequest

        told = self._symbols.get(symbol, symbol)
        request = CorporateActionsRequest(
            symbols=[told],
            types=[
                CorporateActionsType.FORWARD_SPLIT,
                CorporateActionsType.REVERSE_SPLIT,
                CorporateActionsType.CASH_DIVIDEND,
            ],
            start=start.astimezone(UTC).date(),
            end=(end.astimezone(UTC) - timedelta(microseconds=1)).date(),
            limit=None,  # a limit would end alpaca-py's pagination, not a page
        )
        answer = self._actions_client.get_corporate_actions(request)
        rows = [
            _action(kind, record)
            for kind, records in answer.items()
            if kind in {*_SPLITS, "cash_dividends"}
            for place, record in enumerate(records)
            if not isinstance(record, dict) or record.get("symbol") == told
            if record not in records[:place]
        ]
        frame = pl.DataFrame(rows, schema=dict(action_schema()), orient="row")
        cash = pl.col("kind") == "dividend"
        paid = (
            frame.filter(cash).group_by("kind", "ts", "currency").agg(pl.col("value").sum(), declared_at=None)
        )
        every = pl.concat([frame.filter(~cash).unique(), paid.select(frame.columns).cast(frame.schema)])
        return every.filter(pl.col("ts").is_between(start, end, closed="left")).sort("ts", "kind")

    def _ask_bars(self, told: str, length: Length, start: datetime, end: datetime) -> dict[str, Any]:
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

        units = {"m": TimeFrameUnit.Minute, "h": TimeFrameUnit.Hour, "d": TimeFrameUnit.Day}
        window: dict[str, Any] = {
            "symbol_or_symbols": told,
            "timeframe": TimeFrame(int(length[:-1]), units[length[-1]]),
            "start": start,
            "end": end - timedelta(microseconds=1),
        }
        if self._market == "crypto":
            return self._bars_client.get_crypto_bars(CryptoBarsRequest(**window))
        request = StockBarsRequest(**window, adjustment=Adjustment.RAW, feed=DataFeed(self._feed))
        return self._bars_client.get_stock_bars(request)


def _row(bar: Any, *, daily: bool) -> list[Any]:
    """Return open time in ms, prices and volume; NULL for whatever cannot be read."""
    cells = bar if isinstance(bar, dict) else {}
    return [_open_ms(cells.get("t"), daily=daily), *(_number(cells.get(name)) for name in "ohlcv")]


def _open_ms(text: Any, *, daily: bool) -> int | None:
    try:
        at = datetime.fromisoformat(text)
        if daily and at.tzinfo is not None:
            at = datetime.combine(at.astimezone(_NEW_YORK).date(), datetime.min.time(), UTC)
    except (TypeError, ValueError, OverflowError):  # NULL, which the rules quarantine
        return None
    return None if at.tzinfo is None else stamp_ms(at)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # NULL, which the rules quarantine
        return None


def _action(kind: str, record: Mapping[str, Any]) -> list[Any]:
    """Return one row of `action_schema`."""
    try:
        ts = datetime.fromisoformat(record["ex_date"]).replace(tzinfo=UTC)
        if kind in _SPLITS:
            ratio = float(record["new_rate"]) / float(record["old_rate"])
            return ["split", ts, ratio, None, None]
        currency = None if record["foreign"] else "USD"
        return ["dividend", ts, float(record["rate"]), currency, None]
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise SourceError(
            "a corporate action cannot be read",
            field=kind,
            value=record,
            constraint="ex_date, rates above 0",
            fix="take the actions from another venue or enter them by hand",
        ) from error
