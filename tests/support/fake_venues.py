"""Venues that answer from memory: every bar follows from its instant, and every question is remembered."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from pipeline.config.instruments import Instrument
from pipeline.errors import SourceError
from resources.market.live import LiveSource
from resources.market.live_settings import LiveSettings
from resources.market.mapping import LENGTHS
from resources.venues.patience import PassingError
from resources.venues.port import (
    VenueBars,
    VenueSeries,
    action_schema,
    observation_schema,
    venue_bar_schema,
)

INSTRUMENTS = {
    row["symbol"]: Instrument(currency="USD", lot=0.0, min_notional=1.0, tick=0.01, **row)
    for row in (
        {"symbol": "BTC/USD", "asset_class": "crypto", "venue": "kraken", "calendar": "24/7"},
        {"symbol": "ETH/USD", "asset_class": "crypto", "venue": "kraken", "calendar": "24/7"},
        {"symbol": "SPY", "asset_class": "equity", "venue": "alpaca", "calendar": "XNYS"},
        {"symbol": "VIX", "asset_class": "index", "venue": "cboe", "calendar": "XNYS"},
    )
}


@dataclass
class FakeBars:
    """A venue of bars that has one for every instant since ``since``, around the clock.

    ``broken`` are symbols it does not deliver, ``lacks`` says which opens it has no bar for, ``factor``
    multiplies all prices of a symbol, ``behind`` is how slow its clock is, ``told`` are corporate actions
    (None: it tells none); ``asked`` are the questions.
    """

    name: str
    now: Callable[[], datetime]
    since: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    lengths: tuple[str, ...] = ("30m", "1h", "1d")
    adjustment: str = "raw"
    behind: timedelta | None = None
    broken: set[str] = field(default_factory=set)
    factor: dict[str, float] = field(default_factory=dict)
    lacks: Callable[[datetime], bool] = lambda at: False
    told: list[tuple[str, datetime, float, str | None, datetime | None]] | None = None
    asked: list[tuple[str, str, datetime, datetime]] = field(default_factory=list)

    def bars(self, symbol: str, length: str, start: datetime, end: datetime) -> VenueBars:
        self.asked.append((symbol, length, start, end))
        if symbol in self.broken:
            raise SourceError(f"{self.name} did not deliver", field=self.name) from PassingError("out")
        step = LENGTHS[length]
        at = max(start, self.since)
        first = at.replace(hour=0, minute=0)
        at = first + -((first - at) // step) * step
        opens = []
        while at < min(end, self.now()):
            if not self.lacks(at):
                opens.append(at)
            at += step
        price = [self.factor.get(symbol, 1.0) * (100.0 + 5.0 * math.sin(o.timestamp() / 1000)) for o in opens]
        rows = pl.DataFrame(
            {
                "open_at": opens,
                "open": price,
                "high": [p * 1.01 for p in price],
                "low": [p * 0.99 for p in price],
                "close": [p * 1.001 for p in price],
                "volume": [5.0] * len(opens),
            },
            schema=dict(venue_bar_schema()),
        )
        told = None if self.behind is None else self.now() - self.behind
        return VenueBars(rows, self.adjustment, f"https://{self.name}/bars", told)

    def actions(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame | None:
        if self.told is None:
            return None
        if symbol in self.broken:
            raise SourceError(f"{self.name} did not deliver", field=self.name) from PassingError("out")
        mine = [row for row in self.told if start <= row[1] < end]
        return pl.DataFrame(mine, schema=dict(action_schema()), orient="row")

    def hours_asked(self) -> float:
        """How many hours of bars the questions since `forget` were about."""
        return sum((end - start) / timedelta(hours=1) for _, _, start, end in self.asked)

    def forget(self) -> None:
        self.asked.clear()


@dataclass
class FakeSeries:
    """A publisher: rows of (period, value, known_at) by series."""

    name: str
    rows: dict[str, list[tuple[datetime, float | None, datetime]]]
    vintage: str = "as_published"
    broken: set[str] = field(default_factory=set)
    asked: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    def observations(self, series: str, start: datetime, end: datetime) -> VenueSeries:
        self.asked.append((series, start, end))
        if series in self.broken:
            raise SourceError(f"{self.name} did not deliver", field=self.name) from PassingError("out")
        mine = [row for row in self.rows[series] if start <= row[0] < end]
        frame = pl.DataFrame(mine, schema=dict(observation_schema()), orient="row")
        return VenueSeries(frame, f"https://{self.name}/series", self.vintage)


def live_source(document: Mapping[str, object], venues: Mapping[str, object]) -> LiveSource:
    """Return a source of these settings over these venues; ``venues`` in the document are filled in."""
    whole = {
        "feed": "live",
        "history": {"start": "2024-01-01"},
        "venues": {name: {"kind": "ccxt"} for name in venues},
        **document,
    }
    settings = LiveSettings.model_validate(whole)
    return LiveSource(settings, INSTRUMENTS, lambda name, _settings: venues[name])
