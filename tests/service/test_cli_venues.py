"""``bells data update`` on sources that ask venues: a real client library, fallback, stale rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from resources.clock import SimulatedClock
from resources.desk import Desk, open_desk
from resources.venues import registry
from service.cli.updating import update_all
from tests.support.fake_venues import FakeBars
from tests.support.loopback.exchanges import Binance, Kraken
from tests.support.loopback.faults import FaultPlan
from tests.support.loopback.server import LoopbackServer
from tests.support.loopback.truth import History
from warehouse.tables import OHLCV_H4

LISTED = datetime(2024, 6, 1, tzinfo=UTC)
NOW = datetime(2024, 7, 3, 9, 20, tzinfo=UTC)

TWO_EXCHANGES = """\
feed: loopback
history: {{start: 2024-06-01}}
venues:
  binance: {{kind: ccxt, base_url: {binance}, symbols: {{BTC/USD: BTC/USDT, ETH/USD: ETH/USDT}}}}
  kraken: {{kind: ccxt, base_url: {kraken}, symbols: {{BTC/USD: BTC/USD, ETH/USD: ETH/USD}}}}
bars:
  BTC/USD: {{venues: [binance, kraken], length: 1h, daily: bars}}
  ETH/USD: {{venues: [binance, kraken], length: 1h, daily: bars}}
"""


@pytest.fixture
def exchanges(tmp_path):
    """Serve Binance, without ETH/USDT when told, and Kraken; give a desk that asks them, and the servers."""
    servers: list[LoopbackServer] = []

    def serve(
        *, coins=("BTCUSDT", "ETHUSDT"), faults=None
    ) -> tuple[Callable[[], Desk], list[LoopbackServer]]:
        clock = SimulatedClock(NOW)
        binance = Binance({coin: History(coin, LISTED) for coin in coins})
        kraken = Kraken({coin: History(coin, LISTED) for coin in ("XXBTZUSD", "XETHZUSD")})
        servers.append(LoopbackServer(binance, clock=clock, faults=faults).__enter__())
        servers.append(LoopbackServer(kraken, clock=clock).__enter__())
        path = tmp_path / "source.yaml"
        path.write_text(TWO_EXCHANGES.format(binance=servers[0].url, kraken=servers[1].url), encoding="utf-8")
        environ = {"EIGHTBELLS_HOME": str(tmp_path / "home"), "EIGHTBELLS_SOURCE": "venues"}
        overrides = {"system.venues_settings": str(path), "chain.source": "none"}
        return lambda: open_desk(environ, overrides=overrides, clock=clock), servers

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def rows(done) -> dict[str, int]:
    return {table["table"]: table["inserted"] for table in done.tables}


def test_faulty_exchanges_lose_and_double_no_bar_and_a_second_update_asks_little(exchanges):
    faults = FaultPlan(rate=0.15, kinds=("429_seconds", "500", "503", "truncated", "invalid_json", "closed"))
    opened, (binance, _kraken) = exchanges(faults=faults)
    desk = opened()
    done = update_all(desk)
    assert done.failures == ()
    whole = int((desk.clock.now() - LISTED) / timedelta(hours=4))
    assert rows(done)["market.ohlcv_h4"] == 2 * whole
    assert rows(done)["market.ohlcv_daily"] == 2 * 32
    assert done.gaps == ()
    assert desk.warehouse.duplicates(OHLCV_H4) == 0
    binance.faults = FaultPlan()
    before = len(binance.log)
    again = update_all(opened())
    assert rows(again)["market.ohlcv_daily"] == 0
    asked = [entry for entry in binance.log[before:] if entry.path.endswith("klines")]
    assert len(asked) == 2 * 2


def test_the_second_exchange_delivers_what_the_first_does_not_know_and_both_are_told(exchanges):
    opened, _servers = exchanges(coins=("BTCUSDT",))
    desk = opened()
    done = update_all(desk)
    assert done.failures == ()
    told = [n for n in done.notices if n["rule"] == "fallback" and n["table"] == "market.ohlcv_h4"]
    assert [n["symbol"] for n in told] == ["ETH/USD"]
    stored = desk.warehouse.as_of(OHLCV_H4, where={"feed": "loopback"})
    assert set(stored.select("symbol", "venue").unique().rows()) == {
        ("BTC/USD", "binance"),
        ("ETH/USD", "kraken"),
    }


ONE = """\
feed: one
history: {start: 2024-06-01, end: 2024-06-11}
venues:
  binance: {kind: ccxt}
bars:
  BTC/USD: {venues: [binance], length: 1h, daily: bars}
  ETH/USD: {venues: [binance], length: 1h, daily: bars}
"""


@pytest.fixture
def venue(home, tmp_path, monkeypatch) -> FakeBars:
    """A venue from memory behind the kind ``ccxt`` of the configured source."""
    fake = FakeBars("binance", lambda: NOW)
    path = tmp_path / "one.yaml"
    path.write_text(ONE, encoding="utf-8")
    monkeypatch.setenv("EIGHTBELLS_SOURCE", "venues")
    monkeypatch.setenv("EIGHTBELLS_CHAIN__SOURCE", "none")
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__VENUES_SETTINGS", str(path))
    monkeypatch.setitem(registry._BUILT_IN, "ccxt", lambda name, settings, environ, clock: fake)
    return fake


def test_a_symbol_out_of_reach_leaves_with_2_and_the_others_are_stored(bells, venue):
    venue.broken.add("ETH/USD")
    answer = bells("data", "update", "--json")
    assert (answer.code, answer.json["ok"]) == (2, False)
    assert {failure["symbol"] for failure in answer.json["failures"]} == {"ETH/USD"}
    assert answer.json["tables"][0]["inserted"] == 60
    venue.broken.clear()
    assert bells("data", "update", "--json").json["tables"][0]["inserted"] == 60


def test_allow_stale_goes_on_with_what_is_stored_and_says_so(bells, venue):
    assert bells("data", "update", "--json").code == 0
    venue.broken |= {"BTC/USD", "ETH/USD"}
    assert bells("data", "update", "--json").code == 2
    answer = bells("data", "update", "--allow-stale", "--json")
    assert (answer.code, answer.json["failures"]) == (0, [])
    told = [n for n in answer.json["notices"] if n["rule"] == "unreachable"]
    assert {n["symbol"] for n in told} == {"BTC/USD", "ETH/USD"}
    assert all("what is stored is used" in n["reason"] for n in told)


def test_allow_stale_helps_nobody_of_whom_nothing_is_stored(bells, venue):
    venue.broken.add("ETH/USD")
    answer = bells("data", "update", "--allow-stale", "--json")
    assert answer.code == 2
    assert {failure["symbol"] for failure in answer.json["failures"]} == {"ETH/USD"}


def test_only_the_symbols_named_are_asked_for(bells, venue):
    answer = bells("data", "update", "--symbols", "ETH/USD", "--json")
    assert answer.code == 0
    assert {symbol for symbol, *_ in venue.asked} == {"ETH/USD"}
    assert [table["inserted"] for table in answer.json["tables"]] == [60, 10]


def test_an_update_that_stopped_between_two_tables_is_completed_by_the_next(bells, venue, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("assets.market.ingest.BAR_TABLES", {"h4": OHLCV_H4})
        assert len(bells("data", "update", "--json").json["tables"]) == 4
    answer = bells("data", "update", "--json")
    inserted = {table["table"]: table["inserted"] for table in answer.json["tables"]}
    assert (inserted["market.ohlcv_h4"], inserted["market.ohlcv_daily"]) == (0, 20)


def test_schwab_leaves_with_1_and_says_why(bells):
    answer = bells("data", "update", "--source", "schwab_stub", "--json")
    assert answer.code == 1
    assert "browser" in answer.err
