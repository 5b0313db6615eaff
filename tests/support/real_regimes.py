"""The inputs of the regimes in the real folder, read from its files without the desk."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline.calendar.known import known_at
from pipeline.calendar.sessions import session_table

END = datetime(2023, 1, 1, tzinfo=UTC)


def real_frames(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return daily closes by ``symbol`` and macro values by ``series``, each with ``ts`` and ``known_at``."""
    sessions = pl.Series(session_table("XNYS").date)
    spy, vix = (
        _dated(pl.read_parquet(folder / f"equities/{name}_daily.parquet")).filter(
            pl.col("ts").is_in(sessions.to_list())
        )
        for name in ("spy", "vix")
    )
    coin = pl.read_parquet(folder / "crypto/binance_btcusdt_4h.parquet").sort("timestamp")
    last = coin.filter(pl.col("timestamp").dt.hour() == 20).with_columns(
        ts=pl.col("timestamp").dt.truncate("1d").dt.replace_time_zone(None).dt.cast_time_unit("us")
    )
    daily = pl.concat(
        [
            _known(spy, "session_close", symbol="SPY", value="close"),
            _known(vix, "vix_settlement", symbol="VIX", value="close"),
            _known(last, "utc_day", symbol="BTC/USD", value="close"),
        ]
    )
    ism = _dated(pl.read_parquet(folder / "macro/ism_monthly.parquet"))
    fred = _dated(pl.read_parquet(folder / "macro/fred_daily.parquet"))
    slope = fred.filter((pl.col("series") == "T10Y2Y") & pl.col("value").is_not_null())
    macro = pl.concat(
        [
            _known(ism, "monthly_release", series="PMI", value="man_pmi"),
            _known(slope.with_columns(pl.col("value") / 100.0), "fred_daily", series="T10Y2Y", value="value"),
        ]
    )
    return daily, macro


def _dated(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(ts=pl.col("date").cast(pl.Datetime("us"))).sort("ts")


def _known(frame: pl.DataFrame, rule: str, *, value: str, **name: str) -> pl.DataFrame:
    ((column, word),) = name.items()
    known = pl.Series(known_at(rule, frame["ts"].to_numpy()))
    return frame.select(
        pl.lit(word).alias(column),
        pl.col("ts").dt.replace_time_zone("UTC"),
        known.dt.replace_time_zone("UTC").alias("known_at"),
        pl.col(value).alias("close" if column == "symbol" else "value"),
    ).drop_nulls()
