"""The embedded default source: the simulated world behind the market port.

Reads ``configs/sources/sample.yaml`` and nothing else; the world itself is `pipeline.market.sample`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from resources.market.checked import checked_bars, expected_bars
from resources.market.port import Fetched, Timeframe, Window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.market.sample.parameters import WorldParameters
    from pipeline.market.sample.world import World


class SampleSource:
    """A simulated market source; the world is made when rows are first asked for.

    Parameters
    ----------
    parameters
        What the world is made of.
    instruments
        The instrument table.
    """

    feed = "sample"
    simulated = True
    incremental = None

    def __init__(self, parameters: WorldParameters, instruments: Mapping[str, Instrument]) -> None:
        self._parameters = parameters
        self._table = instruments
        self.history = Window(parameters.start)
        self.backtest = Window(parameters.backtest.start, parameters.backtest.end)

    @classmethod
    def from_yaml(cls, path: Path, *, instruments: Mapping[str, Instrument], root: Path) -> SampleSource:
        """Build the source from its settings.

        Raises
        ------
        ConfigError
            When the file is missing or breaks a rule; names file, line, field and fix.
        """
        from pipeline.market.sample.parameters import WorldParameters
        from resources.market.settings import read_settings

        return cls(read_settings(path, WorldParameters, root=root), instruments)

    @cached_property
    def _world(self) -> World:
        from pipeline.market.sample.world import World

        return World(self._parameters, self._table)

    @property
    def version(self) -> str:
        """Hash of parameters, ticks and laws: equal versions give equal rows."""
        return self._world.version

    def instruments(self) -> tuple[str, ...]:
        """Return the symbols of the world, the volatility index included."""
        return tuple(sorted({*self._parameters.assets, self._parameters.volatility_index.symbol}))

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return the simulated bars with ``start <= ts < end`` that were known at ``now``."""
        frame = self._world.bars_h4(now) if timeframe == "h4" else self._world.bars_daily(now)
        symbols = self._world.parameters.assets if timeframe == "h4" else self._world.instruments
        window = Window(max(start, self.history.start), end) if end > self.history.start else None
        expected = {
            symbol: expected_bars(self._world.instruments[symbol], timeframe, window, now=now)
            for symbol in symbols
            if window is not None
        }
        return checked_bars(_between(frame, start, end), timeframe=timeframe, expected=expected, now=now)

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        """Return simulated macro values with ``start <= ts < end`` released by ``now``."""
        from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty

        frame = _between(self._world.macro(now), start, end)
        return Fetched(frame, empty(QUARANTINE_SCHEMA), (), empty(GAP_SCHEMA))

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:  # noqa: ARG002 - the port
        """Return no rows: nothing is split or paid out in this world."""
        from pipeline.market.actions import ACTION_SCHEMA
        from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty

        return Fetched(empty(ACTION_SCHEMA), empty(QUARANTINE_SCHEMA), (), empty(GAP_SCHEMA))

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        """Return the planted regimes of the UTC days in the window that are over at ``now``."""
        return _between(self._world.truth(now), start, end)


def _between(frame: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    import polars as pl

    return frame.filter(pl.col("ts").is_between(start, end, closed="left"))
