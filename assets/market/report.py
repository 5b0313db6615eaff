"""What a market materialisation shows: row counts that plot, gaps, pictures, and its checks' verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import describe_months, markdown_table, numbers, picture, rows_by_month
from assets.market.coverage_report import coverage_shown
from assets.market.ingest import BAR_TABLES, told_nothing
from assets.market.instruments import known_instruments
from assets.market.verdicts import bar_verdicts, macro_verdicts
from warehouse.tables import MACRO, TRUTH

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import polars as pl

    from assets.market.ingest import Ingested, Timeframe
    from pipeline.config.load import Loaded
    from resources.market.port import MarketSource
    from warehouse.store import Warehouse

MOST_ROWS_SHOWN = 30
MOST_SYMBOLS_DRAWN = 12


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
    instruments = known_instruments(warehouse, market.feed, settings.settings.instruments)
    per_symbol = stored.group_by("symbol").agg(
        pl.len().alias("rows"), pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")
    )
    covered = coverage_shown(timeframe, market=market, warehouse=warehouse, instruments=instruments, now=now)
    drawn = _few(stored, settings.settings.instruments)
    of_all = f", {drawn['symbol'].n_unique()} of {per_symbol.height} symbols"
    title = f"{table.full_name}, feed {market.feed}{of_all if drawn.height < stored.height else ''}"
    shown = {
        **_counts(done, stored.height),
        **covered.numbers,
        **covered.pictures,
        "symbols": markdown_table(_symbol_rows(per_symbol, settings.settings.instruments)),
        "gap list": markdown_table(_gap_rows(done)),
        "picture": picture(price_lines(drawn, title), "prices"),
    }
    describe_months(context, rows_by_month(stored), shown)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=bar_verdicts(
            timeframe, done, window, market=market, warehouse=warehouse, now=now, settings=settings
        ),
    )


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

    from pipeline.market.pictures import series_lines

    stored = warehouse.as_of(MACRO, where={"feed": market.feed}, start=window[0], end=window[1])
    per_series = stored.group_by("series").agg(
        pl.len().alias("rows"),
        pl.col("ts").max().alias("last"),
        pl.col("known_at").max().alias("known"),
        pl.col("vintage").first(),
    )
    drawing = series_lines(stored, f"{MACRO.full_name}, feed {market.feed}")
    shown = {
        **_counts(done, stored.height),
        "series": markdown_table(per_series.sort("series").to_dicts()),
        "picture": picture(drawing, "macro series"),
    }
    describe_months(context, rows_by_month(stored), shown)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=macro_verdicts(done, window, market=market, warehouse=warehouse, settings=settings),
    )


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
    shown: dict[str, object] = {**_counts(done, stored.height)}
    if stored.height:
        shown["picture"] = picture(regime_strips(stored, "planted regimes"), "regimes")
    describe_months(context, rows_by_month(stored), shown)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=[checks.duplicates(warehouse.duplicates(TRUTH))],
    )


def _counts(done: Ingested, stored: int) -> dict[str, object]:
    """Return the counts of an update, and why there are none where the source said so."""
    nothing = told_nothing(done.findings)
    return {
        **({} if nothing is None else {"rows": dg.MetadataValue.text(nothing)}),
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


def _symbol_rows(per_symbol: pl.DataFrame, first: Collection[str]) -> list[dict[str, object]]:
    """Return a row for each symbol, those of ``first`` before others, and how many are left out."""
    rows = sorted(per_symbol.to_dicts(), key=lambda row: (row["symbol"] not in first, row["symbol"]))
    left = len(rows) - MOST_ROWS_SHOWN
    more = [dict.fromkeys(rows[0]) | {"symbol": f"{left} more"}] if left > 0 else []
    return [*rows[:MOST_ROWS_SHOWN], *more]


def _few(stored: pl.DataFrame, first: Collection[str]) -> pl.DataFrame:
    """Return the bars of as many symbols as a picture shows, those of ``first`` before others."""
    import polars as pl

    symbols = sorted(stored["symbol"].unique(), key=lambda symbol: (symbol not in first, symbol))
    return stored.filter(pl.col("symbol").is_in(symbols[:MOST_SYMBOLS_DRAWN]))
