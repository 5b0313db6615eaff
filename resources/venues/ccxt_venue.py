"""Keyless public bars of Binance, Kraken and Coinbase through ccxt: what differs between them is `FACTS`.

One idea: a page either moves on or is asked again a few times and then refused, so that no walk is endless
and no page is taken for the end of the data because it is odd.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pipeline.errors import ComponentNotFoundError, SourceError
from pipeline.market.findings import Finding, Severity
from resources.market.mapping import LENGTHS
from resources.venues.gathering import Gathering, stamp_ms
from resources.venues.headers import skew_finding
from resources.venues.port import Length, VenueBars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import polars as pl

    from resources.venues.patience import Patience

T = TypeVar("T")

SURE_REACH = 700
"""Kraken promises 720 bars and has been seen to send a few less."""

TELLINGS = 4
"""How often a page that makes no sense is asked for before the venue is given up."""


@dataclass(frozen=True)
class Facts:
    """What one venue's endpoint of bars is like.

    Parameters
    ----------
    page
        Most rows of one answer.
    walk
        ``cursor``: rows from a start on, as many as fit; ``blocks``: a stretch of a fixed length, which may
        be empty; ``recent``: the last ``page`` rows whatever is asked.
    lengths
        Bar lengths on offer.
    rows_of
        Finds the raw rows in the answer.
    newest_first
        Whether the documented order is descending.
    """

    page: int
    walk: Literal["cursor", "blocks", "recent"]
    lengths: tuple[Length, ...]
    rows_of: Callable[[Any], Any]
    newest_first: bool = False


def _kraken_rows(answer: Any) -> Any:
    result = answer.get("result") if isinstance(answer, dict) else None
    rows = [v for k, v in result.items() if k != "last"] if isinstance(result, dict) else []
    return rows[0] if len(rows) == 1 else None


def _coinbase_rows(answer: Any) -> Any:
    return answer.get("candles") if isinstance(answer, dict) else None


_ALL: tuple[Length, ...] = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
FACTS: Mapping[str, Facts] = {
    "binance": Facts(1000, "cursor", _ALL, lambda answer: answer),
    "kraken": Facts(720, "recent", _ALL, _kraken_rows),
    "coinbase": Facts(
        300, "blocks", ("1m", "5m", "15m", "30m", "1h", "1d"), _coinbase_rows, newest_first=True
    ),
}


class CcxtVenue:
    """One exchange behind the port `BarVenue`.

    Parameters
    ----------
    name
        One of `FACTS`.
    symbols
        Our symbol to ccxt's, such as ``BTC/USD: BTC/USDT`` on Binance.
    patience
        Pace and tries.
    base_url
        Scheme and host instead of ccxt's own.
    timeout_s
        How long one answer may take.

    Raises
    ------
    ComponentNotFoundError
        For an exchange that is not among `FACTS`.
    """

    def __init__(
        self,
        name: str,
        *,
        symbols: Mapping[str, str],
        patience: Patience,
        base_url: str | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        if name not in FACTS:
            raise ComponentNotFoundError(
                "no such exchange", field="exchange", value=name, constraint=f"one of {', '.join(FACTS)}"
            )
        self._name, self._facts = name, FACTS[name]
        self._symbols, self._patience = dict(symbols), patience
        self._base_url, self._timeout_s = base_url, timeout_s

    @property
    def name(self) -> str:
        """What rows say under ``venue``."""
        return self._name

    @property
    def lengths(self) -> tuple[Length, ...]:
        """Bar lengths that it offers."""
        return self._facts.lengths

    @cached_property
    def _exchange(self) -> Any:
        from resources.venues.ccxt_client import open_exchange

        return open_exchange(self._name, self._patience, base_url=self._base_url, timeout_s=self._timeout_s)

    def bars(self, symbol: str, length: Length, start: datetime, end: datetime) -> VenueBars:
        """Return all bars with ``start <= open_at < end`` that the venue still has.

        A cell that is no number is NULL, a time that is none likewise.  Kraken reaches back 720 bars: where
        the window begins earlier the finding ``venue_limit`` says what is missing.

        Raises
        ------
        SourceError
            For a symbol without translation or unknown to the venue, a length that is not on offer, a
            refusal, a window before the venue's reach, pages that do not move on, or a venue out of reach.
        """
        market = self._market(symbol, length)
        now = self._patience.clock.now()
        step = LENGTHS[length]
        recent = self._facts.walk == "recent"
        gathering = Gathering(symbol, self._name, start, end, told_window=not recent)
        answered_at, server_time = now, None
        for rows, raw in self._pages(market, length, start, min(end, now + step)):
            gathering.add(rows, raw)
            if rows or server_time is None:
                answered_at, server_time = self._patience.clock.now(), self._exchange.server_time
        server_time = server_time or self._server_time(answered_at)
        findings = [*gathering.findings()]
        skew = skew_finding(server_time, answered_at, symbol, self._name)
        findings += [skew] if skew else []
        if recent and start < now - SURE_REACH * step:
            findings += self._cut(symbol, start, end, gathering.first(), step)
        source = f"{self._name} {market} {length}, {self._address()}"
        return VenueBars(gathering.frame(), "raw", source, server_time, tuple(findings))

    def actions(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame | None:  # noqa: ARG002 - the port's
        """Return None: coins have no corporate actions."""
        return None

    def _market(self, symbol: str, length: Length) -> str:
        if length not in self._facts.lengths:
            raise SourceError(
                f"{self._name} has no bars of that length",
                field="length",
                value=length,
                constraint=f"one of {', '.join(self._facts.lengths)}",
            )
        market = self._symbols.get(symbol)
        if market is None:
            raise SourceError(
                f"no translation of the symbol for {self._name}",
                field="symbol",
                value=symbol,
                constraint=f"one of {', '.join(self._symbols)}",
                fix=f"name the venue's own symbol under symbols of {self._name}",
            )
        exchange = self._exchange
        if market not in self._understood(exchange.load_markets, "the list of markets"):
            raise SourceError(
                f"{self._name} does not list the symbol",
                field="symbol",
                value=market,
                fix=f"correct the translation of {symbol} for {self._name}",
            )
        return market

    def _pages(
        self, market: str, length: Length, start: datetime, end: datetime
    ) -> Iterator[tuple[list[list[Any]], Sequence[Any]]]:
        step = LENGTHS[length] // timedelta(milliseconds=1)
        page = self._facts.page
        last = stamp_ms(end)
        cursor = -(-stamp_ms(start) // step) * step
        while cursor < last:
            until = min(last, cursor + page * step) if self._facts.walk == "blocks" else last
            rows, raw = self._page(market, length, cursor, until)
            yield rows, raw
            if self._facts.walk == "recent" or (self._facts.walk == "cursor" and not rows):
                return
            newest = max((r[0] for r in rows if _within(r, cursor, last)), default=cursor)
            cursor = until if self._facts.walk == "blocks" else newest + step

    def _page(
        self, market: str, length: Length, since: int, until: int
    ) -> tuple[list[list[Any]], Sequence[Any]]:
        """Return one page and its raw rows; ask again while it is no answer to the question."""
        params = {} if self._facts.walk == "recent" else {"until": until - 1}
        problem = ""
        for _ in range(TELLINGS):
            rows = self._understood(
                lambda: self._exchange.fetch_ohlcv(market, length, since, self._facts.page, params),
                f"bars of {market}",
            )
            raw = self._facts.rows_of(self._exchange.last_json_response)
            if not isinstance(raw, list):
                problem = "an answer without a list of bars"
            elif rows and self._facts.walk != "recent" and not any(_within(r, since, until) for r in rows):
                problem = "a page with nothing of what was asked, an earlier one perhaps"
            else:
                ordered = slice(None, None, -1 if self._facts.newest_first else 1)
                return rows[ordered], raw[ordered]
        raise SourceError(
            f"{self._name} makes no progress: {problem}",
            field=self._name,
            value=market,
            constraint=f"bars from {datetime.fromtimestamp(since / 1000, UTC).isoformat()} on",
            fix="try again later; a further venue for the symbol would have stepped in",
        )

    def _understood(self, call: Callable[[], T], what: str) -> T:
        """Return the answer, or say that ccxt stumbled over it: JSON, but nothing that a venue documents."""
        try:
            return call()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise SourceError(
                f"{self._name} answered with something else than {what}",
                field=self._name,
                value=f"{type(error).__name__}: {error}",
                fix="the venue's format may have changed: update ccxt",
            ) from error

    def _server_time(self, answered_at: datetime) -> datetime | None:
        """Return the venue's time when our clock showed ``answered_at``, asked from its own endpoint."""
        stamp = self._understood(self._exchange.fetch_time, "its time")
        if stamp is None:
            return None
        return datetime.fromtimestamp(stamp / 1000, UTC) - (self._patience.clock.now() - answered_at)

    def _address(self) -> str:
        return str(self._exchange.last_request_url).split("?", 1)[0]

    def _cut(
        self, symbol: str, start: datetime, end: datetime, first: datetime | None, step: timedelta
    ) -> list[Finding]:
        """Return what a venue that keeps recent bars only left out of the window."""
        if first is None:
            raise SourceError(
                f"{self._name} reaches back {self._facts.page} bars only",
                field="window",
                value=f"{start.isoformat()} to {end.isoformat()}",
                fix="take this history from another venue or from files",
            )
        reason = f"{self._name} reaches back {self._facts.page} bars only: none before {first.isoformat()}"
        missing = first - start >= step
        return [Finding("venue_limit", Severity.WARN, symbol, start, reason, first)] if missing else []


def _within(row: Sequence[Any], since: int, until: int) -> bool:
    return row[0] is not None and since <= row[0] < until
