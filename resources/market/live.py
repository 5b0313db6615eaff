"""The source that asks venues: one failure never stops the others, and whoever delivered is on every row.

Which venue for which symbol says a file of `live_settings`; how the venues speak is `resources.venues`.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from pipeline.errors import BellsError, ConfigError
from resources.market.asking import Answer, Asker, NotHadError, not_had, require_one
from resources.market.checked import checked_bars, expected_bars
from resources.market.coverage import set_aside_findings
from resources.market.live_settings import LiveSettings
from resources.market.port import Fetched, Timeframe, Window
from resources.market.windows import labels_in, reached_by, whole_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding
    from resources.market.live_settings import SeriesRows, SymbolBars, VenueSettings
    from resources.market.venue_rows import Made
    from resources.venues.port import BarVenue, SeriesVenue

    Open = Callable[[str, VenueSettings], BarVenue | SeriesVenue]
    Asked = Mapping[str, Sequence[Window]]

CODE_VERSION = "1"
"""Rises when the same answers of venues give other rows."""
WITHIN_SESSIONS = ("1m", "5m", "15m", "30m")
"""Lengths that cut a New York session without crossing a cell; an hour from 09:30 crosses noon."""


class LiveSource:
    """Bars and macro series asked of venues.

    Parameters
    ----------
    settings
        Which venue for what.
    instruments
        The instrument table.
    open_venue
        Makes the adapter of a venue; called once for each, when it is first asked.

    Raises
    ------
    ConfigError
        When a symbol has no instrument, or bars of such a length would cross the cells of its sessions.
    """

    simulated = False

    def __init__(
        self, settings: LiveSettings, instruments: Mapping[str, Instrument], open_venue: Open
    ) -> None:
        self._settings = settings
        self._table = instruments
        self._open = open_venue
        self._venues: dict[str, BarVenue | SeriesVenue] = {}
        self._asker = Asker(settings.venues, self._bar_venue)
        self.feed = settings.feed
        self.history = Window(settings.history.start, settings.history.end)
        named = settings.backtest
        self.backtest = self.history if named is None else Window(named.start, named.end)
        for symbol, entry in settings.bars.items():
            _require_sense(symbol, entry, instruments)

    @classmethod
    def from_yaml(
        cls, path: Path, *, instruments: Mapping[str, Instrument], root: Path, open_venue: Open
    ) -> LiveSource:
        """Build the source from its file; no venue is opened yet.

        Raises
        ------
        ConfigError
            When the file is missing or breaks a rule; names file, line, field and fix.
        """
        from resources.market.settings import read_settings

        return cls(read_settings(path, LiveSettings, root=root), instruments, open_venue)

    @cached_property
    def version(self) -> str:
        """Hash of the settings; what a venue answers may change all the same."""
        return sha256(f"{CODE_VERSION}\n{self._settings.model_dump_json()}".encode()).hexdigest()[:12]

    @property
    def incremental(self) -> LiveSource:
        """Itself: what is stored need not be asked for again."""
        return self

    def instruments(self) -> tuple[str, ...]:
        """Return the symbols of the file."""
        return tuple(sorted(self._settings.bars))

    def series(self) -> tuple[str, ...]:
        """Return our names of its macro series."""
        return tuple(sorted(entry.name or theirs for theirs, entry in self._settings.series.items()))

    def expected(
        self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime
    ) -> dict[str, pl.DataFrame]:
        """Return, per symbol with bars of the timeframe, what its calendar expects to be known at ``now``."""
        window = Window(start, end)
        return {
            symbol: self._expected(symbol, timeframe, window, now=now, venue=entry.venues[0])
            for symbol, entry in self._settings.bars.items()
            if _makes(entry, timeframe)
        }

    def bars(
        self,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        now: datetime,
        asked: Asked | None = None,
    ) -> Fetched:
        """Return the validated bars asked for, with ``start <= ts < end`` and known at ``now``.

        Findings: ``unreachable`` (error) for a symbol that no venue delivered, ``fallback`` (warn) where not
        the first one did, ``forming`` and ``outside_session`` (info) for rows left out.

        Raises
        ------
        SourceError
            When not one symbol could be had.
        ConfigError
            When that is so because of missing keys or the like.
        """
        import polars as pl

        from pipeline.market.bars import BAR_SCHEMA, QUARANTINE_SCHEMA, conform_bars, empty

        frames, aside, findings = [empty(BAR_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
        expected: dict[str, pl.DataFrame] = {}
        lost: list[NotHadError] = []
        wanted = self._wanted(timeframe, start, end, asked)
        for symbol, windows in wanted.items():
            entry, instrument = self._settings.bars[symbol], self._table[symbol]
            try:
                answer, made = self._made(entry, instrument, timeframe, windows, now)
            except NotHadError as error:
                lost.append(error)
                findings.append(_unreachable(symbol, error))
                continue
            findings += [*_fallback(symbol, answer), *answer.findings, *made.findings]
            frames.append(conform_bars(made.bars.filter(labels_in(windows), pl.col("known_at") <= now)))
            aside.append(made.quarantined)
            calendar = [
                self._expected(symbol, timeframe, window, now=now, venue=answer.venue)
                for window in reached_by(windows, answer)
            ]
            if calendar:
                expected[symbol] = pl.concat(calendar).unique("ts", maintain_order=True)
        if lost and len(lost) == len(wanted):
            require_one(lost, self.feed)
        set_aside = pl.concat(aside)
        return checked_bars(
            pl.concat(frames),
            timeframe=timeframe,
            expected=expected,
            now=now,
            beside=(set_aside, [*findings, *set_aside_findings(set_aside)]),
        )

    def macro(self, start: datetime, end: datetime, *, now: datetime, asked: Asked | None = None) -> Fetched:
        """Return the observations asked for, every vintage of them that was known at ``now``.

        Raises
        ------
        SourceError, ConfigError
            As `bars`.
        """
        import polars as pl

        from pipeline.market.bars import GAP_SCHEMA, MACRO_SCHEMA, QUARANTINE_SCHEMA, empty
        from resources.market.venue_series import observations

        frames, aside, findings = [empty(MACRO_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
        lost: list[NotHadError] = []
        wanted = 0
        for theirs, entry in self._settings.series.items():
            name = entry.name or theirs
            windows = [Window(start, end)] if asked is None else asked.get(name, ())
            wanted += bool(windows)
            for window in windows:
                try:
                    got = self._publisher(entry).observations(theirs, window.start, window.until(now))
                except BellsError as error:
                    lost.append(not_had(name, [(entry.venue, error)]))
                    findings.append(_unreachable(name, lost[-1]))
                    break
                rows, bad = observations(got, name, entry)
                frames.append(rows.filter(labels_in([window]), pl.col("known_at") <= now))
                aside.append(bad)
                findings.extend(got.findings)
        if lost and len(lost) == wanted:
            require_one(lost, self.feed)
        bad = pl.concat(aside)
        rows = pl.concat(frames).unique(maintain_order=True).sort("series", "ts", "known_at")
        return Fetched(rows, bad, (*findings, *set_aside_findings(bad)), empty(GAP_SCHEMA), vintaged=True)

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the splits and dividends of equities with an ex-date in the window, known at ``now``.

        Raises
        ------
        SourceError, ConfigError
            As `bars`.
        """
        import polars as pl

        from pipeline.market.actions import ACTION_SCHEMA
        from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty
        from resources.market.venue_actions import known_actions, told_actions

        frames, aside, findings = [empty(ACTION_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
        lost: list[NotHadError] = []
        asked = [s for s in self._settings.bars if self._table[s].asset_class == "equity"]
        for symbol in asked:
            names = self._settings.bars[symbol].venues
            told, venue, failures = told_actions(symbol, names, self._bar_venue, (start, end))
            if told is not None:
                rows, bad = known_actions(told, self._table[symbol], venue)
                frames.append(rows.filter(labels_in([Window(start, end)]), pl.col("known_at") <= now))
                aside.append(bad)
            elif failures:
                lost.append(not_had(symbol, failures))
                findings.append(_unreachable(symbol, lost[-1]))
        if lost and len(lost) == len(asked):
            require_one(lost, self.feed)
        bad = pl.concat(aside)
        rows = pl.concat(frames).sort("symbol", "ts", "kind")
        return Fetched(rows, bad, (*findings, *set_aside_findings(bad)), empty(GAP_SCHEMA))

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:  # noqa: ARG002 - the port
        """Return no rows: nothing is planted in markets."""
        import polars as pl

        from pipeline.market.bars import UTC_TIME

        times = {"ts": UTC_TIME, "known_at": UTC_TIME}
        columns = {"scope": pl.String, "label": pl.String, "simulated": pl.Boolean, **times}
        return pl.DataFrame(schema=columns).select("scope", "ts", "label", "simulated", "known_at")

    def _made(
        self,
        entry: SymbolBars,
        instrument: Instrument,
        timeframe: Timeframe,
        windows: Sequence[Window],
        now: datetime,
    ) -> tuple[Answer, Made]:
        from resources.market.venue_rows import made_days, made_h4, made_own_days

        own_days = timeframe == "daily" and entry.daily == "1d"
        length = "1d" if own_days or entry.length is None else entry.length
        answer = self._asker.ask(
            instrument.symbol,
            length,
            [whole_cells(window, timeframe) for window in windows],
            names=entry.venues,
            by=timeframe,
            now=now,
        )
        venue = self._settings.venues[answer.venue]
        if own_days:
            return answer, made_own_days(answer, instrument, venue.lag)
        h4 = made_h4(answer, instrument, length, self._lag(answer.venue))
        return answer, h4 if timeframe == "h4" else made_days(h4, instrument, answer)

    def _wanted(
        self, timeframe: Timeframe, start: datetime, end: datetime, asked: Asked | None
    ) -> dict[str, Sequence[Window]]:
        """Return the windows of each symbol that is asked for, inside the history."""
        first = max(start, self.history.start)
        last = end if self.history.end is None else min(end, self.history.end)
        if first >= last:
            return {}
        symbols = [s for s, entry in self._settings.bars.items() if _makes(entry, timeframe)]
        found = {s: [Window(first, last)] if asked is None else list(asked.get(s, ())) for s in symbols}
        return {symbol: windows for symbol, windows in found.items() if windows}

    def _expected(
        self, symbol: str, timeframe: Timeframe, window: Window, *, now: datetime, venue: str
    ) -> pl.DataFrame:
        lag = self._settings.venues[venue].lag
        if timeframe == "h4":
            lag = self._lag(venue)
        return expected_bars(self._table[symbol], timeframe, window, now=now, lag=lag)

    def _lag(self, venue: str) -> timedelta:
        """Return how long after its close a bar within a day is there."""
        from pipeline.calendar.known import OWN_LAG, VENDOR_LAG
        from resources.venues.registry import EXCHANGES

        settings = self._settings.venues[venue]
        if settings.lag is not None:
            return settings.lag
        return OWN_LAG if settings.kind in EXCHANGES else VENDOR_LAG

    def _bar_venue(self, name: str) -> BarVenue:
        return cast("BarVenue", self._venue(name, "bars"))

    def _publisher(self, entry: SeriesRows) -> SeriesVenue:
        return cast("SeriesVenue", self._venue(entry.venue, "observations"))

    def _venue(self, name: str, question: str) -> BarVenue | SeriesVenue:
        """Return the adapter, opened once, if it answers this kind of question."""
        if name not in self._venues:
            self._venues[name] = self._open(name, self._settings.venues[name])
        if not hasattr(self._venues[name], question):
            raise ConfigError(
                f"the venue has no {question}",
                field=f"venues.{name}.kind",
                value=self._settings.venues[name].kind,
                constraint=f"a kind that has {question}",
                fix="name it under bars or series, as it delivers",
            )
        return self._venues[name]


def _makes(entry: SymbolBars, timeframe: Timeframe) -> bool:
    return (entry.length if timeframe == "h4" else entry.daily) is not None


def _unreachable(name: str, error: NotHadError) -> Finding:
    from pipeline.market.findings import Finding, Severity

    return Finding("unreachable", Severity.ERROR, name, None, error.what)


def _fallback(symbol: str, answer: Answer) -> list[Finding]:
    from pipeline.market.findings import Finding, Severity

    if not answer.failures:
        return []
    why = "; ".join(f"{name} did not: {error.what}" for name, error in answer.failures)
    return [Finding("fallback", Severity.WARN, symbol, None, f"{answer.venue} delivered; {why}")]


def _require_sense(symbol: str, entry: SymbolBars, instruments: Mapping[str, Instrument]) -> None:
    instrument = instruments.get(symbol)
    if instrument is None:
        raise ConfigError(
            "a symbol of the source has no instrument",
            field=f"bars.{symbol}",
            value=symbol,
            constraint=f"one of {', '.join(sorted(instruments))}",
            fix="add it to configs/base/instruments.yaml",
        )
    if instrument.calendar != "24/7" and entry.length not in (None, *WITHIN_SESSIONS):
        raise ConfigError(
            "bars of this length cross the cells of its sessions",
            field=f"bars.{symbol}.length",
            value=entry.length,
            constraint=f"one of {', '.join(WITHIN_SESSIONS)}",
            fix="write length: 30m",
        )
