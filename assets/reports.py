"""What a market materialisation shows: row counts that plot, gaps, a picture, and its blocking checks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import describe_months, markdown_table, numbers, picture, rows_by_month
from assets.ingest import BAR_TABLES
from warehouse.tables import MACRO, TRUTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from assets.ingest import Ingested, Timeframe
    from pipeline.config.load import Loaded
    from pipeline.market.findings import Finding
    from resources.market.port import MarketSource
    from warehouse.store import Warehouse

MOST_ROWS_SHOWN = 30
GRACE = timedelta(hours=48)
"""How long the next expected bar may be overdue before a series counts as stale."""


def bars_result(
    context: dg.AssetExecutionContext,
    timeframe: Timeframe,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    settings: Loaded,
) -> dg.MaterializeResult:
    """Report an update of bars and judge what is stored now."""
    import polars as pl

    from pipeline.market.pictures import price_lines

    table = BAR_TABLES[timeframe]
    stored = warehouse.as_of(table, where={"feed": market.feed}, start=window[0], end=window[1])
    per_symbol = stored.group_by("symbol").agg(
        pl.len().alias("rows"), pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")
    )
    shown = {
        "symbols": markdown_table(per_symbol.sort("symbol").to_dicts()),
        "gaps": markdown_table(_gap_rows(done)),
        "picture": picture(price_lines(stored, f"{table.full_name}, feed {market.feed}"), "prices"),
    }
    describe_months(context, rows_by_month(stored), shown)
    return dg.MaterializeResult(
        metadata={**_counts(done, stored.height), "simulated": market.simulated},
        check_results=bar_verdicts(
            timeframe, done, window, market=market, warehouse=warehouse, now=now, settings=settings
        ),
    )


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
    seen = warehouse.as_of(table, where={"feed": market.feed}, start=start - LOOK_BACK, end=end)
    stored = seen.filter(pl.col("ts") >= start)
    limits = settings.settings.system.checks
    overdue = _overdue(timeframe, market, warehouse, now, settings)
    doubts = [*_ahead(stored, now), *_implausible(done, series_findings(seen), start)]
    return [
        checks.all_read(done.findings),
        checks.gaps(done.findings, stored.height, limits.max_missing_share),
        checks.duplicates(warehouse.duplicates(table)),
        checks.ohlc_order(stored),
        checks.no_nan(stored, ("open", "high", "low", "close")),
        checks.fresh(overdue, up_to_date=market.history.end is None and end > now and not limits.allow_stale),
        checks.known_in_time(_too_early(timeframe, stored, settings)),
        checks.plausible(doubts, limits.accepted),
    ]


def macro_result(
    context: dg.AssetExecutionContext,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    settings: Loaded,
) -> dg.MaterializeResult:
    """Report an update of macro series and judge what is stored now."""
    import polars as pl

    from pipeline.market.macro_rules import macro_findings
    from pipeline.market.pictures import series_lines
    from pipeline.market.series_rules import LOOK_BACK

    start, end = window
    seen = warehouse.as_of(MACRO, where={"feed": market.feed}, start=start - LOOK_BACK, end=end)
    stored = seen.filter(pl.col("ts") >= start)
    per_series = stored.group_by("series").agg(
        pl.len().alias("rows"),
        pl.col("ts").max().alias("last"),
        pl.col("known_at").max().alias("known"),
        pl.col("vintage").first(),
    )
    drawing = series_lines(stored, f"{MACRO.full_name}, feed {market.feed}")
    shown = {
        "series": markdown_table(per_series.sort("series").to_dicts()),
        "picture": picture(drawing, "macro series"),
    }
    describe_months(context, rows_by_month(stored), shown)
    return dg.MaterializeResult(
        metadata={**_counts(done, stored.height), "simulated": market.simulated},
        check_results=[
            checks.all_read(done.findings),
            checks.duplicates(warehouse.duplicates(MACRO)),
            checks.no_nan(stored, ("value",)),
            checks.known_in_time(checks.known_before(stored, "ts")),
            checks.plausible(
                _implausible(done, macro_findings(seen), start), settings.settings.system.checks.accepted
            ),
        ],
    )


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


def truth_result(
    context: dg.AssetExecutionContext,
    done: Ingested,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
) -> dg.MaterializeResult:
    """Report the planted regimes."""
    from pipeline.market.pictures import regime_strips

    stored = warehouse.as_of(TRUTH, where={"feed": market.feed}, start=window[0], end=window[1])
    shown = {"picture": picture(regime_strips(stored, "planted regimes"), "regimes")} if stored.height else {}
    describe_months(context, rows_by_month(stored), shown)
    return dg.MaterializeResult(
        metadata={**_counts(done, stored.height), "simulated": market.simulated},
        check_results=[checks.duplicates(warehouse.duplicates(TRUTH))],
    )


def _counts(done: Ingested, stored: int) -> dict[str, float]:
    return {
        "dagster/row_count": stored,
        **numbers(
            {
                "fetched": done.fetched,
                "inserted": done.inserted,
                "revised": done.revised,
                "unchanged": done.unchanged,
                "quarantined": done.quarantined,
            }
        ),
    }


def _gap_rows(done: Ingested) -> list[dict[str, object]]:
    found = [finding for finding in done.findings if finding.rule == "gap"]
    rows: list[dict[str, object]] = [
        {"symbol": f.symbol, "first": f.ts, "last": f.last, "missing": f.count} for f in found
    ]
    if len(rows) > MOST_ROWS_SHOWN:
        rest = sum(f.count for f in found[MOST_ROWS_SHOWN:])
        more: dict[str, object] = {
            "symbol": f"{len(rows) - MOST_ROWS_SHOWN} more",
            "first": None,
            "last": None,
            "missing": rest,
        }
        return [*rows[:MOST_ROWS_SHOWN], more]
    return rows


def _overdue(
    timeframe: Timeframe, market: MarketSource, warehouse: Warehouse, now: datetime, settings: Loaded
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
        instrument = settings.settings.instruments[symbol]
        after = Window(last + timedelta(microseconds=1))
        due = expected_bars(instrument, timeframe, after, now=horizon)
        if due.height:
            ts, close_at = (due[name].dt.replace_time_zone(None).to_numpy() for name in ("ts", "close_at"))
            first = when_known(instrument, timeframe, ts, close_at, None).min()
            overdue = (to_time64(horizon) - first) / np.timedelta64(1, "h") - GRACE / timedelta(hours=1)
            late[symbol] = max(0.0, float(overdue))
    return late


def _too_early(timeframe: Timeframe, stored: pl.DataFrame, settings: Loaded) -> int:
    """Count bars that claim to be known before New York's wall clock allows, apart from every calendar."""
    from pipeline.calendar.bounds import known_too_early
    from resources.market.checked import daily_rule

    count = 0
    for (symbol,), rows in stored.select("symbol", "ts", "known_at").group_by("symbol"):
        instrument = settings.settings.instruments[str(symbol)]
        around_the_clock = instrument.calendar == "24/7"
        cell = "cell" if around_the_clock else "cell_new_york"
        count += known_too_early(rows, cell if timeframe == "h4" else daily_rule(instrument)).height
    return count
