"""Frames of the simulated world: bars, volatility index, macro series, planted regimes, with known_at.

Every frame is made from one `History` and holds whole bars up to its end; `world` shows only what is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Int1D, Time1D
from pipeline.calendar.grid import from_time64, to_time64
from pipeline.calendar.known import KnownRule, bar_known_at, known_at
from pipeline.calendar.sessions import expected_daily, expected_h4, session_table
from pipeline.config.instruments import AssetClass, Instrument
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA, UTC_TIME, BarState
from pipeline.market.sample import macro as macro_series
from pipeline.market.sample.bars import daily, gather, step_bars
from pipeline.market.sample.parameters import STATES, WorldParameters
from pipeline.market.sample.returns import AssetPath
from pipeline.market.sample.steps import Clockwork
from pipeline.market.sample.volatility_index import index_bars

TRUTH_SCHEMA: Mapping[str, pl.DataType] = {
    "scope": pl.String(),
    "ts": UTC_TIME,
    "label": pl.String(),
    "simulated": pl.Boolean(),
    "known_at": UTC_TIME,
}
"""Planted regimes: one row per scope and UTC day; a label holds for the whole day."""

ADJUSTMENT = "split_dividend"
"""Nothing splits and nothing is paid out in this world, so its prices are total returns."""

_DAY = np.timedelta64(1, "D").astype("timedelta64[us]")


@dataclass(frozen=True)
class History:
    """Everything that is drawn for the cells of the world up to one instant.

    Parameters
    ----------
    until
        End of the last cell.
    clock
        Half-hour steps and their variance weights.
    regimes
        Per scope the state on each UTC day, as positions in ``STATES[scope]``.
    paths
        Per symbol its half-hour path.
    """

    until: np.datetime64
    clock: Clockwork
    regimes: Mapping[str, Int1D]
    paths: Mapping[str, AssetPath]


def h4_bars(world: WorldParameters, instrument: Instrument, history: History) -> pl.DataFrame:
    """Return the H4 bars of one asset; our own bars, so known at their close."""
    expected = expected_h4(instrument.calendar, world.start, from_time64(history.until))
    path = history.paths[instrument.symbol]
    steps = step_bars(world, instrument.symbol, path, history.clock, instrument.tick)
    values = gather(steps, expected, to_time64(world.start))
    known = bar_known_at(_times(expected["close_at"]))
    return _labelled(_with(expected, values), world, instrument.symbol, known)


def daily_bars(
    world: WorldParameters, instrument: Instrument, h4: pl.DataFrame, until: datetime
) -> pl.DataFrame:
    """Return the daily bars that the H4 bars of one asset add up to; a day without its last bar has none."""
    of_symbol = h4.filter(pl.col("symbol") == instrument.symbol)
    days = daily(of_symbol.with_columns(pl.col("ts").dt.truncate("1d").alias("day")))
    expected = expected_daily(instrument.calendar, world.start, until).select(
        pl.col("ts").alias("day"), pl.col("close_at").alias("last_close")
    )
    whole = days.join(expected, on="day").filter(pl.col("close_at") == pl.col("last_close"))
    whole = whole.rename({"day": "ts"})
    in_sessions = instrument.asset_class is AssetClass.EQUITY
    rule = KnownRule.SESSION_CLOSE if in_sessions else KnownRule.UTC_DAY
    known = known_at(rule, _times(whole["ts"]), calendar=instrument.calendar)
    return _labelled(whole, world, instrument.symbol, known)


def index_days(world: WorldParameters, calendar: str, history: History) -> pl.DataFrame:
    """Return the daily bars of the volatility index, without volume."""
    rule, start = world.volatility_index, to_time64(world.start)
    expected = expected_daily(calendar, world.start, from_time64(history.until)).filter(
        pl.col("close_at") <= from_time64(history.until)
    )
    sessions = (_times(expected["open_at"]), _times(expected["close_at"]))
    bars = index_bars(world, history.paths[rule.reference], history.regimes, start, sessions)
    values = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    known = known_at(KnownRule.VIX_SETTLEMENT, _times(expected["ts"]), calendar=calendar)
    frame = _with(expected, values).with_columns(volume=pl.lit(None, dtype=pl.Float64))
    return _labelled(frame, world, rule.symbol, known)


def macro_values(world: WorldParameters, calendar: str, history: History) -> pl.DataFrame:
    """Return both macro series with their release instants."""
    rules, start = world.macro, to_time64(world.start)
    regime = history.regimes["macro"]
    months = np.arange(
        start.astype("datetime64[M]"), history.until.astype("datetime64[M]"), dtype="datetime64[M]"
    )
    points = macro_series.activity(rules.activity, regime, start, months, world.seed)
    first_days = months.astype("datetime64[us]")
    table = session_table(calendar)
    days = table.date[(table.date >= start) & (table.date < history.until)]
    slope = macro_series.slope(rules.slope, regime, start, days, world.seed)
    released = known_at(KnownRule.MONTHLY_RELEASE, first_days, calendar=calendar)
    copied = known_at(KnownRule.FRED_DAILY, days, calendar=calendar)
    parts = (
        _series(world, rules.activity.series, "points", first_days, points, released),
        _series(world, rules.slope.series, "fraction", days, slope, copied),
    )
    return pl.concat(parts).sort("series", "ts")


def truth(world: WorldParameters, history: History) -> pl.DataFrame:
    """Return the planted regime of every scope and UTC day, columns of `TRUTH_SCHEMA`."""
    parts = []
    for scope, codes in history.regimes.items():
        days = to_time64(world.start) + np.arange(codes.size) * _DAY
        frame = pl.DataFrame({"ts": _utc(days), "known_at": _utc(days + _DAY)})
        labels = pl.Series("label", STATES[scope], dtype=pl.String).gather(pl.Series(codes))
        parts.append(
            frame.with_columns(labels, scope=pl.lit(scope), simulated=pl.lit(value=True)).select(
                list(TRUTH_SCHEMA)
            )
        )
    return pl.concat(parts).sort("scope", "ts")


def _with(expected: pl.DataFrame, values: Mapping[str, Float1D]) -> pl.DataFrame:
    columns = [pl.Series(name, column) for name, column in values.items()]
    return expected.with_columns(*columns, pl.col("minutes").alias("covered_minutes"))


def _labelled(frame: pl.DataFrame, world: WorldParameters, symbol: str, known: Time1D) -> pl.DataFrame:
    return frame.with_columns(
        symbol=pl.lit(symbol),
        adjustment=pl.lit(ADJUSTMENT),
        source=pl.lit(_source(world)),
        venue=pl.lit(world.venue),
        vintage=pl.lit("as_published"),
        state=pl.lit(str(BarState.FINAL)),
        simulated=pl.lit(value=True),
        known_at=_utc(known),
    ).select(list(BAR_SCHEMA))


def _series(
    world: WorldParameters, name: str, unit: str, ts: Time1D, values: Float1D, known: Time1D
) -> pl.DataFrame:
    frame = pl.DataFrame({"ts": _utc(ts), "value": values, "known_at": _utc(known)})
    return frame.with_columns(
        series=pl.lit(name),
        unit=pl.lit(unit),
        source=pl.lit(_source(world)),
        vintage=pl.lit("as_published"),
        simulated=pl.lit(value=True),
    ).select(list(MACRO_SCHEMA))


def _source(world: WorldParameters) -> str:
    return f"simulated world, seed {world.seed}"


def _utc(times: Time1D) -> pl.Series:
    return pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")


def _times(series: pl.Series) -> Time1D:
    return series.dt.replace_time_zone(None).to_numpy()
