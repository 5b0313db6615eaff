"""The H4 grid: cells of four hours starting at 00, 04, 08, 12, 16, 20 UTC, labelled by their start.

One idea: a bar belongs to the cell that holds its close, and the cell's decision is taken at its end.
Market hours are not here (`sessions`), nor is when a value becomes known (`known`).
"""

from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.arrays import Bool1D, Time1D
from pipeline.errors import TimestampError

CELL = timedelta(hours=4)
"""Length of a cell."""

CELL64 = np.timedelta64(4 * 3_600_000_000, "us")
"""The same for arrays."""

CELLS_PER_DAY = 6

_TICK = np.timedelta64(1, "us")
_DAY64 = np.timedelta64(86_400_000_000, "us")
_FIX = "give an instant with a time zone, for example 2024-07-01T12:00:00+00:00"


def require_utc(instant: datetime, field: str = "instant") -> datetime:
    """Return the instant in UTC.

    Raises
    ------
    TimestampError
        When the value is no ``datetime`` or carries no time zone.
    """
    if not isinstance(instant, datetime):
        raise TimestampError("not an instant", field, instant, "a datetime with a time zone", _FIX)
    if instant.utcoffset() is None:
        raise TimestampError("a naive time names no instant", field, instant, "a time zone", _FIX)
    return instant.astimezone(UTC)


def to_time64(instant: datetime, field: str = "instant") -> np.datetime64:
    """Return an aware instant as ``datetime64[us]`` in UTC, the form kernels use."""
    return np.datetime64(require_utc(instant, field).replace(tzinfo=None), "us")


def from_time64(instant: np.datetime64) -> datetime:
    """Return a ``datetime64`` as an aware UTC ``datetime``.

    Raises
    ------
    TimestampError
        When the value is NaT.
    """
    if np.isnat(instant):
        raise TimestampError("NaT is no instant", "instant", str(instant), "a known instant")
    return instant.astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC)


def is_on_grid(instant: datetime) -> bool:
    """Tell whether an aware instant is the start of a cell."""
    return _floor(require_utc(instant)) == instant


def cell_label(instant: datetime) -> datetime:
    """Return the label of the cell that holds the instant: ``ts <= instant < ts + 4 h``."""
    return _floor(require_utc(instant))


def cell_of_close(close_at: datetime) -> datetime:
    """Return the label of the cell a bar belongs to: ``ts < close_at <= ts + 4 h``."""
    return _floor(require_utc(close_at, "close_at") - timedelta(microseconds=1))


def decision_at(ts: datetime) -> datetime:
    """Return the instant at which the cell's decision is taken: its end.

    Raises
    ------
    TimestampError
        When the label is naive or not on the grid.
    """
    return _require_on_grid(ts, "ts") + CELL


def cells(start: datetime, end: datetime) -> Time1D:
    """Return the labels of all cells in ``[start, end)``, shape ``(bars,)``, ``datetime64[us]``.

    Raises
    ------
    TimestampError
        When a bound is naive or off the grid (a cell that is still forming must not slip in), or when
        the end lies before the start.
    """
    first, last = _require_on_grid(start, "start"), _require_on_grid(end, "end")
    if last < first:
        raise TimestampError("the window ends before it starts", "end", last, f"end >= start {first}")
    return np.arange(to_time64(first), to_time64(last), CELL64)


def cell_labels(instants: Time1D) -> Time1D:
    """Return `cell_label` of each instant; NaT stays NaT."""
    return _floor64(_as_us(instants), CELL64)


def cells_of_close(close_at: Time1D) -> Time1D:
    """Return `cell_of_close` of each close; NaT stays NaT."""
    return _floor64(_as_us(close_at) - _TICK, CELL64)


def decisions_at(ts: Time1D) -> Time1D:
    """Return `decision_at` of each label.

    Raises
    ------
    TimestampError
        When a label is NaT or off the grid.
    """
    labels = _as_us(ts)
    off = ~on_grid(labels)
    if off.any():
        raise TimestampError("label off the H4 grid", "ts", str(labels[off][0]), "00, 04, .. 20 UTC")
    return labels + CELL64


def on_grid(instants: Time1D) -> Bool1D:
    """Tell for each instant whether it is the start of a cell; NaT is not."""
    times = _as_us(instants)
    return _floor64(times, CELL64) == times


def utc_days(instants: Time1D) -> Time1D:
    """Return 00:00 UTC of the day that holds each instant; NaT stays NaT."""
    return _floor64(_as_us(instants), _DAY64)


def utc_days_of_close(close_at: Time1D) -> Time1D:
    """Return 00:00 UTC of the day a bar belongs to: ``day < close_at <= day + 24 h``."""
    return _floor64(_as_us(close_at) - _TICK, _DAY64)


def _floor(instant: datetime) -> datetime:
    return instant.replace(hour=instant.hour - instant.hour % 4, minute=0, second=0, microsecond=0)


def _floor64(times: Time1D, step: np.timedelta64) -> Time1D:
    # Integer division rounds down, so instants before 1970 land in the right cell too.
    since_epoch = times - np.datetime64(0, "us")
    return np.datetime64(0, "us") + (since_epoch - since_epoch % step)


def _as_us(times: Time1D) -> Time1D:
    array = np.asarray(times)
    if array.dtype.kind != "M":
        raise TimestampError("not an array of instants", "times", str(array.dtype), "datetime64[us]")
    return array.astype("datetime64[us]", copy=False)


def _require_on_grid(instant: datetime, field: str) -> datetime:
    utc = require_utc(instant, field)
    if _floor(utc) != utc:
        raise TimestampError(
            "instant off the H4 grid", field, utc.isoformat(), "00, 04, .. 20 UTC", "use cell_label() of it"
        )
    return utc
