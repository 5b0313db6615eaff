"""What the warehouse holds of every series, judged by its calendar: coverage, gaps, age, validity."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from assets.market.ingest import Timeframe
    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding
    from resources.desk import Desk

MOMENT = timedelta(microseconds=1)


def coverage(desk: Desk, feed: str | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return one record for every feed, symbol and timeframe that is stored, and every gap.

    Each record has ``feed, symbol, timeframe, asset_class, rows, first, last, known_to, simulated``, how many
    ``gaps`` with how many ``missing`` bars lie inside, and the rows ``quarantined``.  Class and gaps are
    unknown where no calendar of ours applies (macro series).

    Raises
    ------
    DataError
        When there is no warehouse yet.
    """
    stored = desk.warehouse.query("coverage", feed=feed)
    aside = _quarantined(desk, feed)
    kinds = sorted({(row["feed"], row["timeframe"]) for row in stored.iter_rows(named=True)})
    gaps = {key: stored_gaps(desk, *key) for key in kinds if key[1] != "macro"}
    known = {name: instruments_of(desk, name) for name in {key[0] for key in kinds}}
    records = []
    for row in stored.iter_rows(named=True):
        key = (row["feed"], row["timeframe"])
        instrument = known[row["feed"]].get(row["symbol"]) if key in gaps else None
        judged = instrument is not None
        own = [gap for gap in gaps.get(key, ()) if gap["symbol"] == row["symbol"]]
        records.append(
            {
                "feed": row["feed"],
                "symbol": row["symbol"],
                "timeframe": row["timeframe"],
                "asset_class": None if instrument is None else str(instrument.asset_class),
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


def instruments_of(desk: Desk, feed: str) -> Mapping[str, Instrument]:
    """Return what the symbols of a feed are: our table, and what their source took the others for."""
    from assets.market.instruments import known_instruments

    return known_instruments(desk.warehouse, feed, desk.loaded.settings.instruments)


def stored_gaps(desk: Desk, feed: str, timeframe: Timeframe) -> list[dict[str, Any]]:
    """Return the runs of bars missing between the first and the last stored one of each symbol."""
    from assets.market.ingest import BAR_TABLES
    from assets.market.instruments import expected_of
    from pipeline.market.validation import all_gaps

    bars = desk.warehouse.as_of(BAR_TABLES[timeframe], where={"feed": feed}, columns=("symbol", "ts"))
    expected = expected_of(bars, timeframe, instruments_of(desk, feed))
    found = all_gaps(bars, timeframe, expected, desk.clock.now())
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


def revalidate(desk: Desk, feed: str, timeframe: Timeframe) -> tuple[int, list[dict[str, Any]]]:
    """Judge the stored bars of a feed by the rules a source's bars must keep, and their ``known_at``.

    Returns
    -------
    tuple
        How many bars, and the findings as records with ``dataset`` added.
    """
    import polars as pl

    from assets.market.actions import known_splits
    from assets.market.ingest import BAR_TABLES
    from assets.market.instruments import expected_of
    from pipeline.market.findings import Finding, Severity
    from pipeline.market.series_rules import unaccepted
    from pipeline.market.validation import validate_bars

    table = BAR_TABLES[timeframe]
    instruments = instruments_of(desk, feed)
    bars = desk.warehouse.as_of(table, where={"feed": feed})
    known = bars.filter(pl.col("symbol").is_in(list(instruments)))
    strangers = bars.filter(pl.col("symbol").is_in(list(instruments)).not_())["symbol"].unique().sort()
    done = validate_bars(
        known,
        timeframe=timeframe,
        expected=expected_of(known, timeframe, instruments),
        now=desk.clock.now(),
        allow_straddle=True,
        splits=known_splits(known, feed, desk.warehouse),
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
    instruments = instruments_of(desk, desk.market.feed)
    records = []
    for row in desk.warehouse.query("coverage", feed=desk.market.feed).iter_rows(named=True):
        instrument = instruments.get(row["symbol"])
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
    from assets.market.instruments import known_before_bounds
    from pipeline.market.findings import Finding, Severity

    findings = []
    early = known_before_bounds(bars, timeframe, instruments).sort("symbol", "ts")
    for (symbol,), rows in early.group_by("symbol", maintain_order=True):
        first = rows.row(0, named=True)
        reason = f"known_at {first['known_at']:%Y-%m-%d %H:%M} is too early by the wall clock"
        findings.append(
            Finding(
                "known_before_wall_clock",
                Severity.ERROR,
                str(symbol),
                first["ts"],
                reason,
                rows["ts"].to_list()[-1],
                rows.height,
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
