"""A folder of bars with its mapping: two equities that trend up and a coin with a hole, for 18 months."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.market.bars import conform_bars

START, END = datetime(2022, 1, 1, tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC)
HOLE = (datetime(2022, 5, 10, 8, tzinfo=UTC), datetime(2022, 5, 10, 16, tzinfo=UTC))
"""First and last label of the three H4 bars that BTC/USD lacks."""
CALENDARS = {"SPY": "XNYS", "QQQ": "XNYS", "BTC/USD": "24/7"}

MAPPING = f"""\
feed: files
base: here
history: {{start: {START:%Y-%m-%d}, end: {END:%Y-%m-%d}}}
backtest: {{start: 2023-02-01, end: {END:%Y-%m-%d}}}
entries:
"""


def bars_of(symbol: str, timeframe: str, seed: int) -> pl.DataFrame:
    """Return honest bars of one symbol on its calendar, a random walk with an upward drift."""
    calendar = CALENDARS[symbol]
    cells = {"h4": expected_h4, "daily": expected_daily}[timeframe](calendar, START, END)
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0008, 0.004, cells.height)))
    opened = np.concatenate(([100.0], close[:-1]))
    late = pl.duration(minutes=15 if timeframe == "daily" and calendar == "XNYS" else 0)
    return conform_bars(
        cells.with_columns(
            pl.lit(symbol).alias("symbol"),
            pl.col("minutes").alias("covered_minutes"),
            pl.Series("open", opened),
            pl.Series("high", np.maximum(opened, close) * 1.001),
            pl.Series("low", np.minimum(opened, close) * 0.999),
            pl.Series("close", close),
            pl.lit(1e6).alias("volume"),
            pl.lit("raw").alias("adjustment"),
            pl.lit("test").alias("source"),
            pl.lit("test").alias("venue"),
            pl.lit("as_published").alias("vintage"),
            pl.lit(value=False).alias("simulated"),
            (pl.col("close_at") + late).alias("known_at"),
        )
    )


def write_folder(folder: Path) -> Path:
    """Write the files and their mapping, and return the mapping."""
    lines = [MAPPING]
    for seed, symbol in enumerate(CALENDARS):
        for timeframe in ("h4", "daily"):
            bars = bars_of(symbol, timeframe, seed)
            if (symbol, timeframe) == ("BTC/USD", "h4"):
                bars = bars.filter(~pl.col("ts").is_between(*HOLE))
            name = f"{timeframe}_{symbol.replace('/', '_')}.parquet"
            bars.write_parquet(folder / name)
            lines.append(f'  - {{path: "{name}", symbol: "{symbol}", timeframe: {timeframe}}}\n')
    mapping = folder / "source.yaml"
    mapping.write_text("".join(lines), encoding="utf-8")
    return mapping
