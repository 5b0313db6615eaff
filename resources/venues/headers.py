"""What the headers of an answer say: the venue's time, and how long it asks to wait.

Headers are the client library's mapping, which does not mind the case of a name.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pipeline.market.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

TOLERATED_SKEW = timedelta(seconds=5)
"""A venue's clock may differ from ours by this much before it is worth a finding."""
_COUNT = re.compile(r"[0-9]{1,9}")
_NEVER = 3000
"""No date of a venue is of this year: sums with later ones leave the calendar."""


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the venue's time by ``Date``, UTC, to the second; None where it is missing or no date.

    An answer out of a cache carries the date of its making.  Its ``Age`` is not added: a bar that was forming
    then is forming in that answer, however late it arrives.
    """
    return _http_date(headers.get("Date"))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for; None where it is missing or makes no sense.

    A date is counted from the answer's own ``Date`` where there is one, so that a skewed clock does no harm.
    """
    asked = _seconds(headers.get("Retry-After"))
    if asked is not None:
        return float(asked)
    until = _http_date(headers.get("Retry-After"))
    if until is None:
        return None
    return max(0.0, (until - (date_of(headers) or now)).total_seconds())


def skew_finding(server_time: datetime | None, now: datetime, symbol: str, venue: str) -> Finding | None:
    """Return the finding ``clock_skew`` where the venue's clock and ours differ by more than is tolerated."""
    if server_time is None or abs(server_time - now) <= TOLERATED_SKEW:
        return None
    ahead = (server_time - now).total_seconds()
    return Finding(
        "clock_skew",
        Severity.WARN,
        symbol,
        None,
        f"the clock of {venue} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours",
    )


def _seconds(text: str | None) -> int | None:
    """Return a count of seconds; None for anything else, such as digits that are not ASCII or never end."""
    found = _COUNT.fullmatch((text or "").strip())
    return None if found is None else int(found[0])


def _http_date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = parsedate_to_datetime(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (
        ValueError,
        OverflowError,
    ):  # an unreadable header tells nothing, and it is the venue's to give none
        return None
    return at if at.year < _NEVER else None
