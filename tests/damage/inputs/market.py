"""Clean market files that a case may damage: a year and a bit of the sample world, and of the real folder.

Both have the same names and columns, so that one damage fits both.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.calendar.sessions import expected_daily
from pipeline.config.load import load_settings
from resources.market.port import MarketSource
from resources.market.registry import open_source
from tests.damage.room import CODE, walk

START, END = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC)
WINTER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC))
"""Hourly bars of a season without a change of clocks."""
BAR = ("open", "high", "low", "close", "volume")
DAILY: dict[str, Any] = {"timeframe": "1d", "stamp": "session_date", "columns": {"time": "date"}}
ENTRIES: dict[str, dict[str, Any]] = {
    "btc": {"symbol": "BTC/USD", "timeframe": "4h", "stamp": "open"},
    "eth": {"symbol": "ETH/USD", "timeframe": "4h", "stamp": "open"},
    "spy": {"symbol": "SPY", **DAILY},
    "qqq": {"symbol": "QQQ", **DAILY},
    "vix": {"symbol": "VIX", **DAILY, "columns": {"time": "date", "volume": None}},
    "hours": {"symbol": "SPY", "timeframe": "1h", "stamp": "open", "covers": "session"},
    "long": {"like": "SPY", **DAILY, "columns": {"time": "date", "symbol": "symbol"}},
    "ours": {"symbol": "BTC/USD", "timeframe": "h4"},
}
SERIES = {"rates": {"DGS10": {"unit": "fraction", "scale": 0.01, "release": "fred_daily"}}}
Files = Mapping[str, pl.DataFrame]


def mapping(names: tuple[str, ...], changes: Mapping[str, Any] | None = None) -> str:
    """Return a mapping of these files; ``changes`` are laid over the first entry."""
    entries = [{"path": f"{name}.parquet", **ENTRIES[name]} for name in names if name in ENTRIES]
    series = [{"path": f"{name}.parquet", "series": SERIES[name]} for name in names if name in SERIES]
    if changes:
        (entries or series)[0].update(changes)
    whole = {"feed": "files", "base": "here", "entries": entries, "series": series}
    whole["history"] = {"start": f"{START:%Y-%m-%d}", "end": f"{END:%Y-%m-%d}"}
    return json.dumps(whole)  # JSON is YAML


@cache
def sample_files() -> Files:
    """Return files of the sample world; hourly bars and rates are random walks."""
    settings = load_settings(root=CODE, environ={}).settings
    world = open_source("sample", root=CODE, data_dir=None, instruments=settings.instruments)
    h4, daily = _bars(world, "h4"), _bars(world, "daily")
    sessions = expected_daily("XNYS", *WINTER)["ts"]
    first = (pl.col("ts") + pl.duration(hours=h) for h in (14, 20))
    hours = sessions.to_frame().select(pl.datetime_ranges(*first, "1h").explode().alias("timestamp"))
    days = daily.filter(pl.col("symbol") == "SPY")["ts"].dt.date()
    steps = np.random.default_rng(3).normal(0.0, 0.03, days.len())
    return {
        "btc": _stamped(h4, "BTC/USD"),
        "eth": _stamped(h4, "ETH/USD"),
        "spy": _dated(daily, "SPY"),
        "qqq": _dated(daily, "QQQ"),
        "vix": _dated(daily, "VIX").drop("volume"),
        "hours": pl.concat([hours, walk("hours", hours.height)], how="horizontal"),
        "long": pl.concat(
            [_dated(daily, s).with_columns(symbol=pl.lit(n)) for s, n in (("SPY", "AAA"), ("QQQ", "BBB"))]
        ),
        "ours": h4.filter(pl.col("symbol") == "BTC/USD"),
        "rates": pl.DataFrame({"date": days, "DGS10": (2.0 + np.cumsum(steps)).round(2)}),
    }


@cache
def real_files(folder: Path) -> Files:
    """Return slices of the real folder, moved in time to the same window by whole years where needed."""

    def days(name: str) -> pl.DataFrame:
        rows = pl.read_parquet(folder / "equities" / f"{name}_daily.parquet")
        return rows.filter(pl.col("date").is_between(START.date(), END.date(), closed="left"))

    def cells(name: str) -> pl.DataFrame:
        rows = pl.read_parquet(folder / "crypto" / f"binance_{name}usdt_4h.parquet")
        return rows.filter(pl.col("timestamp").is_between(START, END, closed="left"))

    stocks = pl.scan_parquet(folder / "equities" / "stocks_daily_half_a_2010_2022.parquet")
    span = pl.col("date").is_between(START.date(), END.date(), closed="left")
    hours = pl.read_parquet(folder / "equities" / "spy_1h_2015_2020.parquet")
    fred = pl.read_parquet(folder / "macro" / "fred_daily.parquet").filter(span, pl.col("series") == "DGS10")
    return {
        "btc": cells("btc"),
        "eth": cells("eth"),
        "spy": days("spy"),
        "qqq": days("qqq"),
        "vix": days("vix"),
        "hours": hours.filter(pl.col("timestamp").is_between(*WINTER, closed="left")),
        "long": stocks.filter(span, pl.col("symbol").is_in(["A", "BLDR"])).collect(),
        "rates": fred.select("date", DGS10="value").drop_nulls(),
    }


def _bars(world: MarketSource, timeframe: str) -> pl.DataFrame:
    return world.bars(timeframe, START, END, now=END + timedelta(days=7)).frame  # ty: ignore[invalid-argument-type]


def _stamped(bars: pl.DataFrame, symbol: str) -> pl.DataFrame:
    return bars.filter(pl.col("symbol") == symbol).select(pl.col("ts").alias("timestamp"), *BAR)


def _dated(bars: pl.DataFrame, symbol: str) -> pl.DataFrame:
    return bars.filter(pl.col("symbol") == symbol).select(pl.col("ts").dt.date().alias("date"), *BAR)
