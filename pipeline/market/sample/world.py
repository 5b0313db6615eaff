"""The simulated world: a function of its parameters and of ``now``.

One idea: it is made again up to ``now`` each time, a later ``now`` only adds rows, and nothing that was not
known at ``now`` is ever handed out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256

import numpy as np
import polars as pl

from pipeline.calendar.grid import CELL64, cell_labels, from_time64, require_utc, to_time64
from pipeline.config.instruments import Instrument
from pipeline.errors import ConfigError
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA, empty
from pipeline.market.sample import frames
from pipeline.market.sample.frames import TRUTH_SCHEMA, History
from pipeline.market.sample.parameters import WorldParameters
from pipeline.market.sample.regimes import plant
from pipeline.market.sample.returns import simulate
from pipeline.market.sample.steps import CELLS_PER_DAY, clockwork

CODE_VERSION = "1"
"""Rises with every change of the laws: equal parameters then make another world."""


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
        index = parameters.volatility_index
        self.instruments = {s: _find(s, instruments) for s in (*parameters.assets, index.symbol)}
        self.classes = {s: _traded_class(self.instruments[s]) for s in parameters.assets}
        if self.classes[index.reference] != "equity":
            raise ConfigError(
                "the volatility index refers to something that is no equity",
                field="volatility_index.reference",
                value=index.reference,
                constraint="asset_class: equity",
                fix="name an equity of the assets",
            )
        self.calendar = self.instruments[index.reference].calendar
        for symbol, asset_class in self.classes.items():
            if asset_class == "equity" and self.instruments[symbol].calendar != self.calendar:
                raise ConfigError(
                    "the equities of the simulated world do not share one calendar",
                    field=f"{symbol}.calendar",
                    value=self.instruments[symbol].calendar,
                    constraint=self.calendar,
                    fix="give all of them the same calendar in configs/base/instruments.yaml",
                )
        self._start = to_time64(parameters.start)
        self._made: _Made | None = None

    @cached_property
    def version(self) -> str:
        """Twelve hex digits of parameters, ticks and laws: equal versions make equal worlds."""
        table = {s: (i.asset_class.value, i.calendar, i.tick) for s, i in sorted(self.instruments.items())}
        text = f"{CODE_VERSION}\n{self.parameters.model_dump_json()}\n{table}"
        return sha256(text.encode()).hexdigest()[:12]

    def bars_h4(self, now: datetime) -> pl.DataFrame:
        """Return all H4 bars known at ``now``, columns of ``BAR_SCHEMA``, sorted by symbol and label."""
        return _known(self._up_to(now).h4, now)

    def bars_daily(self, now: datetime) -> pl.DataFrame:
        """Return all daily bars known at ``now``, the volatility index included."""
        return _known(self._up_to(now).daily, now)

    def macro(self, now: datetime) -> pl.DataFrame:
        """Return all macro values released by ``now``, columns of ``MACRO_SCHEMA``."""
        return _known(self._up_to(now).macro, now)

    def truth(self, now: datetime) -> pl.DataFrame:
        """Return the regimes planted on every UTC day that is over at ``now``, columns of `TRUTH_SCHEMA`."""
        return _known(self._up_to(now).truth, now)

    def history(self, now: datetime) -> History:
        """Draw the world up to the end of the cell that holds ``now``.

        This is the world's inside, what is not yet known included: for tests and pictures only.
        """
        until = _end_of_cell(now)
        cells = max(int((until - self._start) // CELL64), 0)
        regimes = plant(self.parameters.regimes, self.parameters.seed, -(-cells // CELLS_PER_DAY))
        laws = self.parameters.classes
        clock = clockwork(self._start, cells, laws.equity, laws.crypto, self.calendar)
        return History(until, clock, regimes, simulate(self.parameters, self.classes, clock, regimes))

    def _up_to(self, now: datetime) -> "_Made":
        until = _end_of_cell(now)
        if self._made is None or self._made.until < until:
            self._made = self._make(now) if until > self._start else _nothing(until)
        return self._made

    def _make(self, now: datetime) -> "_Made":
        history, world = self.history(now), self.parameters
        traded = [self.instruments[symbol] for symbol in sorted(world.assets)]
        h4 = pl.concat([frames.h4_bars(world, instrument, history) for instrument in traded])
        until = from_time64(history.until)
        days = [frames.daily_bars(world, instrument, h4, until) for instrument in traded]
        index = frames.index_days(world, self.calendar, history)
        return _Made(
            until=history.until,
            h4=h4,
            daily=pl.concat([*days, index]).sort("symbol", "ts"),
            macro=frames.macro_values(world, self.calendar, history),
            truth=frames.truth(world, history),
        )


@dataclass(frozen=True)
class _Made:
    until: np.datetime64
    h4: pl.DataFrame
    daily: pl.DataFrame
    macro: pl.DataFrame
    truth: pl.DataFrame


def _nothing(until: np.datetime64) -> _Made:
    return _Made(until, empty(BAR_SCHEMA), empty(BAR_SCHEMA), empty(MACRO_SCHEMA), empty(TRUTH_SCHEMA))


def _end_of_cell(now: datetime) -> np.datetime64:
    at = np.array([to_time64(require_utc(now, "now"))])
    return cell_labels(at)[0] + CELL64


def _known(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    return frame.filter(pl.col("known_at") <= now)


def _find(symbol: str, instruments: Mapping[str, Instrument]) -> Instrument:
    if symbol not in instruments:
        raise ConfigError(
            "a symbol of the simulated world has no instrument",
            field=symbol,
            constraint=f"one of {', '.join(sorted(instruments))}",
            fix="add it to configs/base/instruments.yaml",
        )
    return instruments[symbol]


def _traded_class(instrument: Instrument) -> str:
    if not instrument.tradable:
        raise ConfigError(
            "the simulated world trades equities and crypto only",
            field=f"assets.{instrument.symbol}",
            value=instrument.asset_class.value,
            constraint="asset_class: equity or crypto",
            fix="take it out of the assets",
        )
    return instrument.asset_class.value
