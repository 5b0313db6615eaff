"""Staleness: how far a series lags behind its own session or publication calendar.

A weekend is not stale: only expected values count, and each at the instant it should have been known.
What a strategy or regime does about it is theirs.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from pipeline.arrays import Float1D, Int1D, Time1D
from pipeline.calendar.grid import from_time64, to_time64
from pipeline.errors import TimestampError

GRACE = timedelta(hours=48)
GIVE_UP_AFTER = 3
"""Expected values missed before a reader falls back to flat, neutral, normal or risk_off."""


class Staleness(StrEnum):
    """What a reader should do with the last value of a series."""

    FRESH = "fresh"
    WARN = "warn"
    """The next expected value is more than 48 h overdue."""
    GIVE_UP = "give_up"
    """Three expected values are missed: the last one no longer counts."""
    UNKNOWN = "unknown"
    """No value was ever known."""


def closes_missed(
    ts: Time1D, known_at: Time1D, expected_ts: Time1D, expected_known_at: Time1D, decisions: Time1D
) -> Float1D:
    """Count the expected values that are overdue at each decision.

    Parameters
    ----------
    ts, known_at
        Labels and instants of knowledge of the values that exist, shape ``(n,)``, in any order.
    expected_ts, expected_known_at
        The same for every value the calendar expects, shape ``(m,)``; they need not cover the future.
    decisions
        Shape ``(bars,)``.

    Returns
    -------
    Float1D
        Number of expected values that should be known at the decision and come after the newest value
        that is; NaN before any value is known.

    Raises
    ------
    TimestampError
        When an array holds NaT or lengths differ.
    """
    for name, label, when in (("known_at", ts, known_at), ("expected", expected_ts, expected_known_at)):
        _require_pairs(name, label, when)
    order = np.argsort(known_at, kind="stable")
    known, newest = known_at[order], ts[order]
    if newest.size:
        newest = np.maximum.accumulate(newest)  # a late correction of an old value is no news
    latest = np.searchsorted(_ticks(known), _ticks(decisions), side="right") - 1
    order = np.argsort(expected_ts, kind="stable")
    due = expected_known_at[order]
    if due.size:
        due = np.maximum.accumulate(due)
    expected_by_now = np.searchsorted(_ticks(due), _ticks(decisions), side="right")
    missed = np.full(decisions.shape, np.nan)
    seen = latest >= 0
    covered = np.searchsorted(_ticks(expected_ts[order]), _ticks(newest), side="right")
    missed[seen] = np.maximum(expected_by_now[seen] - covered[latest[seen]], 0)
    return missed


def staleness(
    ts: Time1D,
    known_at: Time1D,
    expected_ts: Time1D,
    expected_known_at: Time1D,
    now: datetime,
    *,
    grace: timedelta = GRACE,
    give_up_after: int = GIVE_UP_AFTER,
) -> Staleness:
    """Judge a series at one instant, by the rule of the definitions, section 1 ("Stale").

    Parameters
    ----------
    ts, known_at, expected_ts, expected_known_at
        As in `closes_missed`.
    now
        Aware.
    grace
        How long the next expected value may be overdue without a word.
    give_up_after
        How many missed values make the last one worthless.

    Raises
    ------
    TimestampError
        As `closes_missed`, and for a naive ``now``.
    """
    at = to_time64(now, "now")
    missed = closes_missed(ts, known_at, expected_ts, expected_known_at, np.array([at]))[0]
    if np.isnan(missed):
        return Staleness.UNKNOWN
    if missed >= give_up_after:
        return Staleness.GIVE_UP
    overdue = next_due(ts, known_at, expected_ts, expected_known_at, now)
    return Staleness.WARN if overdue is not None and now - overdue > grace else Staleness.FRESH


def next_due(
    ts: Time1D, known_at: Time1D, expected_ts: Time1D, expected_known_at: Time1D, now: datetime
) -> datetime | None:
    """Return when the first expected value after the newest known one is (or was) due; None without one.

    Parameters and errors as `staleness`.
    """
    _require_pairs("known_at", ts, known_at)
    _require_pairs("expected", expected_ts, expected_known_at)
    seen = ts[known_at <= to_time64(now, "now")]
    later = expected_known_at[expected_ts > seen.max()] if seen.size else expected_known_at
    return from_time64(later.min()) if later.size else None


def _ticks(times: Time1D) -> Int1D:
    """Return instants as whole numbers, which are searched several times faster."""
    return times.astype("datetime64[us]", copy=False).view(np.int64)


def _require_pairs(field: str, label: Time1D, when: Time1D) -> None:
    if label.shape != when.shape:
        raise TimestampError("one instant per label", field, when.shape, f"shape {label.shape}")
    if np.isnat(label).any() or np.isnat(when).any():
        raise TimestampError("an instant is missing", field, "NaT", "known instants")
