"""A small made-up market with everything that makes causality hard: sessions, holes, late bars and closes.

Random walks: nothing can be earned here, only faults can be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl

from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.features.compute import ExpectedCloses
from pipeline.market.panel import Panel, build_panel

START = datetime(2021, 1, 4, tzinfo=UTC)
CALENDARS: Mapping[str, str] = MappingProxyType({"BTC/USD": "24/7", "ETH/USD": "24/7", "SPY": "XNYS"})


@dataclass(frozen=True)
class SmallMarket:
    """Bars of some assets, with the closes that their calendars expect."""

    panel: Panel
    daily: pl.DataFrame
    expected: dict[str, ExpectedCloses]


def walk(rng: np.random.Generator, bars: int) -> dict[str, np.ndarray]:
    """Prices of a random walk: open, high, low, close and volume, each of shape ``(bars,)``."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, bars)))
    opened = close * np.exp(rng.normal(0.0, 0.01, bars))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0.0, 0.01, bars)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0.0, 0.01, bars)))
    return {"open": opened, "high": high, "low": low, "close": close, "volume": rng.lognormal(3.0, 1.0, bars)}


def small_market(
    seed: int,
    days: int = 90,
    *,
    calendars: Mapping[str, str] = CALENDARS,
    holes: float = 0.03,
    late: float = 0.1,
) -> SmallMarket:
    """Simulate ``days`` days.

    Parameters
    ----------
    seed, days
        Which market, and how long.
    calendars
        ``24/7`` or ``XNYS`` by symbol.
    holes
        Share of missing bars; the second asset also misses twelve days in a row.
    late
        Share of bars and closes that become known up to thirty hours after they should.
    """
    rng = np.random.default_rng(seed)
    end = START + timedelta(days=days)
    bars, closes, expected = [], [], {}
    for place, (symbol, calendar) in enumerate(calendars.items()):
        frame = expected_h4(calendar, START, end)
        gap = (START + timedelta(days=days // 3), START + timedelta(days=days // 3 + 12))
        lost = pl.Series(rng.random(frame.height) < holes)
        if place == 1:
            lost = lost | frame["ts"].is_between(*gap)
        bars.append(_filled(frame, symbol, rng, late, timedelta(0)).filter(~lost))
        frame = expected_daily(calendar, START, end)
        day = _filled(frame, symbol, rng, late, timedelta(minutes=15))
        due = frame["close_at"] + timedelta(minutes=15)
        expected[symbol] = ExpectedCloses(_naive(frame["ts"]), _naive(due))
        closes.append(day.filter(pl.Series(rng.random(day.height) >= holes)))
    return SmallMarket(
        build_panel(pl.concat(bars), tuple(calendars), START, end), pl.concat(closes), expected
    )


def _filled(
    frame: pl.DataFrame, symbol: str, rng: np.random.Generator, late: float, lag: timedelta
) -> pl.DataFrame:
    delay = np.where(rng.random(frame.height) < late, rng.uniform(0.0, 30.0, frame.height), 0.0)
    delayed = pl.Series((delay * 3600e6).astype("timedelta64[us]"))
    prices = {name: pl.Series(values) for name, values in walk(rng, frame.height).items()}
    return frame.with_columns(symbol=pl.lit(symbol), known_at=pl.col("close_at") + lag + delayed, **prices)


def _naive(times: pl.Series) -> np.ndarray:
    return times.dt.replace_time_zone(None).to_numpy()
