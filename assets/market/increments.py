"""Asking a source for what is not stored yet: what is missing, and a few newest bars again.

The bars that come again are compared with the stored ones.  Where they differ, as after a split, the whole
history of that symbol is asked for and becomes new versions, or nothing of it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import SourceError
from resources.market.port import Fetched, Window
from warehouse.tables import MACRO

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.market.findings import Finding
    from resources.market.port import IncrementalSource, Timeframe
    from warehouse.store import Warehouse
    from warehouse.table import Table

OVERLAP = 5
"""Newest stored bars that are asked for again."""
MOST_GAPS = 20
"""Stretches missing inside the history that one update asks for again, by symbol; the newest ones."""
LONGEST_PERIOD = timedelta(days=100)
"""A series that begins later than this after the window's start is asked for from there again."""
REVISED_FOR = timedelta(days=365)
"""How far back before its newest period a macro series is asked for again, because values are revised."""
MOMENT = timedelta(microseconds=1)
_COLUMNS = ("symbol", "ts", "close", "venue", "covered_minutes", "state")


@dataclass(frozen=True)
class Plan:
    """What to ask for.

    Parameters
    ----------
    asked
        Windows of labels by symbol.
    left
        Missing stretches that are not asked for this time: symbol, first and last label, how many.
    """

    asked: Mapping[str, Sequence[Window]]
    left: tuple[tuple[str, datetime, datetime, int], ...] = ()


def fetch_bars(
    source: IncrementalSource,
    table: Table,
    timeframe: Timeframe,
    window: tuple[datetime, datetime],
    *,
    warehouse: Warehouse,
    now: datetime,
    allow_stale: bool,
) -> Fetched:
    """Fetch what the window lacks of each symbol, and its newest stored bars again.

    Parameters
    ----------
    source
        Who is asked.
    table, timeframe, window
        Where the bars go, what they are, and for which labels, end exclusive.
    allow_stale
        Whether a symbol that could not be had, but is stored, is a warning and no error.

    Raises
    ------
    SourceError
        When nobody could be had, unless ``allow_stale`` and something is stored.
    """
    import polars as pl

    from pipeline.market.bars import BarState

    stored = _stored(table, _COLUMNS, source.feed, warehouse)
    first, last = max(window[0], source.history.start), min(window[1], source.history.until(window[1]))
    if last <= first:
        return _nothing(table)
    expected = source.expected(timeframe, first, last, now=now)
    real = stored.filter(pl.col("state") != BarState.IMPUTED)  # what was made up is asked for again
    plan = plan_bars(real, expected, Window(first, last))
    held = set(stored["symbol"].unique())
    if not plan.asked:
        return replace(_nothing(table), findings=_left(plan))
    try:
        fetched = source.bars(timeframe, *window, now=now, asked=plan.asked)
    except SourceError as error:
        if not (allow_stale and held):
            raise
        lost = tuple(_unreachable(symbol, error.what) for symbol in plan.asked)
        return replace(_nothing(table), findings=lenient(lost, held))
    fetched = _from_one_venue(stored, fetched)
    fetched = _with_own_bar(source, timeframe, stored, fetched, now=now)
    fetched = _refreshed(source, timeframe, stored, fetched, now=now)
    known = _without_leading_gaps(stored, fetched, plan.asked, reaches_now=window[1] >= now)
    findings = (*known.findings, *_left(plan))
    return replace(known, findings=lenient(findings, held) if allow_stale else findings)


def fetch_macro(
    source: IncrementalSource,
    window: tuple[datetime, datetime],
    *,
    warehouse: Warehouse,
    now: datetime,
    allow_stale: bool,
) -> Fetched:
    """Fetch the observations that the window lacks, and those of the last year again: they are revised.

    Raises
    ------
    SourceError
        As `fetch_bars`.
    """
    stored = _stored(MACRO, ("series", "ts"), source.feed, warehouse)
    held = set(stored["series"].unique())
    asked = {name: windows for name in source.series() if (windows := plan_series(stored, name, window))}
    if not asked:
        return _nothing(MACRO)
    try:
        fetched = source.macro(*window, now=now, asked=asked)
    except SourceError as error:
        if not (allow_stale and held):
            raise
        lost = tuple(_unreachable(name, error.what) for name in asked)
        return replace(_nothing(MACRO), findings=lenient(lost, held))
    return replace(fetched, findings=lenient(fetched.findings, held)) if allow_stale else fetched


def plan_bars(stored: pl.DataFrame, expected: Mapping[str, pl.DataFrame], window: Window) -> Plan:
    """Return what to ask for of each symbol.

    Parameters
    ----------
    stored
        All bars of the feed: ``symbol, ts, state``; those that are not final are asked for again.
    expected
        Per symbol ``ts`` of the bars that its calendar expects in the window.
    window
        Labels of this update.
    """
    import polars as pl

    asked: dict[str, Sequence[Window]] = {}
    left: list[tuple[str, datetime, datetime, int]] = []
    for symbol, calendar in expected.items():
        bars = stored.filter(pl.col("symbol") == symbol)
        have, final = bars["ts"].sort(), bars.filter(pl.col("state") == "final")["ts"]
        labels = calendar["ts"].sort()
        if have.is_empty():
            if labels.len():
                asked[symbol] = [window]
            continue
        newest = have.to_list()[-1]
        runs = _runs(labels.filter(labels < newest), final)
        again = runs[-MOST_GAPS:]
        left += [(symbol, *run) for run in runs[:-MOST_GAPS]]
        windows = [Window(first, last + MOMENT) for first, last, _count in again]
        if window.end is None or newest < window.end:
            oldest = have.tail(OVERLAP).to_list()[0]
            if newest < window.start:
                windows += [Window(oldest, newest + MOMENT), window]
            else:
                windows = [w for w in windows if w.start < oldest] + [Window(oldest, window.end)]
        if windows:
            asked[symbol] = windows
    return Plan(asked, tuple(left))


def plan_series(stored: pl.DataFrame, name: str, window: tuple[datetime, datetime]) -> list[Window]:
    """Return the windows of periods to ask for of one series; ``stored`` has ``series, ts``."""
    import polars as pl

    start, end = window
    have = stored.filter(pl.col("series") == name)["ts"].sort()
    inside = have.filter(have.is_between(start, end, closed="left"))
    if have.is_empty():
        return [Window(start, end)]
    oldest, newest = have.to_list()[0], have.to_list()[-1]
    if newest < end and oldest - start > LONGEST_PERIOD:
        return [Window(start, end)]
    if newest < end:
        return [Window(min(newest - REVISED_FOR, end - MOMENT), end)]
    return [Window(start, end)] if inside.is_empty() else []


def _runs(labels: pl.Series, have: pl.Series) -> list[tuple[datetime, datetime, int]]:
    """Return the runs of labels that are not there, oldest first: first, last, how many."""
    import polars as pl

    frame = labels.to_frame("ts").with_columns(there=pl.col("ts").is_in(have.implode()))
    runs = frame.with_columns(run=pl.col("there").cum_sum()).filter(~pl.col("there"))
    found = runs.group_by("run", maintain_order=True).agg(
        first=pl.col("ts").min(), last=pl.col("ts").max(), count=pl.len()
    )
    return list(found.select("first", "last", "count").iter_rows())


def _stored(table: Table, columns: Sequence[str], feed: str, warehouse: Warehouse) -> pl.DataFrame:
    import polars as pl

    if not warehouse.path.exists():
        texts = ("symbol", "series", "venue", "state")
        kinds = {"ts": pl.Datetime("us", "UTC"), "close": pl.Float64(), "covered_minutes": pl.Int32()}
        return pl.DataFrame(schema={c: pl.String() if c in texts else kinds[c] for c in columns})
    warehouse.migrate()
    return warehouse.as_of(table, where={"feed": feed}, columns=columns)


def _from_one_venue(stored: pl.DataFrame, fetched: Fetched) -> Fetched:
    """Leave out bars that another venue has delivered before: its prices correct no final bar."""
    import polars as pl

    from pipeline.market.findings import Finding, Severity

    was = stored.filter(pl.col("state") == "final").select("symbol", "ts", was="venue")
    joined = fetched.frame.join(was, on=["symbol", "ts"], how="left", maintain_order="left")
    other = (pl.col("was") != pl.col("venue")).fill_null(value=False)
    left_out = joined.filter(other).group_by("symbol", "was", "venue").agg(pl.col("ts").min(), pl.len())
    findings = [
        Finding("other_venue", Severity.INFO, symbol, ts, f"{was} delivered before {now}; kept", count=count)
        for symbol, was, now, ts, count in left_out.sort("symbol").iter_rows()
    ]
    kept = joined.filter(~other).select(fetched.frame.columns)
    return replace(fetched, frame=kept, findings=(*fetched.findings, *findings))


def _with_own_bar(
    source: IncrementalSource, timeframe: Timeframe, stored: pl.DataFrame, fetched: Fetched, *, now: datetime
) -> Fetched:
    """Ask a venue again for the newest of its own stored bars where nothing that it delivered is stored.

    So a split shows too when another venue stood in on its day, or when only old gaps were asked for.  Where
    the bar is not to be had any more, that is told.
    """
    import polars as pl

    from pipeline.market.findings import Finding, Severity

    final = stored.filter(pl.col("state") == "final").select("symbol", "venue", "ts")
    came = fetched.frame.select("symbol", "venue", "ts")
    unseen = came.join(came.join(final, on=came.columns, how="semi"), on=["symbol", "venue"], how="anti")
    own = (
        final.join(unseen, on=["symbol", "venue"], how="semi")
        .group_by("symbol", "venue")
        .agg(pl.col("ts").max())
    )
    for symbol, venue, ts in own.sort("symbol").iter_rows():
        try:
            asked = {symbol: [Window(ts, ts + MOMENT)]}
            again = source.bars(timeframe, ts, ts + MOMENT, now=now, asked=asked).frame
            why = f"{venue} did not have it"
        except SourceError as error:
            again, why = fetched.frame.clear(), error.what
        same = again.filter(pl.col("venue") == venue)
        fetched = replace(fetched, frame=pl.concat([fetched.frame, same]).sort("symbol", "ts"))
        if same.is_empty():
            told = f"the newest stored bar of {venue} could not be compared: {why}"
            missed = Finding("other_venue", Severity.WARN, symbol, ts, told)
            fetched = replace(fetched, findings=(*fetched.findings, missed))
    return fetched


def _refreshed(
    source: IncrementalSource, timeframe: Timeframe, stored: pl.DataFrame, fetched: Fetched, *, now: datetime
) -> Fetched:
    """Replace what was fetched of a restated symbol by its whole history, or by nothing."""
    import polars as pl

    from pipeline.market.findings import Finding, Severity
    from pipeline.market.restated import restated

    for symbol, change in sorted(restated(stored, fetched.frame).items()):
        of_symbol = pl.col("symbol") == symbol
        mine = fetched.frame.filter(of_symbol)
        venue = mine["venue"].to_list()[-1]
        was = stored.filter(of_symbol)["ts"].sort().to_list()
        begin, end = was[0], max(was[-1], mine["ts"].sort().to_list()[-1]) + MOMENT
        rest = fetched.frame.filter(~of_symbol)
        try:
            whole = source.bars(timeframe, begin, end, now=now, asked={symbol: [Window(begin, end)]})
            rows, why = whole.frame.filter(pl.col("venue") == venue), f"{venue} did not have it"
        except SourceError as error:
            rows, why = mine.clear(), error.what
        if rows.is_empty():
            reason = f"{change}; its history stays as it is, since asking for all of it failed: {why}"
            fetched = replace(fetched, frame=rest, findings=(*fetched.findings, _unreachable(symbol, reason)))
            continue
        beyond = len(set(was) - set(rows["ts"].to_list()))
        told, severity = f"{change}; {rows.height} bars are new versions", Severity.WARN
        if beyond:
            told, severity = (
                f"{told}, {beyond} others could not be had and stay as they were",
                Severity.ERROR,
            )
        new = mine.join(rows, on=["symbol", "ts"], how="anti")
        fetched = replace(
            fetched,
            frame=pl.concat([rest, rows, new]).sort("symbol", "ts"),
            quarantined=pl.concat([fetched.quarantined, whole.quarantined]).unique(maintain_order=True),
            findings=(*fetched.findings, Finding("restated", severity, symbol, begin, told, was[-1])),
        )
    return fetched


def _without_leading_gaps(
    stored: pl.DataFrame, fetched: Fetched, asked: Collection[str], *, reaches_now: bool
) -> Fetched:
    """Leave out gaps before a symbol's first bar: what was not traded yet is not missing."""
    import polars as pl

    from pipeline.market.findings import Finding, Severity

    both = pl.concat([stored.select("symbol", "ts"), fetched.frame.select("symbol", "ts")])
    first = dict(both.group_by("symbol").agg(pl.col("ts").min()).iter_rows())
    told = {finding.symbol for finding in fetched.findings if finding.rule == "unreachable"}
    kept = [
        finding
        for finding in fetched.findings
        if finding.rule != "gap"
        or (finding.ts is not None and finding.symbol in first and finding.ts >= first[finding.symbol])
    ]
    severity = Severity.ERROR if reaches_now else Severity.WARN
    kept += [
        Finding("no_bars", severity, symbol, None, f"no venue has a bar of {symbol} in this window")
        for symbol in sorted(set(asked) - set(first) - told)
    ]
    begins = pl.DataFrame(
        {"symbol": list(first), "begins": list(first.values())},
        schema={"symbol": pl.String(), "begins": pl.Datetime("us", "UTC")},
    )
    gaps = fetched.gaps.join(begins, on="symbol").filter(pl.col("first") >= pl.col("begins"))
    return replace(fetched, findings=tuple(kept), gaps=gaps.select(fetched.gaps.columns))


def _left(plan: Plan) -> tuple[Finding, ...]:
    from pipeline.market.findings import Finding, Severity

    return tuple(
        Finding("gap", Severity.WARN, symbol, first, f"{count} missing, not asked for again", last, count)
        for symbol, first, last, count in plan.left
    )


def _unreachable(name: str, reason: str) -> Finding:
    from pipeline.market.findings import Finding, Severity

    return Finding("unreachable", Severity.ERROR, name, None, reason)


def lenient(findings: Sequence[Finding], held: Collection[str | None]) -> tuple[Finding, ...]:
    """Make warnings of the findings about symbols that could not be had but are stored."""
    from pipeline.market.findings import Severity

    return tuple(
        replace(finding, severity=Severity.WARN, reason=f"{finding.reason}; what is stored is used")
        if finding.rule == "unreachable" and finding.symbol in held
        else finding
        for finding in findings
    )


def _nothing(table: Table) -> Fetched:
    from pipeline.market.bars import BAR_SCHEMA, GAP_SCHEMA, MACRO_SCHEMA, QUARANTINE_SCHEMA, empty

    columns = MACRO_SCHEMA if table is MACRO else BAR_SCHEMA
    return Fetched(empty(columns), empty(QUARANTINE_SCHEMA), (), empty(GAP_SCHEMA))
