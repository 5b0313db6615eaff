"""alpaca-py's data clients asking through our `Patience`, with a timeout and without their own retries.

One idea: alpaca-py makes every request in ``_one_request``; overriding it there leaves pagination and
parameters to the library and makes each page polite.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.config.secrets import masked
from pipeline.errors import SourceError
from resources.venues.bounded import bounded
from resources.venues.headers import date_of, retry_after_s
from resources.venues.patience import PassingError

if TYPE_CHECKING:
    from datetime import datetime

    from resources.venues.patience import Patience

PASSING_STATUS = frozenset({408, 425, 429, *range(500, 600)})
"""Statuses that may be over in a moment."""
TO_SECONDS = len("2024-01-31T23:59:59")


def open_client(
    kind: str,
    patience: Patience,
    *,
    key: str | None,
    secret: str | None,
    base_url: str | None,
    timeout_s: float,
) -> Any:
    """Return a data client that hands over raw JSON, nothing asked yet.

    Parameters
    ----------
    kind
        ``stocks``, ``crypto`` or ``actions``.
    patience
        Every page goes through it.
    key, secret
        Both, or neither for ``crypto``.
    base_url
        Instead of Alpaca's own address.
    timeout_s
        How long one answer may take.
    """
    client = _polite(kind)(key, secret, raw_data=True, url_override=base_url)
    client.patience = patience
    client.timeout_s = timeout_s
    client.hidden = tuple(text for text in (key, secret) if text)
    bounded(client._session)  # noqa: SLF001 - alpaca-py offers no other door
    return client


@lru_cache
def _polite(kind: str) -> type:
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
    from alpaca.data.historical.corporate_actions import CorporateActionsClient

    base: Any = {
        "stocks": StockHistoricalDataClient,
        "crypto": CryptoHistoricalDataClient,
        "actions": CorporateActionsClient,
    }[kind]

    class Polite(base):
        """Asks through ``patience``; remembers which pages it has asked for.

        ``answered_at`` and ``server_time`` are the two clocks at the last page with rows in it.
        """

        patience: Patience
        timeout_s: float
        hidden: tuple[str, ...]
        answered_at: datetime | None = None
        server_time: datetime | None = None
        _date: datetime | None = None
        _tokens: set[str]
        _newest: str = ""

        def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:  # noqa: ARG002 - retries are ours
            about = urlsplit(url).path
            token = opts["params"].get("page_token")
            if token is None:
                self._tokens, self._newest = set(), ""
            elif not isinstance(token, str) or token in self._tokens:
                raise _circular(about, token)
            else:
                self._tokens.add(token)
            options = {**opts, "timeout": self.timeout_s, "hooks": {"response": self._note}}

            def question() -> Any:
                try:
                    answer = super(Polite, self)._one_request(method, url, options, 0)
                except Exception as error:
                    told = _translated(error, self.patience.clock.now(), self.hidden)
                    if told is error:
                        raise
                    raise told from None  # the library's own error holds the answer, and that perhaps a key
                page = _documented(answer, self.hidden)
                bars = page.get("bars", {})
                self._newest = _moved_on(bars, self._newest, str(opts["params"]["start"]))
                if any(bars.values()) or token is None:
                    self.answered_at, self.server_time = self.patience.clock.now(), self._date
                return page

            return self.patience.ask(question, of="alpaca", about=about)

        def _note(self, response: Any, *_: Any, **__: Any) -> None:
            self._date = date_of(response.headers)

    return Polite


def _documented(answer: Any, hidden: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer if it has the documented shape: under one key, lists by name; null is none."""
    for key in ("bars", "corporate_actions"):
        if isinstance(answer, dict) and key in answer:
            content = answer[key] or {}
            if isinstance(content, dict) and all(isinstance(v, list) for v in content.values()):
                return {**answer, key: content}
    raise PassingError(f"an answer without what was asked for: {_shown(answer, hidden)[:80]!r}")


def _moved_on(bars: dict[str, list[Any]], newest: str, start: str) -> str:
    """Return the newest time of a page of one symbol, which is an earlier page again if it ends too early.

    Times are UTC in RFC 3339, so they sort as text.
    """
    rows = [row for told in bars.values() for row in told if isinstance(row, dict)]
    times = [str(row.get("t"))[:TO_SECONDS] for row in rows]
    latest = max(times, default=newest)
    if times and (latest <= newest or latest < start[:TO_SECONDS]):
        raise PassingError(f"a page that ends at {latest}, an earlier one perhaps")
    return latest


def _translated(error: Exception, now: datetime, hidden: tuple[str, ...]) -> Exception:
    """Return what a failure of the library means for us; a programming error stays what it is."""
    from alpaca.common.exceptions import APIError
    from requests.exceptions import RequestException, SSLError, TooManyRedirects

    if isinstance(error, APIError):
        status, text = error.status_code, _shown(error, hidden)[:200]
        if status in PASSING_STATUS:
            return PassingError(f"HTTP {status}: {text}", retry_after_s(error.response.headers, now))
        return _refusal(text, status)
    if isinstance(error, SSLError | TooManyRedirects):
        return _refusal(f"{type(error).__name__}: {_shown(error, hidden)}", None)
    if isinstance(
        error, RequestException | ValueError | RecursionError
    ):  # the line, or a body that is no JSON
        return PassingError(f"{type(error).__name__}: {_shown(error, hidden)[:200]}")
    return error


def _shown(said: object, hidden: tuple[str, ...]) -> str:
    """Return what was said without the keys, which a venue may repeat."""
    return str(masked(str(said), values=hidden))


def _refusal(text: str, status: int | None) -> SourceError:
    keys = status in {401, 403}
    return SourceError(
        "alpaca refused",
        field="alpaca",
        value=text,
        constraint=None if status is None else f"HTTP status {status}",
        fix="check the keys, and that the subscription covers the feed: `feed: iex` is the free one"
        if keys
        else "check the symbol and the window",
    )


def _circular(about: str, token: object) -> SourceError:
    return SourceError(
        "alpaca sends pages in a circle",
        field="next_page_token",
        value=token,
        constraint=f"a text, and every token of {about} once",
        fix="try again later",
    )
