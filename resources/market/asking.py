"""Asks the venues of a symbol in order of preference, and keeps an answer for the other timeframe.

What a failure means for a source is `live`'s business; here it is only carried: which venue, and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import BellsError, ConfigError, SourceError
from resources.market.port import Timeframe, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.market.findings import Finding
    from resources.market.live_settings import VenueSettings
    from resources.venues.port import BarVenue, Length

KEPT_FOR = timedelta(hours=1)
"""How long an answer serves the other timeframe: one update makes both of the same rows."""


@dataclass(frozen=True)
class Answer:
    """What one venue had for one symbol.

    Parameters
    ----------
    rows
        `venue_bar_schema` with ``source`` and ``adjustment``.
    windows, reached
        What was asked for, and what of it lies within the venue's reach.
    venue
        Its name.
    closed_by
        The earlier of our clock and the venue's: a bar that closes later is still forming.
    at
        When it was asked.
    findings
        What the adapter had to say.
    failures
        Venues asked before it, each with its reason.
    """

    rows: pl.DataFrame
    windows: tuple[Window, ...]
    reached: tuple[Window, ...]
    venue: str
    closed_by: datetime
    at: datetime
    findings: tuple[Finding, ...] = ()
    failures: tuple[tuple[str, BellsError], ...] = ()


class NotHadError(SourceError):
    """No venue of a symbol delivered; ``failures`` has each venue's reason."""

    failures: tuple[tuple[str, BellsError], ...] = ()


@dataclass
class Asker:
    """Asks for bars, each stretch once for both timeframes.

    Parameters
    ----------
    venues
        The settings by name.
    venue_of
        Opens the adapter of that name, once.
    """

    venues: Mapping[str, VenueSettings]
    venue_of: Callable[[str], BarVenue]
    _shelf: dict[tuple[str, Length], tuple[Timeframe, Answer]] = field(default_factory=dict, init=False)

    def ask(
        self,
        symbol: str,
        length: Length,
        windows: Sequence[Window],
        *,
        names: Sequence[str],
        by: Timeframe,
        now: datetime,
    ) -> Answer:
        """Return the answer of the first venue that has one.

        Parameters
        ----------
        symbol, length, windows
            Whose bars, how long, and for which stretches of ``open_at``.
        names
            Venues in order of preference.
        by
            Who asks: an answer given to one timeframe serves the other one once.
        now
            Our clock.

        Raises
        ------
        NotHadError
            When none of them delivered; from the failure that a later try may mend, if there is one.
        """
        shelved = self._shelf.pop((symbol, length), None)
        if shelved is not None and shelved[0] != by:
            kept = shelved[1]
            if now - kept.at < KEPT_FOR and all(_covered(window, kept) for window in windows):
                return kept
        failures: list[tuple[str, BellsError]] = []
        for name in names:
            try:
                answer = self._of(name, symbol, length, windows, now=now, failures=tuple(failures))
            except BellsError as error:
                failures.append((name, error))
                continue
            self._shelf[symbol, length] = (by, answer)
            return answer
        raise not_had(symbol, failures) from _passing_first(failures)

    def _of(
        self,
        name: str,
        symbol: str,
        length: Length,
        windows: Sequence[Window],
        *,
        now: datetime,
        failures: tuple[tuple[str, BellsError], ...],
    ) -> Answer:
        import polars as pl

        from resources.venues.port import venue_bar_schema

        venue = self.venue_of(name)
        if length not in venue.lengths:
            raise SourceError(
                f"{name} has no bars of {length}",
                field="length",
                value=length,
                constraint=f"one of {', '.join(venue.lengths)}",
                fix=f"choose a length that all venues of {symbol} have",
            )
        schema = venue_bar_schema()
        parts = [pl.DataFrame(schema={**schema, "source": pl.String(), "adjustment": pl.String()})]
        findings: list[Finding] = []
        closed_by = now
        reached = tuple(within_reach(windows, self.venues[name].reach_days.get(length), now))
        for window in reached:
            got = venue.bars(symbol, length, window.start, min(window.until(now), now))
            labels = (pl.lit(got.source).alias("source"), pl.lit(got.adjustment).alias("adjustment"))
            parts.append(got.rows.select(list(schema)).cast(dict(schema)).with_columns(labels))
            findings.extend(got.findings)
            if got.server_time is not None:
                closed_by = min(closed_by, got.server_time)
        return Answer(
            pl.concat(parts), tuple(windows), reached, name, closed_by, now, tuple(findings), failures
        )


def within_reach(windows: Sequence[Window], days: int | None, now: datetime) -> Iterator[Window]:
    """Yield the parts of the windows that begin before now and at most so many days ago, on whole days."""
    windows = [window for window in windows if window.start < now]
    if days is None:
        yield from windows
        return
    oldest = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    for window in windows:
        if window.until(now) > oldest:
            yield Window(max(window.start, oldest), window.end)


def not_had(what: str, failures: Sequence[tuple[str, BellsError]]) -> NotHadError:
    """Return the error that carries every venue's reason."""
    reasons = "; ".join(f"{name}: {error}" for name, error in failures)
    told = NotHadError(
        f"{what} could not be had: {reasons}", field=what, value=[name for name, _ in failures]
    )
    told.failures = tuple(failures)
    return told


def require_one(failures: Sequence[NotHadError], feed: str) -> None:
    """Raise what it means that nobody was had.

    Raises
    ------
    ConfigError
        The first one, when all of them are about settings.
    SourceError
        Otherwise, from a failure that a later try may mend, if there is one.
    """
    every = [pair for failure in failures for pair in failure.failures]
    first = every[0][1]
    if all(isinstance(error, ConfigError) for _name, error in every):
        raise first
    raise SourceError(
        f"not one symbol or series of {feed} could be had: {failures[0].what}",
        field=feed,
        value=len(failures),
        constraint="at least one",
        fix="try again later; what is stored stays, and `--allow-stale` goes on with it",
    ) from _passing_first(every)


def _passing_first(failures: Sequence[tuple[str, BellsError]]) -> BellsError:
    """Return a failure whose chain says that it may pass; else the first one."""
    for _name, error in failures:
        link: BaseException | None = error
        while link is not None:
            if isinstance(link, (ConnectionError, TimeoutError)):
                return error
            link = link.__cause__
    return failures[0][1]


def _covered(window: Window, by: Answer) -> bool:
    """Say whether an answer holds all that there was of a window when it was given."""
    end = min(window.until(by.at), by.at)
    return any(one.start <= window.start and end <= one.until(by.at) for one in by.windows)
