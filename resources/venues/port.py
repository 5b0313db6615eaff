"""The venue ports: what an exchange, a vendor or a publisher of series hands over, in its own bar lengths.

One idea: a venue answers one question about one symbol, or raises; it never answers in part without saying
so.  Symbols are in our spelling, the adapter translates.  H4 cells, rules and storage are not its business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.market.findings import Finding

Length = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"]
"""How long a venue's bar is; `resources.market.mapping.LENGTHS` has them as durations."""
Adjustment = Literal["raw", "split", "split_dividend"]


def venue_bar_schema() -> Mapping[str, pl.DataType]:
    """Return the columns of a venue's bars.

    ``open_at`` is the first instant of the bar, UTC; of a daily bar of an exchange 00:00 UTC of its session
    date.  ``volume`` is in base units, NULL where the venue gives none.
    """
    import polars as pl

    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64())
    return {"open_at": pl.Datetime("us", "UTC"), **numbers}


def action_schema() -> Mapping[str, pl.DataType]:
    """Return the columns of corporate actions as a venue tells them.

    ``kind`` is ``split`` or ``dividend``; ``ts`` is 00:00 UTC of the ex-date; ``value`` is new shares for one
    old share, or cash for one share, in ``currency`` and as paid then; ``declared_at`` is when the venue says
    that it was announced, NULL where it does not.
    """
    import polars as pl

    instant = pl.Datetime("us", "UTC")
    return {
        "kind": pl.String(),
        "ts": instant,
        "value": pl.Float64(),
        "currency": pl.String(),
        "declared_at": instant,
    }


def observation_schema() -> Mapping[str, pl.DataType]:
    """Return the columns of a published series: reference period, value, and when that value was published.

    A revised value is a further row of the same ``ts`` with a later ``known_at``.
    """
    import polars as pl

    instant = pl.Datetime("us", "UTC")
    return {"ts": instant, "value": pl.Float64(), "known_at": instant}


@dataclass(frozen=True)
class VenueBars:
    """The bars of one symbol and length that a venue has for a window.

    Parameters
    ----------
    rows
        Columns of `venue_bar_schema`, in the venue's order, as it gave them: nothing is repaired, sorted away
        or left out but rows that the client asked for beyond the window.  The last row may still be forming.
    adjustment
        What the prices are adjusted for.
    source
        The endpoint, without secrets.
    server_time
        The venue's clock when it answered, where it tells; NULL otherwise.
    findings
        What the adapter had to say, such as a skewed clock.
    """

    rows: pl.DataFrame
    adjustment: Adjustment
    source: str
    server_time: datetime | None = None
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class VenueSeries:
    """The observations of one series: `observation_schema`, the endpoint, and which vintages are in it."""

    rows: pl.DataFrame
    source: str
    vintage: Literal["as_published", "latest_revision"]
    server_time: datetime | None = None
    findings: Sequence[Finding] = ()


class BarVenue(Protocol):
    """An exchange or a vendor of bars."""

    @property
    def name(self) -> str:
        """What rows say under ``venue``."""
        ...

    @property
    def lengths(self) -> tuple[Length, ...]:
        """Bar lengths that it offers."""
        ...

    def bars(self, symbol: str, length: Length, start: datetime, end: datetime) -> VenueBars:
        """Return all bars with ``start <= open_at < end``, every page of them.

        Raises
        ------
        SourceError
            When the venue does not know the symbol, refuses, or stays out of reach; the cause is a
            ``ConnectionError`` where trying again later may help.
        """
        ...

    def actions(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame | None:
        """Return corporate actions with an ex-date in the window; None where the venue tells none."""
        ...


class SeriesVenue(Protocol):
    """A publisher of series."""

    @property
    def name(self) -> str:
        """What rows say under ``source``."""
        ...

    def observations(self, series: str, start: datetime, end: datetime) -> VenueSeries:
        """Return every vintage of the periods with ``start <= ts < end``.

        Raises
        ------
        SourceError
            As `BarVenue.bars`.
        """
        ...
