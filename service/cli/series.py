"""What the warehouse holds of every series, judged by its calendar: coverage, gaps, age, validity."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from assets.ingest import Timeframe
    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding
    from resources.desk import Desk

MOMENT = timedelta(microseconds=1)


def coverage(desk: Desk, feed: str | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return one record for every feed, symbol and timeframe that is stored, and every gap.

    Each record has ``feed, symbol, timeframe, rows, first, last, known_to, simulated``, how many ``gaps``
    with how many ``missing`` bars lie inside, and the rows ``quarantined``.  Gaps are unknown where no
    calendar of ours applies (macro series).

    Raises
    ------
    DataError
        When there is no warehouse yet.
    """
    stored = desk.warehouse.query("coverage", feed=feed)
    aside = _quarantined(desk, feed)
    kinds = sorted({(row["feed"], row["timeframe"]) for row in stored.iter_rows(named=True)})
    gaps = {key: stored_gaps(desk, *key) for key in kinds if key[1] != "macro"}
    records = []
    for row in stored.iter_rows(named=True):
        key = (row["feed"], row["timeframe"])
        judged = key in gaps and row["symbol"] in desk.loaded.settings.instruments
        own = [gap for gap in gaps.get(key, ()) if gap["symbol"] == row["symbol"]]
        records.append(
            {
                "feed": row["feed"],
                "symbol": row["symbol"],
                "timeframe": row["timeframe"],
                "rows": row["rows"],
                "first": row["first"],
                "last": row["last"],
                "known_to": row["last_known_at"],
                "simulated": row["simulated"],
                "gaps": len(own) if judged else None,
                "missing": sum(gap["missing"] for gap in own) if judged else None,
                "quarantined": aside.get((row["feed"], row["timeframe"], row["symbol"]), 0),
            }
        )
    return records, [gap for key in gaps for gap in gaps[key]]


def stored_gaps(desk: Desk, feed: str, timeframe: Timeframe) -> list[dict[str, Any]]:
    """Return the runs of bars missing between the first and the last stored one of each symbol."""
    import polars as pl

    from assets.ingest import BAR_TABLES
    from pipeline.market.validation import find_gaps

    bars = desk.warehouse.as_of(BAR_TABLES[timeframe], where={"feed": feed}, columns=("symbol", "ts"))
    expected = expected_of(bars, timeframe, desk.loaded.settings.instruments)
    now = desk.clock.now()
    parts = [find_gaps(bars, symbol, timeframe, frame, now) for symbol, frame in expected.items()]
    found = pl.concat(parts) if parts else pl.DataFrame()
    return [
        {
            "feed": feed,
            "symbol": row["symbol"],
            "timeframe": timeframe,
            "first": row["first"],
            "last": row["last"],
            "missing": row["count"],
        }
        for row in found.iter_rows(named=True)
    ]


def expected_of(
    bars: pl.DataFrame, timeframe: Timeframe, instruments: Mapping[str, Instrument]
) -> dict[str, pl.DataFrame]:
    """Return what each symbol's calendar expects between its first and last bar; only symbols we know."""
    import polars as pl

    from pipeline.calendar.sessions import expected_daily, expected_h4

    expect = {"h4": expected_h4, "daily": expected_daily}[timeframe]
    spans = bars.group_by("symbol").agg(first=pl.col("ts").min(), last=pl.col("ts").max()).sort("symbol")
    return {
        symbol: expect(instruments[symbol].calendar, first, last + MOMENT)
        for symbol, first, last in spans.iter_rows()
        if symbol in instruments
    }


def revalidate(desk: Desk, feed: str, timeframe: Timeframe) -> tuple[int, list[dict[str, Any]]]:
    """Judge the stored bars of a feed by the rules a source's bars must keep, and their ``known_at``.

    Returns
    -------
    tuple
        How many bars, and the findings as records with ``dataset`` added.
    """
    import polars as pl

    from assets.ingest import BAR_TABLES
    from pipeline.market.findings import Finding, Severity
    from pipeline.market.series_rules import unaccepted
    from pipeline.market.validation import validate_bars

    table = BAR_TABLES[timeframe]
    instruments = desk.loaded.settings.instruments
    bars = desk.warehouse.as_of(table, where={"feed": feed})
    known = bars.filter(pl.col("symbol").is_in(list(instruments)))
    strangers = bars.filter(pl.col("symbol").is_in(list(instruments)).not_())["symbol"].unique().sort()
    done = validate_bars(
        known,
        timeframe=timeframe,
        expected=expected_of(known, timeframe, instruments),
        now=desk.clock.now(),
        allow_straddle=True,
    )
    accepted = desk.loaded.settings.system.checks.accepted
    findings = [*unaccepted(done.findings, accepted), *_too_early(known, timeframe, instruments)]
    findings += [
        Finding("no_instrument", Severity.WARN, symbol, None, "not in instruments.yaml: no calendar")
        for symbol in strangers
    ]
    return bars.height, [{"dataset": table.full_name, **finding.to_dict()} for finding in findings]


def overdue(desk: Desk) -> list[dict[str, Any]]:
    """Return the age of each stored series of the configured feed against its calendar.

    Each record has ``feed, symbol, timeframe, last, due, late_hours, stale``: when the bar after the newest
    stored one closes, and by how much that has passed; a source with an end is judged at its end.
    """
    from pipeline.calendar.sessions import expected_daily, expected_h4
    from pipeline.calendar.stale import GRACE

    now = desk.clock.now()
    horizon = desk.market.history.until(now)
    records = []
    for row in desk.warehouse.query("coverage", feed=desk.market.feed).iter_rows(named=True):
        instrument = desk.loaded.settings.instruments.get(row["symbol"])
        due = None
        if instrument is not None and row["timeframe"] in ("h4", "daily"):
            expect = {"h4": expected_h4, "daily": expected_daily}[row["timeframe"]]
            after = row["last"] + MOMENT
            closes = expect(instrument.calendar, after, after + timedelta(days=10))["close_at"].to_list()
            due = closes[0] if closes else None
        late = None if due is None else max(0.0, (horizon - due).total_seconds() / 3600)
        records.append(
            {
                "feed": row["feed"],
                "symbol": row["symbol"],
                "timeframe": row["timeframe"],
                "last": row["last"],
                "due": due,
                "late_hours": None if late is None else round(late, 2),
                "stale": None if late is None else late > GRACE.total_seconds() / 3600,
            }
        )
    return records


def _too_early(
    bars: pl.DataFrame, timeframe: Timeframe, instruments: Mapping[str, Instrument]
) -> list[Finding]:
    from pipeline.calendar.bounds import known_too_early
    from pipeline.market.findings import Finding, Severity
    from resources.market.checked import daily_rule

    findings = []
    for (symbol,), rows in bars.select("symbol", "ts", "known_at").group_by("symbol"):
        instrument = instruments[str(symbol)]
        cell = "cell" if instrument.calendar == "24/7" else "cell_new_york"
        early = known_too_early(rows, cell if timeframe == "h4" else daily_rule(instrument)).sort("ts")
        if early.height:
            first = early.row(0, named=True)
            reason = f"known_at {first['known_at']:%Y-%m-%d %H:%M} is too early by the wall clock"
            findings.append(
                Finding(
                    "known_before_wall_clock",
                    Severity.ERROR,
                    str(symbol),
                    first["ts"],
                    reason,
                    early["ts"].to_list()[-1],
                    early.height,
                )
            )
    return findings


def _quarantined(desk: Desk, feed: str | None) -> dict[tuple[str, str, str], int]:
    """Count rows in quarantine by feed, timeframe and symbol."""
    counts: dict[tuple[str, str, str], int] = {}
    for row in desk.warehouse.query("quarantined", feed=feed).iter_rows(named=True):
        timeframe = row["dataset"].removeprefix("market.").removeprefix("ohlcv_")
        key = (row["feed"], timeframe, row["symbol"])
        counts[key] = counts.get(key, 0) + row["rows"]
    return counts
