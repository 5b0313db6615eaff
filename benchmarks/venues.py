"""Hundreds of requests against faulty venues on this machine: no bar twice, lost or wrong, none impolite.

``python -m benchmarks.venues --requests 500 --json``.  Four venues in their documented formats answer the
product's adapters, two of five answers spoiled: refused for their number, broken off, late, no JSON,
repeated, out of order, with cells of the wrong type.  A keeper as simple as can be updates every symbol from
its newest bar every hour of a simulated clock, after a failure from where it stands.  The truth is known.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from benchmarks.harness import machine
from pipeline.errors import SourceError
from resources.clock import SimulatedClock
from resources.market.mapping import LENGTHS
from resources.venues.alpaca_venue import AlpacaVenue
from resources.venues.ccxt_venue import CcxtVenue
from resources.venues.patience import LONGEST_WAIT_S, Patience
from resources.venues.port import BarVenue, Length, VenueBars
from tests.support.loopback.alpaca import Alpaca
from tests.support.loopback.exchanges import Binance, Coinbase, Exchange, Kraken
from tests.support.loopback.faults import LINE, ROWS, FaultPlan
from tests.support.loopback.server import LoopbackServer
from tests.support.loopback.truth import History, bar_at, stamp

NOW = datetime(2024, 3, 10, 6, 20, tzinfo=UTC)
FAULTY = 0.4
SPACING_S = 0.5
TIMEOUT_S = 1.0
RETRY_AFTER_S = 3
QUICK = tuple(kind for kind in LINE + ROWS if kind != "slow")
KINDS = (*QUICK, *QUICK, *QUICK, "slow")
"""A slow answer costs a real second, the others nothing: it is drawn a third as often."""
HOLE = (NOW - timedelta(days=9), NOW - timedelta(days=8, hours=20))
SEED = 20240310

Bar = tuple[float, ...]
Maker = Callable[[str, str, Mapping[str, str], Patience], BarVenue]


@dataclass(frozen=True)
class Feed:
    """One venue of the proof: its fake, our symbols to ccxt's and its own, how far back, its clock's skew."""

    name: str
    fake: Callable[[Mapping[str, History]], Exchange]
    symbols: Mapping[str, tuple[str, str]]
    length: Length
    days: int
    skew: timedelta = timedelta(0)


def _short_paged(histories: Mapping[str, History]) -> Exchange:
    return Alpaca(histories, page=200)


FEEDS = (
    Feed(
        "binance", Binance, {"BTC/USD": ("BTC/USDT", "BTCUSDT"), "ETH/USD": ("ETH/USDT", "ETHUSDT")}, "1h", 90
    ),
    Feed(
        "kraken",
        Kraken,
        {"BTC/USD": ("BTC/USD", "XXBTZUSD"), "ETH/USD": ("ETH/USD", "XETHZUSD")},
        "1h",
        25,
        timedelta(seconds=9),
    ),
    Feed("coinbase", Coinbase, {"BTC/USD": ("BTC/USD", "BTC-USD")}, "30m", 40, timedelta(seconds=-7)),
    Feed("alpaca", _short_paged, {"AAA": ("AAA", "AAA"), "BBB": ("BBB", "BBB")}, "30m", 30),
)


def venue_of(name: str, url: str, symbols: Mapping[str, str], patience: Patience) -> BarVenue:
    """Return the product's adapter, aimed at a loopback server."""
    if name == "alpaca":
        keys = {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY": "secret"}
        return AlpacaVenue(patience=patience, environ=keys, base_url=url, timeout_s=TIMEOUT_S)
    return CcxtVenue(name, symbols=symbols, patience=patience, base_url=url, timeout_s=TIMEOUT_S)


@dataclass
class Watched(SimulatedClock):
    """A simulated clock that remembers its longest sleep, seconds."""

    longest_s: float = 0.0

    def sleep_until(self, instant: datetime) -> None:
        """Move on."""
        self.longest_s = max(self.longest_s, (instant - self.now()).total_seconds())
        super().sleep_until(instant)


@dataclass
class Outcome:
    """What came of it.

    ``duplicates``: rows of a bar that the same answer already held.  ``lost``: bars that happened and were
    not kept.  ``wrong``: kept bars that differ from the truth.  ``rate_violations``: requests sooner than the
    spacing, or than a venue asked for.  ``refetched``: bars with a cell of the wrong type, asked for anew.
    ``gave_up``: updates that ended in an error and were resumed.  Waits are simulated seconds.
    """

    requests: int = 0
    faults: int = 0
    duplicates: int = 0
    lost: int = 0
    wrong: int = 0
    rate_violations: int = 0
    bars: int = 0
    updates: int = 0
    gave_up: int = 0
    refetched: int = 0
    clock_findings: int = 0
    longest_wait_s: float = 0.0
    longest_update_s: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)


def closed_by(clock: Watched, told: VenueBars) -> datetime:
    """Return the instant up to which bars are closed by both clocks."""
    return min(clock.now(), told.server_time or clock.now())


class Keeper:
    """Keeps the bars of one venue: closed ones, whole ones, from the newest on."""

    def __init__(self, feed: Feed, venue: BarVenue, clock: Watched, outcome: Outcome) -> None:
        self.feed, self.venue, self.clock, self.outcome = feed, venue, clock, outcome
        self.kept: dict[str, dict[datetime, Bar]] = {symbol: {} for symbol in feed.symbols}
        self.broken: dict[str, set[datetime]] = {symbol: set() for symbol in feed.symbols}
        self.start = NOW.replace(minute=0) - timedelta(days=feed.days)

    def update(self) -> None:
        """Bring every symbol up to now, as far as its venue answers."""
        for symbol in self.feed.symbols:
            self._update(symbol)

    def _update(self, symbol: str) -> None:
        self.outcome.updates += 1
        begun = self.clock.monotonic()
        step = LENGTHS[self.feed.length]
        kept, broken = self.kept[symbol], self.broken[symbol]
        start = min([*broken, max(kept, default=self.start - step) + step])
        try:
            told = self.venue.bars(symbol, self.feed.length, start, self.clock.now())
        except SourceError:
            self.outcome.gave_up += 1
            return
        finally:
            self.outcome.longest_update_s = max(self.outcome.longest_update_s, self.clock.monotonic() - begun)
        self.outcome.clock_findings += any(f.rule == "clock_skew" for f in told.findings)
        now = closed_by(self.clock, told)
        stamps = [at for at in told.rows["open_at"] if at is not None]
        self.outcome.duplicates += len(stamps) - len(set(stamps))
        broken.clear()
        for at, *cells in told.rows.iter_rows():
            if at is None or at + step > now:
                continue
            if any(cell is None or not math.isfinite(cell) for cell in cells):
                broken.add(at)
            else:
                kept[at] = tuple(cells)
        self.outcome.refetched += len(broken)

    def compare(self) -> None:
        """Count what is lost and what is wrong, up to the last bar that had closed at the last update."""
        step = LENGTHS[self.feed.length]
        for symbol, (_, own) in self.feed.symbols.items():
            until = self.clock.now() - step - timedelta(minutes=1)  # clocks differ by seconds
            seconds = int(step.total_seconds())
            labels = range(stamp(self.start), stamp(until) + 1, seconds)
            happened = [at for at in labels if not stamp(HOLE[0]) <= at < stamp(HOLE[1])]
            truth = {datetime.fromtimestamp(at, UTC): bar_at(own, at).values for at in happened}
            kept = self.kept[symbol]
            self.outcome.lost += sum(at not in kept for at in truth)
            self.outcome.wrong += sum(
                values != bar_at(own, stamp(at)).values or HOLE[0] <= at < HOLE[1]
                for at, values in kept.items()
            )
            self.outcome.bars += len(kept)


def impolite(server: LoopbackServer) -> int:
    """Return how many requests came too soon after the one before."""
    early = 0
    for before, after in zip(server.log, server.log[1:], strict=False):
        limited = before.fault in {"429_seconds", "429_date"}
        least = max(SPACING_S, RETRY_AFTER_S if limited else 0)
        early += after.at - before.at < least - 1e-6
    return early


def run(requests: int, *, seed: int = SEED, make: Maker = venue_of, spacing_s: float = SPACING_S) -> Outcome:
    """Update hour by hour until that many requests were made, then once more with the venues well again."""
    outcome = Outcome()
    clock = Watched(NOW)
    with contextlib.ExitStack() as stack:
        keepers, servers = [], []
        for number, feed in enumerate(FEEDS):
            histories = {
                own: History(own, NOW - timedelta(days=400), (HOLE,)) for _, own in feed.symbols.values()
            }
            server = LoopbackServer(
                feed.fake(histories),
                clock=clock,
                faults=FaultPlan(rate=FAULTY, kinds=KINDS, seed=seed + number),
                skew=feed.skew,
                slow_s=TIMEOUT_S + 0.3,
                retry_after_s=RETRY_AFTER_S,
            )
            servers.append(stack.enter_context(server))
            symbols = {ours: theirs for ours, (theirs, _) in feed.symbols.items()}
            venue = make(feed.name, server.url, symbols, Patience(clock, spacing_s))
            keepers.append(Keeper(feed, venue, clock, outcome))
        while sum(len(server.log) for server in servers) < requests:
            for keeper in keepers:
                keeper.update()
            clock.advance(timedelta(hours=1, minutes=7))
        for server, keeper in zip(servers, keepers, strict=True):
            server.faults.rate = 0.0
            keeper.update()
            keeper.compare()
            outcome.requests += len(server.log)
            outcome.faults += sum(server.faults.drawn.values())
            outcome.kinds.update(server.faults.drawn)
            outcome.rate_violations += impolite(server)
    outcome.longest_wait_s = clock.longest_s
    return outcome


def holds(outcome: Outcome) -> bool:
    """Return whether nothing is twice, lost, wrong, impolite or waited for too long."""
    faults = outcome.duplicates, outcome.lost, outcome.wrong, outcome.rate_violations
    return not any(faults) and outcome.longest_wait_s <= LONGEST_WAIT_S


def main() -> int:
    """Run, print; 1 when anything is twice, lost, wrong or impolite."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.venues", description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    chosen = parser.parse_args()
    begun = time.perf_counter()
    outcome = run(chosen.requests, seed=chosen.seed)
    result = {
        **vars(outcome),
        "kinds": dict(sorted(outcome.kinds.items())),
        "seconds": round(time.perf_counter() - begun, 1),
        "machine": machine(),
    }
    if chosen.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:18} {value}")
    return 0 if holds(outcome) else 1


if __name__ == "__main__":
    sys.exit(main())
