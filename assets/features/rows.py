"""Rows of ``features.h4``: the standard set for every asset with H4 bars, and what the UI shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import describe_months, numbers, picture, rows_by_month
from assets.market.history import read_history
from assets.market.instruments import known_instruments
from warehouse.tables import FEATURES_H4, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from pipeline.config.instruments import Instrument
    from resources.market.port import MarketSource
    from warehouse.append import Appended
    from warehouse.manifest import Input
    from warehouse.store import Warehouse

SHOWN = ("close_d", "sma_200d", "rsi_14", "atr_14", "momentum_126d", "volatility_30")


def feature_rows(
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    instruments: Mapping[str, Instrument],
) -> tuple[pl.DataFrame, tuple[Input, ...]]:
    """Compute the standard features of every cell in ``window`` from all the history before its end.

    A cell whose decision is still to come has none yet: something may arrive that enters them.

    Raises
    ------
    InsufficientDataError
        When the feed has no H4 bars.
    """
    import polars as pl

    from pipeline.calendar.grid import CELL
    from pipeline.features.compute import features_table
    from pipeline.features.registry import STANDARD, VERSION

    start, end = window
    coverage = warehouse.query("coverage", feed=market.feed).filter(pl.col("timeframe") == "h4")
    symbols = coverage["symbol"].sort().to_list()
    until = min(end, now)
    known = known_instruments(warehouse, market.feed, instruments)
    read = read_history(symbols, until, feed=market.feed, warehouse=warehouse, instruments=known)
    values = read.features(STANDARD)
    rows = features_table(read.panel, values)
    decided = pl.col("ts") <= now - CELL
    chosen = rows.filter(pl.col("ts").is_between(start, end, closed="left") & decided).with_columns(
        pl.lit(market.feed).alias("feed"),
        pl.lit(VERSION).alias("version"),
        pl.lit(market.simulated).alias("simulated"),
    )
    return chosen, read.inputs


def features_result(
    context: dg.AssetExecutionContext,
    rows: pl.DataFrame,
    done: Appended,
    *,
    market: MarketSource,
    warehouse: Warehouse,
) -> dg.MaterializeResult:
    """Report a computation of features and judge its rows."""
    import polars as pl

    from pipeline.features.registry import STANDARD
    from pipeline.market.pictures import feature_lines

    names = [spec.name for spec in STANDARD]
    bars = warehouse.as_of(OHLCV_H4, where={"feed": market.feed}, columns=("symbol", "ts", "close_at"))
    symbol = rows["symbol"].max() if rows.height else None
    shown: dict[str, object] = {
        "dagster/row_count": rows.height,
        **numbers({"inserted": done.inserted, "revised": done.revised, "unchanged": done.unchanged}),
        **numbers({f"unknown {name}": float(rows[name].null_count()) for name in names}),
    }
    if symbol is not None:
        own = rows.filter(pl.col("symbol") == symbol)
        drawing = feature_lines(own, SHOWN, f"{symbol}, newest 400 bars", simulated=market.simulated)
        shown["picture"] = picture(drawing, "features")
    describe_months(context, rows_by_month(rows), shown)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=[
            checks.duplicates(warehouse.duplicates(FEATURES_H4)),
            checks.no_nan(rows, names),
            checks.known_in_time(checks.known_before(rows.join(bars, on=["symbol", "ts"]), "close_at")),
        ],
    )
