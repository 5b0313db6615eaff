"""A desk in a folder of its own: the sample world, a simulated clock, and a history of a few months.

``Damaged`` stands between the desk and its source and alters what is delivered, so that a test plants a fault
where a bad venue would.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.features.assets import feature_assets
from assets.market.assets import market_assets
from assets.partitions import month_range, months_from
from resources.clock import SimulatedClock
from resources.desk import Desk, open_desk
from resources.market.port import Fetched, MarketSource, Timeframe, Window
from resources.warehouse import WarehouseResource

START = datetime(2019, 1, 1, tzinfo=UTC)
"""Where the sample world begins."""
NOW = datetime(2019, 3, 20, 12, 10, tzinfo=UTC)
"""A Wednesday noon, ten minutes after a cell has closed, in the third month of the world."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run configuration that keeps Dagster's own lines off the console."""


def desk_at(home: Path, at: datetime = NOW, overrides: Mapping[str, object] | None = None) -> Desk:
    """Open a desk on the sample source whose clock stands still at ``at``."""
    environ = {"EIGHTBELLS_HOME": str(home)}
    return open_desk(environ, overrides=overrides, clock=SimulatedClock(at))


def builder() -> Callable[..., dg.Definitions]:
    """Return ``definitions.build_definitions``; its import opens a desk, here in a passing folder."""
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patched:
        patched.setenv("EIGHTBELLS_HOME", home)
        patched.setenv("DAGSTER_HOME", f"{home}/dagster")
        from definitions import build_definitions
    return build_definitions


def compose(desk: Desk) -> dg.Definitions:
    """Return the whole code location around a desk."""
    return builder()(desk=desk)


def resources_of(desk: Desk) -> dict[str, Any]:
    """Return the resources under the names that assets ask for."""
    return {
        "market": desk.market,
        "chain": desk.chain,
        "warehouse": WarehouseResource.around(desk.warehouse),
        "clock": desk.clock,
        "settings": desk.loaded,
        "home": desk.home,
        "logs": desk.logs,
    }


def history_assets(desk: Desk) -> list[dg.AssetsDefinition]:
    """Return the market and feature assets over the months of the desk's source."""
    months = months_from(desk.market.history.start)
    return [*market_assets(months), *feature_assets(months)]


def materialize(
    desk: Desk,
    instance: dg.DagsterInstance,
    *,
    only: str | None = None,
    first: datetime = START,
    last: datetime | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialise the months of ``first`` to ``last`` (by default the clock's) in one run."""
    return dg.materialize(
        history_assets(desk),
        selection=only,
        resources=resources_of(desk),
        instance=instance,
        tags=month_range(first, last or desk.clock.now()),
        run_config=QUIET,
        raise_on_error=False,
    )


@dataclass
class Damaged:
    """A market source that alters what another one delivers.

    ``bars``, ``macro`` and ``actions`` map what was fetched to what is handed over; ``calls`` counts fetches.
    """

    source: MarketSource
    alter_bars: Callable[[Timeframe, Fetched], Fetched] = lambda timeframe, fetched: fetched
    alter_macro: Callable[[Fetched], Fetched] = lambda fetched: fetched
    alter_actions: Callable[[Fetched], Fetched] = lambda fetched: fetched
    history: Window = field(init=False)
    calls: int = 0
    incremental = None

    def __post_init__(self) -> None:
        self.history = self.source.history

    @property
    def feed(self) -> str:
        return self.source.feed

    @property
    def simulated(self) -> bool:
        return self.source.simulated

    @property
    def version(self) -> str:
        return f"{self.source.version}, damaged"

    @property
    def backtest(self) -> Window:
        return self.source.backtest

    def instruments(self) -> tuple[str, ...]:
        return self.source.instruments()

    def bars(self, timeframe: Timeframe, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        self.calls += 1
        return self.alter_bars(timeframe, self.source.bars(timeframe, start, end, now=now))

    def macro(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        self.calls += 1
        return self.alter_macro(self.source.macro(start, end, now=now))

    def actions(self, start: datetime, end: datetime, *, now: datetime) -> Fetched:
        return self.alter_actions(self.source.actions(start, end, now=now))

    def truth(self, start: datetime, end: datetime, *, now: datetime) -> pl.DataFrame:
        return self.source.truth(start, end, now=now)


def damaged(desk: Desk, **alterations: Any) -> Desk:
    """Return the desk with a `Damaged` source in front of its own."""
    return replace(desk, market=Damaged(desk.market, **alterations))
