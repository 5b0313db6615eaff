"""Open, high, low, close and volume of simulated bars, from the half-hour path of an asset.

Inside a half-hour the path is a Brownian bridge, whose extremes are drawn exactly; a bar takes the half-hours
between its open and its close.  Nothing here knows regimes or correlation (`returns`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Int1D
from pipeline.market.sample.parameters import WorldParameters
from pipeline.market.sample.returns import AssetPath
from pipeline.market.sample.steps import Clockwork, step_of
from pipeline.seeds import stream

VOLUME_DECIMALS = {"equity": 0, "crypto": 6}
"""Shares are whole, coins are not."""


@dataclass(frozen=True)
class StepBars:
    """Prices (in ticks) and volume of every half-hour, shape ``(steps,)``."""

    open: Float1D
    high: Float1D
    low: Float1D
    close: Float1D
    volume: Float1D


def step_bars(
    world: WorldParameters, symbol: str, path: AssetPath, clock: Clockwork, tick: float
) -> StepBars:
    """Return the half-hour bars of one asset.

    Notes
    -----
    The maximum of a Brownian bridge from a to b with variance v is ``(a + b + sqrt((b - a)^2 + 2
    v E)) / 2`` with E a standard exponential (Glasserman 2004, section 6.4); the minimum likewise.  They are
    drawn independently. A jump comes first, so the bridge runs from behind it.
    """
    steps = clock.at.size
    start, end = path.log_price[:-1], path.log_price[1:]
    behind = start + path.jump
    reach = (end - behind) ** 2
    up = stream(world.seed, f"sample/high/{symbol}").standard_exponential(steps)
    down = stream(world.seed, f"sample/low/{symbol}").standard_exponential(steps)
    top = (behind + end + np.sqrt(reach + 2.0 * path.sd**2 * up)) / 2.0
    bottom = (behind + end - np.sqrt(reach + 2.0 * path.sd**2 * down)) / 2.0
    edges = _to_tick(np.exp(path.log_price), tick)
    return StepBars(
        open=edges[:-1],
        high=_to_tick(np.exp(np.maximum(top, start)), tick),
        low=_to_tick(np.exp(np.minimum(bottom, start)), tick),
        close=edges[1:],
        volume=_volume(world, symbol, path, clock),
    )


def gather(bars: StepBars, expected: pl.DataFrame, start: np.datetime64) -> dict[str, Float1D]:
    """Return one value per expected bar: its half-hours taken together.

    Parameters
    ----------
    bars
        Half-hours of the whole world.
    expected
        Bars in order, columns ``open_at`` and ``close_at``, all inside the world.
    start
        Start of the world.
    """
    opens = step_of(_times(expected, "open_at"), start)
    closes = step_of(_times(expected, "close_at"), start)
    if not opens.size:
        return {name: np.empty(0) for name in ("open", "high", "low", "close", "volume")}
    rows, offsets = _rows(opens, closes)
    return {
        "open": bars.open[opens],
        "high": np.maximum.reduceat(bars.high[rows], offsets),
        "low": np.minimum.reduceat(bars.low[rows], offsets),
        "close": bars.close[closes - 1],
        "volume": np.add.reduceat(bars.volume[rows], offsets),
    }


def daily(h4: pl.DataFrame) -> pl.DataFrame:
    """Return the daily bars that H4 bars with a column ``day`` add up to, one row per symbol and day."""
    return h4.group_by("symbol", "day", maintain_order=True).agg(
        pl.col("open_at").first(),
        pl.col("close_at").last(),
        pl.col("minutes").sum(),
        pl.col("covered_minutes").sum(),
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        pl.len().alias("bars"),
    )


def _rows(opens: Int1D, closes: Int1D) -> tuple[Int1D, Int1D]:
    count = closes - opens
    offsets = np.cumsum(count) - count
    return np.repeat(opens - offsets, count) + np.arange(count.sum()), offsets


def _volume(world: WorldParameters, symbol: str, path: AssetPath, clock: Clockwork) -> Float1D:
    share = clock.profile if path.asset_class == "equity" else clock.crypto
    law = world.classes.equity if path.asset_class == "equity" else world.classes.crypto
    rule = world.volume
    usual = np.mean(list(law.volatility.values()))
    busy = path.level / usual * np.sqrt(np.repeat(path.garch, clock.at.size // path.garch.size))
    noise = stream(world.seed, f"sample/volume/{symbol}").standard_normal(clock.at.size)
    randomness = np.exp(rule.noise * noise - rule.noise**2 / 2.0)
    traded = world.assets[symbol].volume * share * busy**rule.elasticity * randomness
    return np.round(traded, VOLUME_DECIMALS[path.asset_class])


def _to_tick(price: Float1D, tick: float) -> Float1D:
    per_unit = 1.0 / tick
    if abs(per_unit - round(per_unit)) < 1e-9 * per_unit:
        # Dividing by a whole number gives the double nearest to the decimal price.
        ticks = np.maximum(np.round(price * round(per_unit)), 1.0)
        return ticks / round(per_unit)
    return np.maximum(np.round(price / tick), 1.0) * tick


def _times(frame: pl.DataFrame, column: str) -> np.ndarray:
    return frame[column].dt.replace_time_zone(None).to_numpy()
