"""A ccxt exchange that asks through our `Patience`: one pace, one retry policy, one tree of errors.

One idea: ccxt makes every request in its method ``fetch``; a subclass that overrides it needs to know nothing
of a venue's endpoints, and whatever ccxt asks for besides (markets, time) is as polite as the bars.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import SourceError
from resources.venues.bounded import bounded
from resources.venues.headers import date_of, retry_after_s
from resources.venues.patience import PassingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from resources.venues.patience import Patience

REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 410, 422, 451})
"""Statuses that asking again does not change; ccxt counts most of them as outages."""

OUTAGES = 500
"""Statuses from here on are the venue's own trouble."""


def open_exchange(name: str, patience: Patience, *, base_url: str | None, timeout_s: float) -> Any:
    """Return ccxt's exchange of that name, nothing asked yet.

    Parameters
    ----------
    name
        ccxt's identifier.
    patience
        Every request goes through it.
    base_url
        Scheme and host instead of ccxt's own, such as ``https://api.binance.us``.
    timeout_s
        How long one answer may take.
    """
    exchange = _polite(name)(
        {
            "enableRateLimit": False,
            "timeout": round(timeout_s * 1000),
            "enableLastJsonResponse": True,
            "enableLastHttpResponse": False,
            "options": {"fetchMarkets": {"types": ["spot"]}} if name == "binance" else {},
        }
    )
    exchange.has["fetchCurrencies"] = False  # three more requests that bars do not need
    exchange.patience = patience
    bounded(exchange.session)
    if base_url is not None:
        exchange.urls["api"] = _moved(exchange.urls["api"], base_url)
    return exchange


@lru_cache
def _polite(name: str) -> type:
    import ccxt

    class Polite(getattr(ccxt, name)):
        """Asks through ``patience``, keeps a venue's rows in its own order, remembers what answers said."""

        patience: Patience
        status: int | None = None
        answer_headers: Mapping[str, str] = {}
        server_time: datetime | None = None

        def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            def question() -> Any:
                self.status = None
                try:
                    answer = super(Polite, self).fetch(url, method, headers, body)
                except ccxt.BaseError as error:
                    raise self._translated(error) from error
                if not isinstance(answer, dict | list):
                    raise PassingError(f"an answer that is no JSON: {str(answer)[:60]!r}")
                return answer

            return self.patience.ask(question, of=name, about=urlsplit(url).path)

        def on_rest_response(self, code: int, reason: str, *rest: Any) -> str:
            _, _, headers, *_ = rest
            self.status = code
            self.answer_headers = headers
            self.server_time = date_of(headers)
            return super().on_rest_response(code, reason, *rest)

        def parse_ohlcvs(self, ohlcvs: Any, market: Any = None, *_: Any, **__: Any) -> list[list[Any]]:
            """Parse every row; ccxt itself would sort them and drop those without a readable time."""
            return [self.parse_ohlcv(row, market) for row in ohlcvs or []]

        def _translated(self, error: Exception) -> Exception:
            status = self.status
            reason = _reason(error, status)
            if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
                wait = retry_after_s(self.answer_headers, self.patience.clock.now())
                return PassingError(reason, wait)
            passing = isinstance(error, ccxt.OperationFailed) and status not in REFUSALS
            if passing or _interrupted(error, status) or (status or 0) >= OUTAGES:
                return PassingError(reason)
            return _refusal(name, error, status)

    return Polite


def _reason(error: Exception, status: int | None) -> str:
    """Return what happened; of a broken line ccxt itself names the address only."""
    if status is not None:
        return f"{type(error).__name__} {status}: {str(error)[:200]}"
    cause = "" if error.__cause__ is None else f": {str(error.__cause__)[:200]}"
    return f"{type(error).__name__}: {str(error)[:200]}{cause}"


def _interrupted(error: Exception, status: int | None) -> bool:
    """Return whether the answer never came whole, for a cause that may be over in a moment."""
    from requests.exceptions import RequestException, SSLError, TooManyRedirects

    cause = error.__cause__
    lasting = isinstance(cause, SSLError | TooManyRedirects)
    return status is None and isinstance(cause, RequestException) and not lasting


def _refusal(name: str, error: Exception, status: int | None) -> SourceError:
    blocked = status in {403, 451}
    return SourceError(
        f"{name} refused: {type(error).__name__}",
        field=name,
        value=str(error),
        constraint=None if status is None else f"HTTP status {status}",
        fix="the venue may not serve this place: name another one first"
        if blocked
        else "check the symbol's spelling for this venue, and the venue's status page",
    )


def _moved(urls: Any, base_url: str) -> Any:
    """Return the addresses with scheme and host replaced."""
    if isinstance(urls, dict):
        moved: Mapping[str, Any] = {key: _moved(value, base_url) for key, value in urls.items()}
        return moved
    base, parts = urlsplit(base_url), urlsplit(urls)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + parts.path, "", ""))
