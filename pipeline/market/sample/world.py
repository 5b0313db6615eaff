"""The simulated world as frames of bars, macro series and planted regimes.

One idea: the world is a function of its parameters and of ``now``.  It is made again up to ``now`` each time, a
later ``now`` only adds rows, and nothing that was not known at ``now`` is ever handed out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256

import numpy as np
import polars as pl

from pipeline.arrays import Int1D, Time1D
from pipeline.calendar.grid import CELL64, cell_labels, from_time64, require_utc, to_time64
from pipeline.calendar.known import KnownRule, bar_known_at, known_at
from pipeline.calendar.sessions import expected_daily, expected_h4, session_table
from pipeline.config.instruments import AssetClass, Instrument
from pipeline.errors import ConfigError
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA, UTC_TIME, empty
from pipeline.market.sample import macro as macro_series
from pipeline.market.sample.bars import daily, gather, step_bars
from pipeline.market.sample.parameters import STATES, WorldParameters
from pipeline.market.sample.regimes import plant
from pipeline.market.sample.returns import AssetPath, simulate
from pipeline.market.sample.steps import CELLS_PER_DAY, Clockwork, clockwork
from pipeline.market.sample.volatility_index import index_bars

CODE_VERSION = "1"
"""Rises with every change of the laws: equal parameters then make another world."""

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


class World:
    """A simulated market.

    Parameters
    ----------
    parameters
        What it is made of.
    instruments
        Decides asset class, calendar and tick of every symbol.

    Raises
    ------
    ConfigError
        When a symbol has no instrument, or one that does not fit its role.
    """

    def __init__(self, parameters: WorldParameters, instruments: Mapping[str, Instrument]) -> None:
        self.parameters = parameters
        self.classes = {symbol: _traded_class(symbol, instruments) for symbol in parameters.assets}
        rule = parameters.volatility_index
        _require(instruments, rule.symbol, "volatility_index.symbol")
        if self.classes[rule.reference] != "equity":
            raise ConfigError(
                "the volatility index refers to something that is no equity",
                field="volatility_index.reference",
                value=rule.reference,
                constraint="asset_class: equity",
            )
        self.instruments = {s: instruments[s] for s in (*parameters.assets, rule.symbol)}
        self.calendar = instruments[rule.reference].calendar
        foreign = [
            s for s, c in self.classes.items() if c == "equity" and instruments[s].calendar != self.calendar
        ]
        if foreign:
            raise ConfigError(
                "equities of the simulated world share one calendar",
                field=f"{foreign[0]}.calendar",
                value=instruments[foreign[0]].calendar,
                constraint=self.calendar,
            )
        self._start = to_time64(parameters.start)
        self._made: _Frames | None = None

    @cached_property
    def version(self) -> str:
        """Twelve hex digits of parameters, ticks and laws: equal versions make equal worlds."""
        ticks = {s: (i.asset_class.value, i.calendar, i.tick) for s, i in sorted(self.instruments.items())}
        text = f"{CODE_VERSION}\n{self.parameters.model_dump_json()}\n{ticks}"
        return sha256(text.encode()).hexdigest()[:12]

    def bars_h4(self, now: datetime) -> pl.DataFrame:
        """Return all H4 bars known at ``now``, columns of ``BAR_SCHEMA``, sorted by symbol and label."""
        return _known(self._frames(now).h4, now)

    def bars_daily(self, now: datetime) -> pl.DataFrame:
        """Return all daily bars known at ``now``, the volatility index included."""
        return _known(self._frames(now).daily, now)

    def macro(self, now: datetime) -> pl.DataFrame:
        """Return all macro values released by ``now``, columns of ``MACRO_SCHEMA``."""
        return _known(self._frames(now).macro, now)

    def truth(self, now: datetime) -> pl.DataFrame:
        """Return the regimes planted on every UTC day that is over, columns of `TRUTH_SCHEMA`."""
        return _known(self._frames(now).truth, now)

    def history(self, until: datetime) -> History:
        """Draw the world up to the end of the cell that holds ``until``: for tests and pictures."""
        return self._draw(max(self._end_of_cell(until), self._start))

    def _end_of_cell(self, now: datetime) -> np.datetime64:
        at = to_time64(require_utc(now, "now"))
        return cell_labels(np.array([at]))[0] + CELL64

    def _frames(self, now: datetime) -> "_Frames":
        until = self._end_of_cell(now)
        if self._made is None or self._made.until < until:
            self._made = self._build(until)
        return self._made

    def _draw(self, until: np.datetime64) -> History:
        cells = int((until - self._start) // CELL64)
        regimes = plant(self.parameters.regimes, self.parameters.seed, -(-cells // CELLS_PER_DAY))
        laws = self.parameters.classes
        clock = clockwork(self._start, cells, laws.equity, laws.crypto, self.calendar)
        return History(until, clock, regimes, simulate(self.parameters, self.classes, clock, regimes))

    def _build(self, until: np.datetime64) -> "_Frames":
        if until <= self._start:
            return _Frames(
                until, empty(BAR_SCHEMA), empty(BAR_SCHEMA), empty(MACRO_SCHEMA), empty(TRUTH_SCHEMA)
            )
        history = self._draw(until)
        h4 = pl.concat([self._h4(symbol, history) for symbol in sorted(self.parameters.assets)])
        days = pl.concat([self._daily(symbol, h4, until) for symbol in sorted(self.parameters.assets)])
        days = pl.concat([days, self._index(history)]).sort("symbol", "ts")
        return _Frames(until, h4, days, self._macro(history), self._truth(history))

    def _h4(self, symbol: str, history: History) -> pl.DataFrame:
        instrument = self.instruments[symbol]
        expected = expected_h4(instrument.calendar, self.parameters.start, from_time64(history.until))
        steps = step_bars(self.parameters, symbol, history.paths[symbol], history.clock, instrument.tick)
        values = gather(steps, expected, self._start)
        known = bar_known_at(_times(expected["close_at"]))
        return (
            self._bars(symbol, expected, known)
            .with_columns(**{k: pl.Series(v) for k, v in values.items()})
            .select(list(BAR_SCHEMA))
        )

    def _daily(self, symbol: str, h4: pl.DataFrame, until: np.datetime64) -> pl.DataFrame:
        instrument = self.instruments[symbol]
        expected = expected_daily(instrument.calendar, self.parameters.start, from_time64(until)).select(
            "ts", pl.col("close_at").alias("expected_close")
        )
        of_symbol = h4.filter(pl.col("symbol") == symbol)
        days = daily(of_symbol.with_columns(pl.col("ts").dt.truncate("1d").alias("day"))).rename(
            {"day": "ts"}
        )
        whole = days.join(expected, on="ts").filter(pl.col("close_at") == pl.col("expected_close"))
        sessions = instrument.asset_class is AssetClass.EQUITY
        rule = KnownRule.SESSION_CLOSE if sessions else KnownRule.UTC_DAY
        known = known_at(rule, _times(whole["ts"]), calendar=instrument.calendar)
        return self._labelled(whole, symbol, known)

    def _index(self, history: History) -> pl.DataFrame:
        rule = self.parameters.volatility_index
        table = session_table(self.calendar)
        inside = (table.date >= self._start) & (table.close_at <= history.until)
        expected = expected_daily(self.calendar, self.parameters.start, from_time64(history.until)).filter(
            pl.Series(inside[(table.date >= self._start) & (table.date < history.until)])
        )
        sessions = (table.open_at[inside], table.close_at[inside])
        values = index_bars(
            self.parameters, history.paths[rule.reference], history.regimes, self._start, sessions
        )
        known = known_at(KnownRule.VIX_SETTLEMENT, table.date[inside], calendar=self.calendar)
        frame = self._bars(rule.symbol, expected, known).with_columns(
            **{name: pl.Series(getattr(values, name)) for name in ("open", "high", "low", "close")},
            volume=pl.lit(None, dtype=pl.Float64),
        )
        return frame.select(list(BAR_SCHEMA))

    def _bars(self, symbol: str, expected: pl.DataFrame, known: Time1D) -> pl.DataFrame:
        frame = expected.with_columns(pl.col("minutes").alias("covered_minutes"))
        return self._labelled(frame, symbol, known, select=False)

    def _labelled(
        self, frame: pl.DataFrame, symbol: str, known: Time1D, *, select: bool = True
    ) -> pl.DataFrame:
        labelled = frame.with_columns(
            symbol=pl.lit(symbol),
            adjustment=pl.lit(ADJUSTMENT),
            source=pl.lit(self._source),
            venue=pl.lit(self.parameters.venue),
            vintage=pl.lit("as_published"),
            simulated=pl.lit(value=True),
            known_at=_utc(known),
        )
        return labelled.select(list(BAR_SCHEMA)) if select else labelled

    @property
    def _source(self) -> str:
        return f"simulated world, seed {self.parameters.seed}"

    def _macro(self, history: History) -> pl.DataFrame:
        rules, seed = self.parameters.macro, self.parameters.seed
        regime = history.regimes["macro"]
        months = np.arange(
            self._start.astype("datetime64[M]"), history.until.astype("datetime64[M]"), dtype="datetime64[M]"
        )
        table = session_table(self.calendar)
        days = table.date[(table.date >= self._start) & (table.date < history.until)]
        values = macro_series.activity(rules.activity, regime, self._start, months, seed)
        first_of_month = months.astype("datetime64[us]")
        activity = self._series(
            rules.activity.series, "points", first_of_month, values, KnownRule.MONTHLY_RELEASE
        )
        values = macro_series.slope(rules.slope, regime, self._start, days, seed)
        slope = self._series(rules.slope.series, "fraction", days, values, KnownRule.FRED_DAILY)
        return pl.concat([activity, slope]).sort("series", "ts")

    def _series(self, name: str, unit: str, ts: Time1D, values: np.ndarray, rule: KnownRule) -> pl.DataFrame:
        known = known_at(rule, ts, calendar=self.calendar)
        return (
            pl.DataFrame({"ts": _utc(ts), "value": values, "known_at": _utc(known)})
            .with_columns(
                series=pl.lit(name),
                unit=pl.lit(unit),
                source=pl.lit(self._source),
                vintage=pl.lit("as_published"),
                simulated=pl.lit(value=True),
            )
            .select(list(MACRO_SCHEMA))
        )

    def _truth(self, history: History) -> pl.DataFrame:
        parts = []
        for scope, codes in history.regimes.items():
            days = self._start + np.arange(codes.size) * _DAY
            labels = np.array(STATES[scope], dtype=object)[codes]
            parts.append(
                pl.DataFrame({"ts": _utc(days), "label": labels, "known_at": _utc(days + _DAY)}).with_columns(
                    scope=pl.lit(scope), label=pl.col("label").cast(pl.String), simulated=pl.lit(value=True)
                )
            )
        return pl.concat(parts).select(list(TRUTH_SCHEMA)).sort("scope", "ts")


@dataclass(frozen=True)
class _Frames:
    until: np.datetime64
    h4: pl.DataFrame
    daily: pl.DataFrame
    macro: pl.DataFrame
    truth: pl.DataFrame


def _known(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    return frame.filter(pl.col("known_at") <= now)


def _require(instruments: Mapping[str, Instrument], symbol: str, field: str) -> Instrument:
    if symbol not in instruments:
        raise ConfigError(
            "a symbol of the simulated world has no instrument",
            field=field,
            value=symbol,
            constraint=f"one of {', '.join(sorted(instruments))}",
            fix="add it to configs/base/instruments.yaml",
        )
    return instruments[symbol]


def _traded_class(symbol: str, instruments: Mapping[str, Instrument]) -> str:
    instrument = _require(instruments, symbol, f"assets.{symbol}")
    if not instrument.tradable:
        raise ConfigError(
            "the simulated world trades equities and crypto only",
            field=f"assets.{symbol}",
            value=instrument.asset_class.value,
            constraint="asset_class: equity or crypto",
        )
    return instrument.asset_class.value


def _utc(times: Time1D) -> pl.Series:
    return pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")


def _times(series: pl.Series) -> Time1D:
    return series.dt.replace_time_zone(None).to_numpy()
