"""The market source port: what every source of bars and macro series offers, and what it hands over.

One idea: a source answers for a window of labels and an instant ``now``; whatever was not known at ``now`` is
not in the answer, whatever broke a rule is beside it with the reason.  Adapters live in modules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pipeline.errors import TimestampError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.market.findings import Finding

Timeframe = Literal["h4", "daily"]
TIMEFRAMES: tuple[Timeframe, ...] = ("h4", "daily")


@dataclass(frozen=True)
class Window:
    """A half-open stretch of time, ``start <= label < end``.

    Parameters
    ----------
    start
        First label.
    end
        First label after it; None means up to now.

    Raises
    ------
    TimestampError
        When a bound has no time zone or the end does not come after the start.
    """

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        for name, at in (("start", self.start), ("end", self.end)):
            if at is not None and at.utcoffset() is None:
                raise TimestampError(
                    "a bound without a time zone", field=name, value=at, fix="give it in UTC"
                )
        if self.end is not None and self.end <= self.start:
            raise TimestampError(
                "the window is empty", field="end", value=self.end, constraint=f"end > start {self.start}"
            )

    def until(self, now: datetime) -> datetime:
        """Return the end, or ``now`` where the window is open."""
        return now if self.end is None else self.end


@dataclass(frozen=True)
class Fetched:
    """What a source delivered for one window.

    Parameters
    ----------
    frame
        Clean rows in the columns of ``BAR_SCHEMA`` or ``MACRO_SCHEMA``, sorted by key.
    quarantined
        Rows set aside, in the columns of ``QUARANTINE_SCHEMA``.
    findings
        What validation and the adapter had to say, unreadable files included.
    gaps
        Runs of expected bars that are missing, in the columns of ``GAP_SCHEMA``.
    vintaged
        Whether rows that say ``as_published`` carry the true ``known_at`` of every revision, as a publisher
        with vintages gives it.  Otherwise a changed value is known no earlier than it is stored.
    """

    frame: pl.DataFrame
    quarantined: pl.DataFrame
    findings: Sequence[Finding]
    gaps: pl.DataFrame
    vintaged: bool = False


class MarketSource(Protocol):
    """One source of market data, simulated or real."""

    @property
    def feed(self) -> str:
        """Name of the source in every table."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether its rows are made up."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same call may answer differently: parameters, mapping."""
        ...

    @property
    def history(self) -> Window:
        """The stretch it covers, and an update brings in."""
        ...

    @property
    def backtest(self) -> Window:
        """The stretch that a backtest takes unless told otherwise."""
        ...

    @property
    def incremental(self) -> IncrementalSource | None:
        """The same source, where it saves work to ask for less; None where it holds everything itself."""
        ...

    def instruments(self) -> tuple[str, ...]:
        """Return the symbols that have bars of some timeframe."""
        ...

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the validated bars with ``start <= ts < end`` that were known at ``now``."""
        ...

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the macro observations with ``start <= ts < end`` that were known at ``now``."""
        ...

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the splits and dividends with an ex-date in the window that were known at ``now``.

        Columns of ``ACTION_SCHEMA``; no rows where the source tells none.
        """
        ...

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        """Return planted regimes: ``scope, ts, label, simulated, known_at``; else no rows."""
        ...


class IncrementalSource(MarketSource, Protocol):
    """A source that asks others for its rows, so that what is stored need not be asked for again.

    ``asked`` names the windows of labels by symbol (by series for macro); whoever is not in it is not asked
    for.  Without ``asked`` the source answers for everything in the window.
    """

    def bars(
        self,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        now: datetime,
        asked: Mapping[str, Sequence[Window]] | None = None,
    ) -> Fetched:
        """Return what was asked for of the bars with ``start <= ts < end`` that were known at ``now``.

        A symbol that could not be had is a finding ``unreachable``, and the others are delivered.

        Raises
        ------
        SourceError
            When not one of the symbols asked for could be had; a passing cause stays in its chain.
        """
        ...

    def macro(
        self,
        start: datetime,
        end: datetime,
        *,
        now: datetime,
        asked: Mapping[str, Sequence[Window]] | None = None,
    ) -> Fetched:
        """Return the observations asked for; findings and errors as `bars`."""
        ...

    def expected(
        self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime
    ) -> Mapping[str, pl.DataFrame]:
        """Return ``ts, open_at, close_at, minutes`` that the calendar of each symbol expects to be known."""
        ...

    def series(self) -> tuple[str, ...]:
        """Return the names of its macro series."""
        ...
