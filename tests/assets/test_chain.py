"""Chain assets and updates: what is stored, what a revised history adds, and what is left after a kill."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.chain.ingest import update_blocks, update_days, windows_to_ask
from assets.chain.stored import WarehouseBlocks
from pipeline.chain.canonical import faults_of
from pipeline.chain.days import conform_days
from pipeline.chain.metrics import GENESIS
from pipeline.errors import SourceError
from resources.chain.port import Days
from resources.clock import SimulatedClock
from resources.market.port import Window
from tests.support.desk import desk_at
from tests.support.loopback.bitcoin import BitcoinNode, made_chain
from tests.support.loopback.server import LoopbackServer
from tests.support.node_source import node_at
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables import BLOCKS, METRICS_DAILY, OHLCV_DAILY

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2009, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Counted:
    """A source that asks others, over days that a test may revise; ``asked`` keeps the windows."""

    fees: list[float]
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    feed = "counted"
    simulated = False
    version = "1"
    history = Window(BEGIN)
    origin = GENESIS
    has_days = True
    has_blocks = False
    priced = True
    recheck_days = 3
    gone = False
    why: Exception | None = None
    without: datetime | None = None

    def days(self, start, end, *, now, prices):
        if self.gone:
            raise SourceError("counted did not deliver") from self.why
        self.asked.append((start, end))
        ts = [BEGIN + DAY * place for place in range(len(self.fees))]
        frame = pl.DataFrame(
            {"ts": ts, "fees_btc": self.fees, "block_count": [144] * len(ts), "price_usd": [2.0] * len(ts)}
        ).with_columns(known_at=pl.col("ts") + DAY, simulated=pl.lit(value=False))
        inside = pl.col("ts").is_between(start, end, closed="left") & pl.col("ts").ne_missing(self.without)
        return Days(conform_days(frame.filter(inside & (pl.col("known_at") <= now))))

    def blocks(self, stored, *, now):
        return iter(())


@pytest.fixture
def clock():
    return SimulatedClock(BEGIN + 20 * DAY + timedelta(hours=1))


@pytest.fixture
def warehouse(tmp_path, clock):
    return Warehouse(tmp_path / "warehouse.duckdb", now=clock.now)


def days_updated(chain, warehouse, clock):
    now = clock.now()
    return update_days(
        chain, now + DAY, market=None, symbol="BTC/USD", warehouse=warehouse, now=now, manifest=Manifest("x")
    )


def stored_days(warehouse, at=None):
    return warehouse.as_of(METRICS_DAILY, at)


def test_only_what_is_missing_is_asked_for_and_the_newest_days_again(warehouse, clock):
    chain = Counted([1.0] * 20)
    assert days_updated(chain, warehouse, clock).inserted == 20
    clock.advance(2 * DAY)
    chain.fees += [1.0, 1.0]
    done = days_updated(chain, warehouse, clock)
    assert (done.inserted, done.revised, done.unchanged) == (2, 0, 20)
    assert [window[0] for window in chain.asked] == [BEGIN, BEGIN + 17 * DAY]
    fresh = Warehouse(warehouse.path.with_name("fresh.duckdb"), now=clock.now)
    days_updated(Counted(chain.fees), fresh, clock)
    assert_frame_equal(stored_days(warehouse), stored_days(fresh), check_exact=True)


def test_a_revised_day_adds_versions_and_changes_none(warehouse, clock):
    chain = Counted([1.0] * 20)
    days_updated(chain, warehouse, clock)
    before, then = warehouse.versions(METRICS_DAILY), clock.now()
    clock.advance(DAY)
    chain.fees[18] = 5.0
    chain.fees += [1.0]
    done = days_updated(chain, warehouse, clock)
    assert (done.inserted, done.revised) == (1, 2), "the day itself, and the sum on the day after it"
    after = warehouse.versions(METRICS_DAILY)
    assert_frame_equal(after.join(before, on=["ts", "known_at"], how="semi"), before, check_exact=True)
    assert_frame_equal(stored_days(warehouse, then), before.select(stored_days(warehouse).columns))
    now = stored_days(warehouse)
    assert now["fees_btc"].to_list()[18] == 5.0
    assert set(now["known_at"].to_list()[18:]) == {clock.now()}, "the new day rests on the revised one"


def test_a_day_that_a_source_tells_no_more_is_a_gap_that_is_said(warehouse, clock):
    chain = Counted([1.0] * 20)
    chain.recheck_days = None
    days_updated(chain, warehouse, clock)
    chain.without = BEGIN + 5 * DAY
    done = days_updated(chain, warehouse, clock)
    assert [(finding.rule, finding.ts) for finding in done.findings] == [("gap", chain.without)]
    assert stored_days(warehouse).height == 20, "what was stored stays"


def test_windows_are_holes_and_the_newest_days():
    have = pl.Series([BEGIN + DAY * n for n in (2, 3, 6, 7, 8, 9)])
    asked = windows_to_ask(have, (BEGIN, BEGIN + 12 * DAY), 2)
    numbers = [((first - BEGIN).days, (last - BEGIN).days) for first, last in asked]
    assert numbers == [(0, 2), (4, 6), (8, 12)]
    assert windows_to_ask(have.clear(), (BEGIN, BEGIN), 2) == []


@pytest.mark.parametrize(
    ("why", "rule", "severity"),
    [(ConnectionError(), "unreachable", "warn"), (None, "unreadable", "error")],
)
def test_a_source_that_fails_leaves_what_is_stored_and_a_lasting_fault_is_an_error(
    warehouse, clock, why, rule, severity
):
    chain = Counted([1.0] * 20)
    days_updated(chain, warehouse, clock)
    chain.gone, chain.why = True, why
    done = days_updated(chain, warehouse, clock)
    assert [(finding.rule, finding.severity) for finding in done.findings] == [(rule, severity)]
    assert stored_days(warehouse).height == 20


def test_blocks_of_a_node_become_days_with_the_price_of_the_market(warehouse, clock, tmp_path):
    market = desk_at(tmp_path).market
    with LoopbackServer(BitcoinNode(made_chain(500)), clock=clock) as server:
        chain = node_at(server.url, clock)
        done = update_blocks(chain, warehouse=warehouse, now=clock.now(), manifest=Manifest("x"))
    assert done.inserted == 500
    unpriced = update_days(
        chain,
        clock.now(),
        market=market,
        symbol="BTC/USD",
        warehouse=warehouse,
        now=clock.now(),
        manifest=Manifest("x"),
    )
    assert [(finding.rule, finding.symbol) for finding in unpriced.findings] == [("no_bars", "BTC/USD")]
    known = BEGIN + 2 * DAY
    bar = {
        **dict.fromkeys(OHLCV_DAILY.readable), "feed": "sample", "symbol": "BTC/USD", "ts": BEGIN + DAY,
        "open_at": BEGIN + DAY, "close_at": known, "open": 1.0, "high": 9.0, "low": 1.0, "close": 7.0,
        "state": "final", "simulated": True, "known_at": known,
    }  # fmt: skip
    warehouse.append(OHLCV_DAILY, pl.DataFrame([bar]))
    now = clock.now()
    update_days(
        chain, now, market=market, symbol="BTC/USD", warehouse=warehouse, now=now, manifest=Manifest("x")
    )
    days = stored_days(warehouse)
    assert days["price_usd"].to_list() == [None, 7.0, None, None]
    assert days["block_count"].to_list() == [35, 144, 144, 144]
    assert days["thermocap_usd"].to_list()[2] == pytest.approx((144 * 50.0 + 7.2) * 7.0)


def test_a_fork_is_stored_beside_what_was_known_before_it(warehouse, clock):
    common = made_chain(25)
    node = BitcoinNode(made_chain(4, on=common, word="lost"))
    before = clock.now()
    with LoopbackServer(node, clock=clock) as server:
        chain = node_at(server.url, clock)
        update_blocks(chain, warehouse=warehouse, now=before, manifest=Manifest("x"))
        clock.advance(timedelta(hours=1))
        lost, node.chain = node.chain, made_chain(6, on=common, word="won")
        done = update_blocks(chain, warehouse=warehouse, now=clock.now(), manifest=Manifest("x"))
    assert (done.inserted, done.revised) == (6, 4)
    for at, best in ((None, node.chain), (before, lost)):
        stored = warehouse.as_of(BLOCKS, at).filter(pl.col("state") == "active").sort("height")
        assert stored["hash"].to_list() == [block.hash for block in best]
    assert warehouse.duplicates(BLOCKS) == 0


def chain_as_of(warehouse, at=None):
    return warehouse.as_of(BLOCKS, at).filter(pl.col("state") == "active").sort("height")


def test_as_of_any_instant_around_a_fork_that_takes_long_to_read_one_chain_is_known(warehouse, clock):
    common = made_chain(25)
    node = BitcoinNode(made_chain(4, on=common, word="lost"))
    with LoopbackServer(node, clock=clock) as server:
        chain = node_at(server.url, clock)
        update_blocks(chain, warehouse=warehouse, now=clock.now(), manifest=Manifest("x"))
        began, lost = clock.now(), node.chain
        node.chain = made_chain(26, on=common, word="won")
        node.before_batch = lambda number: clock.advance(timedelta(minutes=1))
        update_blocks(chain, warehouse=warehouse, now=began, manifest=Manifest("x"))
    half_minutes = (clock.now() - began) // timedelta(seconds=30)
    for n in range(half_minutes + 1):
        assert faults_of(chain_as_of(warehouse, began + n * timedelta(seconds=30))) == []
    assert chain_as_of(warehouse, began)["hash"].to_list() == [block.hash for block in lost]
    assert chain_as_of(warehouse)["hash"].to_list() == [block.hash for block in node.chain]


def test_two_active_chains_left_by_two_updates_at_once_become_one_at_the_next(warehouse, clock):
    common = made_chain(25)
    lost, won = made_chain(2, on=common, word="lost"), made_chain(3, on=common, word="won")
    meanwhile = Warehouse(warehouse.path.with_name("meanwhile.duckdb"), now=clock.now)
    with LoopbackServer(BitcoinNode(lost), clock=clock) as server:
        update_blocks(
            node_at(server.url, clock), warehouse=warehouse, now=clock.now(), manifest=Manifest("x")
        )
    node = BitcoinNode(won)
    with LoopbackServer(node, clock=clock) as server:
        chain = node_at(server.url, clock)
        update_blocks(chain, warehouse=meanwhile, now=clock.now(), manifest=Manifest("x"))
        warehouse.append(BLOCKS, meanwhile.as_of(BLOCKS))
        assert WarehouseBlocks(warehouse, chain.feed).doubled() == 25
        node.chain = made_chain(1, on=won, word="won")
        done = update_blocks(chain, warehouse=warehouse, now=clock.now(), manifest=Manifest("x"))
    assert (done.inserted, done.revised) == (1, 2)
    assert chain_as_of(warehouse)["hash"].to_list() == [block.hash for block in node.chain]
    assert WarehouseBlocks(warehouse, chain.feed).doubled() is None, "what is stale counts nothing"


KILLED = """
import sys
from datetime import datetime
from pathlib import Path
from assets.chain.ingest import update_blocks
from resources.clock import SimulatedClock
from tests.assets.test_chain import node_at
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
clock = SimulatedClock(datetime.fromisoformat(sys.argv[3]))
warehouse = Warehouse(Path(sys.argv[1]), now=clock.now)
update_blocks(node_at(sys.argv[2], clock), warehouse=warehouse, now=clock.now(), manifest=Manifest("x"))
"""


@pytest.mark.slow
def test_a_kill_leaves_whole_pieces_and_the_next_update_goes_on(warehouse, clock):
    node = BitcoinNode(made_chain(60))
    running: list[subprocess.Popen] = []

    def kill(number):
        if number == 12:
            os.kill(running[0].pid, signal.SIGKILL)

    with LoopbackServer(node, clock=clock) as server:
        node.before_batch = kill
        code = [sys.executable, "-c", KILLED, str(warehouse.path), server.url, clock.now().isoformat()]
        running.append(subprocess.Popen(code, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}))
        assert running[0].wait(timeout=60) == -signal.SIGKILL
        left = warehouse.as_of(BLOCKS).sort("height")
        assert 0 < left.height < 60
        assert left.height % 10 == 0
        assert faults_of(left) == []
        node.before_batch = lambda number: None
        chain = node_at(server.url, clock)
        done = update_blocks(chain, warehouse=warehouse, now=clock.now(), manifest=Manifest("x"))
    assert done.inserted == 60 - left.height
    assert warehouse.as_of(BLOCKS)["hash"].sort().to_list() == sorted(block.hash for block in node.chain)
