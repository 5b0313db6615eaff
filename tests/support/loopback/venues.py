"""The product's adapters aimed at loopback venues, for tests that ask one of them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from resources.clock import SimulatedClock
from resources.venues.alpaca_venue import AlpacaVenue
from resources.venues.ccxt_venue import CcxtVenue
from resources.venues.patience import Patience
from tests.support.loopback.alpaca import Alpaca
from tests.support.loopback.exchanges import Binance, Coinbase, Kraken
from tests.support.loopback.server import LoopbackServer
from tests.support.loopback.truth import History, bar_at, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from resources.venues.port import BarVenue

NOW = datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
LISTED = datetime(2023, 6, 1, tzinfo=UTC)
KEYS = {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY": "secret"}
TIMEOUT_S = 0.3
FAKES = {"binance": Binance, "kraken": Kraken, "coinbase": Coinbase, "alpaca": Alpaca}
OURS = {"binance": "BTC/USD", "kraken": "BTC/USD", "coinbase": "BTC/USD", "alpaca": "AAA"}
THEIRS = {"binance": "BTC/USDT", "kraken": "BTC/USD", "coinbase": "BTC/USD", "alpaca": "AAA"}
OWN = {"binance": "BTCUSDT", "kraken": "XXBTZUSD", "coinbase": "BTC-USD", "alpaca": "AAA"}


@contextmanager
def venue_at(
    name: str,
    *,
    holes: Sequence[tuple[datetime, datetime]] = (),
    listed: datetime = LISTED,
    spacing_s: float = 0.5,
    market: Any = "stocks",
    symbols: dict[str, str] | None = None,
    handler: Any = None,
    fake: dict[str, Any] | None = None,
    **server: Any,
) -> Iterator[tuple[BarVenue, LoopbackServer]]:
    """Yield an adapter and the server that it talks to; ``server`` goes to `LoopbackServer`."""
    own = "BTC/USD" if market == "crypto" else OWN[name]
    clock = SimulatedClock(NOW)
    history = History(own, listed, holes)
    answer = handler or FAKES[name]({own: history}, **(fake or {}))
    with LoopbackServer(answer, clock=clock, slow_s=TIMEOUT_S + 0.2, **server) as line:
        patience = Patience(clock, spacing_s)
        if name == "alpaca":
            yield (
                AlpacaVenue(
                    patience=patience, market=market, environ=KEYS, base_url=line.url, timeout_s=TIMEOUT_S
                ),
                line,
            )
        else:
            table = symbols or {OURS[name]: THEIRS[name]}
            yield (
                CcxtVenue(name, symbols=table, patience=patience, base_url=line.url, timeout_s=TIMEOUT_S),
                line,
            )


def true_bars(symbol: str, stamps: Sequence[datetime]) -> list[tuple[Any, ...]]:
    """Return what closed bars that open then must look like as rows of a venue's answer."""
    return [(at, *bar_at(symbol, stamp(at)).values) for at in stamps]


def stamps_of(rows: pl.DataFrame) -> list[datetime]:
    """Return the open times."""
    return rows["open_at"].to_list()
