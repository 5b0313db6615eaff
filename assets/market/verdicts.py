"""The verdicts on stored market rows: which blocking checks they pass, judged by calendar, clocks and rules.

What a materialisation shows beside them is the business of `reports`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from assets import checks
from assets.market.actions import known_splits
from assets.market.ingest import BAR_TABLES
from assets.market.instruments import known_before_bounds, known_instruments
from warehouse.table import RECORDED_AT
from warehouse.tables import MACRO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import dagster as dg
    import polars as pl

    from assets.market.ingest import Ingested, Timeframe
    from pipeline.config.instruments import Instrument
    from pipeline.config.load import Loaded
    from pipeline.market.findings import Finding
    from resources.market.port import MarketSource
    from warehouse.store import Warehouse

GRACE = timedelta(hours=48)
"""How long the next expected bar may be overdue before a series counts as stale."""


def bar_verdicts(
    timeframe: Timeframe,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    settings: Loaded,
) -> list[dg.AssetCheckResult]:
    """Judge the bars that are stored for a window now, each by the history before it."""
    import polars as pl

    from pipeline.market.series_rules import LOOK_BACK, series_findings

    table = BAR_TABLES[timeframe]
    start, end = window
    seen = warehouse.as_of(
        table,
        where={"feed": market.feed},
        columns=(*table.readable, RECORDED_AT),
        start=start - LOOK_BACK,
        end=end,
    )
    stored = seen.filter(pl.col("ts") >= start)
    present = dict(stored.group_by("symbol").len().iter_rows())
    limits = settings.settings.system.checks
    instruments = known_instruments(warehouse, market.feed, settings.settings.instruments)
    overdue = _overdue(timeframe, market, warehouse, now, instruments)
    judged = series_findings(seen, splits=known_splits(seen, market.feed, warehouse))
    doubts = [*_ahead(stored, now), *_implausible(done, judged, start)]
    return [
        checks.all_read(done.findings),
        checks.gaps(done.findings, present, limits.max_missing_share),
        checks.duplicates(warehouse.duplicates(table)),
        checks.ohlc_order(stored),
        checks.no_nan(stored, ("open", "high", "low", "close")),
        checks.fresh(overdue, up_to_date=market.history.end is None and end > now and not limits.allow_stale),
        checks.known_in_time(_too_early(timeframe, stored, instruments)),
        checks.plausible(doubts, limits.accepted),
    ]


def macro_verdicts(
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    settings: Loaded,
) -> list[dg.AssetCheckResult]:
    """Judge the macro observations that are stored for a window now, each by the history before it."""
    import polars as pl

    from pipeline.market.macro_rules import macro_findings
    from pipeline.market.series_rules import LOOK_BACK

    start, end = window
    seen = warehouse.as_of(
        MACRO,
        where={"feed": market.feed},
        columns=(*MACRO.readable, RECORDED_AT),
        start=start - LOOK_BACK,
        end=end,
    )
    stored = seen.filter(pl.col("ts") >= start)
    doubts = _implausible(done, macro_findings(seen), start)
    return [
        checks.all_read(done.findings),
        checks.duplicates(warehouse.duplicates(MACRO)),
        checks.no_nan(stored, ("value",)),
        checks.known_in_time(_unlikely_publications(stored)),
        checks.plausible(doubts, settings.settings.system.checks.accepted),
    ]


def _ahead(stored: pl.DataFrame, now: datetime) -> list[Finding]:
    """Return what is known later than now: the clock has gone back, or ran ahead when it was stored."""
    import polars as pl

    from pipeline.market.findings import Finding, Severity

    ahead = stored.filter(pl.col("known_at") > now).group_by("symbol").agg(pl.col("ts").min(), pl.len())
    reason = f"stored bars are known only after now, {now:%Y-%m-%dT%H:%M:%SZ}: a clock is wrong"
    return [
        Finding("future", Severity.ERROR, symbol, ts, reason, count=count)
        for symbol, ts, count in ahead.sort("symbol").iter_rows()
    ]


def _implausible(done: Ingested, judged: Sequence[Finding], start: datetime) -> list[Finding]:
    """Return what reaches into the window of what is stored, and what the update said of whole symbols."""
    from pipeline.market.set_aside import WHOLE_RULES

    told = [finding for finding in done.findings if finding.rule in WHOLE_RULES]
    return [*told, *(f for f in judged if (f.last or f.ts or start) >= start)]


def _overdue(
    timeframe: Timeframe,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    instruments: Mapping[str, Instrument],
) -> dict[str, float]:
    """Return, by symbol, the hours beyond the grace by which its next expected bar is overdue."""
    import numpy as np
    import polars as pl

    from pipeline.calendar.grid import to_time64
    from resources.market.checked import expected_bars, when_known
    from resources.market.port import Window

    horizon = market.history.until(now)
    coverage = warehouse.query("coverage", feed=market.feed).filter(pl.col("timeframe") == timeframe)
    late: dict[str, float] = {}
    for symbol, last in coverage.select("symbol", "last").iter_rows():
        instrument = instruments[symbol]
        after = Window(last + timedelta(microseconds=1))
        due = expected_bars(instrument, timeframe, after, now=horizon)
        if due.height:
            ts, close_at = (due[name].dt.replace_time_zone(None).to_numpy() for name in ("ts", "close_at"))
            first = when_known(instrument, timeframe, ts, close_at, None).min()
            overdue = (to_time64(horizon) - first) / np.timedelta64(1, "h") - GRACE / timedelta(hours=1)
            late[symbol] = max(0.0, float(overdue))
    return late


def _unlikely_publications(stored: pl.DataFrame) -> int:
    """Count macro values known before anybody could have published them, or after they were stored."""
    from pipeline.calendar.bounds import known_after_stored, known_too_early

    return known_too_early(stored, "observation").height + known_after_stored(stored).height


def _too_early(timeframe: Timeframe, stored: pl.DataFrame, instruments: Mapping[str, Instrument]) -> int:
    """Count bars known earlier than New York's wall clock allows, or later than they were stored."""
    from pipeline.calendar.bounds import known_after_stored

    return known_before_bounds(stored, timeframe, instruments).height + known_after_stored(stored).height
