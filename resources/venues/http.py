"""Asks a venue for JSON over HTTP, patiently: what may pass is asked again, what the venue refuses is said.

A secret joins the request below httpx, whose own log and errors therefore never see it; where the venue
repeats it in an answer, it is masked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.config.secrets import MASK, masked
from pipeline.errors import ConfigError, SourceError
from resources.venues.headers import date_of, retry_after_s
from resources.venues.patience import PassingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import httpx

    from resources.venues.patience import Patience

TIMEOUT_S = 20.0
"""How long a connection, or a silence within an answer, may take."""
LONGEST_ANSWER_S = 120.0
"""How long a whole answer may take: a venue that drips bytes is never silent."""
MOST_BYTES = 64_000_000
"""Larger answers are damage; twenty years of daily bars are 2 MB."""
LIMITED = 429
PASSING = frozenset({408, 423, 425, LIMITED})
"""Statuses below 500 that are over in a moment: timeout, locked, too early, too many requests."""
_SHOWN = 200
_FEWEST_TELLING = 4
"""This many characters of a secret are worth hiding."""
_WORDS = ("error_message", "description", "message", "msg")


@dataclass(frozen=True)
class Answer:
    """What a venue answered.

    Parameters
    ----------
    document
        The JSON, as Python's own types.
    server_time
        The venue's clock, where it tells.
    received_at
        Our clock when the answer began, to compare with it.
    """

    document: object
    server_time: datetime | None
    received_at: datetime


class JsonAsker:
    """Asks one venue.

    Parameters
    ----------
    of
        The venue, for messages.
    base_url
        Scheme, host and port.
    patience
        Pace and tries.
    timeout_s
        Longest silence, seconds.
    headers
        Sent with every request.
    secrets
        Query parameters that nobody may see, such as an API key.

    Raises
    ------
    ConfigError
        When the address is none of http or https.
    """

    def __init__(
        self,
        of: str,
        base_url: str,
        patience: Patience,
        *,
        timeout_s: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(
                "an address of a venue is wrong",
                field="base_url",
                value=masked(base_url),
                constraint="http:// or https:// and a host",
                fix="correct base_url, or leave it out",
            )
        self.of = of
        self._base = base_url.rstrip("/")
        self._patience = patience
        self._timeout_s = timeout_s
        self._headers = dict(headers or {})
        self._secrets = dict(secrets or {})
        plain = set(self._secrets.values())
        self._hidden = tuple(sorted(plain | {quote(text, safe="") for text in plain}, key=len, reverse=True))

    def address(self, path: str) -> str:
        """Return what rows may say about their origin: the address without query and secrets."""
        return self._shown(self._base + path)

    def get(self, path: str, query: Mapping[str, str | int], *, about: str) -> Answer:
        """Return the JSON under a path.

        Parameters
        ----------
        path
            Begins with a slash, already quoted.
        query
            Parameters without secrets.
        about
            What is asked for, in our words.

        Raises
        ------
        SourceError
            When the venue refuses (its own words are the error's value), or stays out of reach.
        """
        return self._patience.ask(lambda: self._once(path, query, about), of=self.of, about=about)

    def _once(self, path: str, query: Mapping[str, str | int], about: str) -> Answer:
        import httpx

        try:
            with self._client.stream("GET", self._base + path, params=dict(query)) as response:
                received_at = self._patience.clock.now()
                body = self._body(response)
        except httpx.TimeoutException as error:
            raise PassingError(f"no answer within {self._timeout_s:g} s") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise PassingError(self._shown(f"{type(error).__name__}: {error}")) from error
        status = response.status_code
        if status in PASSING or response.is_server_error:
            wait = retry_after_s(response.headers, received_at)
            raise PassingError(f"HTTP {status}: {self._words(body)}", wait)
        if not response.is_success:
            raise SourceError(
                f"{self.of} refuses {about} (HTTP {status})",
                field=self.of,
                value=self._words(body),
                constraint="a symbol, a window and a key that it accepts",
                fix="read what it says, and correct the source's YAML or the key",
            )
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PassingError(f"the answer is no JSON: {self._words(body)[:80]}") from error
        return Answer(document, date_of(response.headers), received_at)

    def _body(self, response: httpx.Response) -> bytes:
        clock = self._patience.clock
        began, parts, size = clock.monotonic(), [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise PassingError(f"the answer is larger than {MOST_BYTES / 1e6:g} MB")
            if clock.monotonic() - began > LONGEST_ANSWER_S:
                raise PassingError(f"the answer takes longer than {LONGEST_ANSWER_S:g} s")
        return b"".join(parts)

    @cached_property
    def _client(self) -> httpx.Client:
        """The client; it keeps no idle connection, so there is nothing to close."""
        import httpx

        secrets = self._secrets

        class Keyed(httpx.HTTPTransport):
            """Adds the secrets to the request that leaves, not to the one that httpx knows."""

            def handle_request(self, request: httpx.Request) -> httpx.Response:
                url = request.url.copy_merge_params(secrets)
                return super().handle_request(
                    httpx.Request(request.method, url, headers=request.headers, extensions=request.extensions)
                )

        alone = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(
            transport=Keyed(limits=alone),
            timeout=self._timeout_s,
            headers=self._headers,
            follow_redirects=False,
        )

    def _words(self, body: bytes) -> str:
        """Return what an answer says in its own words, in one line and without secrets."""
        text = body.decode("utf-8", "replace")
        try:
            said = _said(json.loads(text))
        except (ValueError, RecursionError):  # an error page is shown as it is
            said = None
        return self._shown(" ".join((said or text).split()))[:_SHOWN]

    def _shown(self, text: str) -> str:
        """Mask the secrets, and what a cut answer has of one at its end."""
        whole = str(masked(text, values=self._hidden))
        for secret in self._hidden:
            for kept in range(len(secret) - 1, _FEWEST_TELLING - 1, -1):
                if whole.endswith(secret[:kept]):
                    return whole[:-kept] + MASK
        return whole


def _said(document: object) -> str | None:
    """Return the first text under a key that says what is wrong, however deep."""
    if isinstance(document, dict):
        for key in _WORDS:
            if isinstance(document.get(key), str):
                return document[key]
        parts = list(document.values())
    else:
        parts = document if isinstance(document, list) else []
    return next((said for part in parts if (said := _said(part)) is not None), None)
