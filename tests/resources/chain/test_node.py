"""A Bitcoin Core node over real HTTP on loopback: batches, resuming, forks, pruned blocks, and faults."""

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.chain.canonical import day_totals, doubled, faults_of
from pipeline.chain.days import BLOCK_SCHEMA, empty
from pipeline.config import load_settings
from pipeline.errors import ConfigError, SourceError
from resources.chain import rpc
from resources.chain.node import Node
from resources.clock import SimulatedClock
from tests.support.loopback.bitcoin import BitcoinNode, Made, made_chain
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import LoopbackServer, Reply, as_json

ROOT = Path(__file__).parents[3]
NOW = datetime(2009, 2, 1, tzinfo=UTC)
SETTINGS = load_settings(root=ROOT, environ={}).settings.chain.node
NOTHING = empty(BLOCK_SCHEMA)


@pytest.fixture
def serve():
    """Return a function that serves a node and gives the source that asks there."""
    servers = []

    def serve(node, *, environ=None, now=NOW, settings=None, **how):
        clock = SimulatedClock(now)
        servers.append(LoopbackServer(node, clock=clock, **how).__enter__())
        chosen = {"url": servers[-1].url, "batch": 10, "timeout_s": 0.3, **(settings or {})}
        return Node(SETTINGS.model_copy(update=chosen), environ or {}, clock)

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


@dataclass
class Held:
    """Stored blocks in memory; ``asked`` keeps the heights that were read."""

    frame: pl.DataFrame
    asked: list[int] = field(default_factory=list)

    def heights(self):
        return None if self.frame.is_empty() else (self.frame["height"].min(), self.frame["height"].max())

    def at(self, heights):
        self.asked += heights
        return self.frame.filter(pl.col("height").is_in(list(heights)))

    def doubled(self):
        return doubled(self.frame)

    def hashes(self):
        return set(self.frame["hash"])


def updated(source, stored=NOTHING, now=NOW):
    """Store every piece as the warehouse does, before the next: the newest version of each hash."""
    held, pieces = Held(stored), []
    for piece in source.blocks(held, now=now):
        assert piece.frame["hash"].is_unique().all()
        pieces.append(piece)
        newest = pl.concat([held.frame, piece.frame.select(stored.columns)])
        held.frame = newest.unique("hash", keep="last", maintain_order=True)
    return held.frame, pieces


def active(stored):
    return stored.filter(pl.col("state") == "active").sort("height")


def header(**changed):
    """Return the header of the first block, with something wrong in it."""
    return BitcoinNode(made_chain(1)).header(0) | changed


def stats(**changed):
    whole = {"height": 0, "ins": 4, "outs": 6, "subsidy": 5_000_000_000, "totalfee": 0, "txs": 3}
    return whole | changed


def test_blocks_come_in_pieces_that_lead_on_and_the_next_update_asks_for_new_ones_alone(serve):
    node = BitcoinNode(made_chain(35))
    source = serve(node)
    stored, pieces = updated(source)
    assert [piece.frame.height for piece in pieces] == [10, 10, 10, 5]
    assert active(stored)["hash"].to_list() == [block.hash for block in node.chain]
    assert faults_of(active(stored)) == []
    node.chain = made_chain(2, on=node.chain)
    node.calls.clear()
    stored, pieces = updated(source, stored)
    assert stored.height == 37
    assert node.asked("getblockhash") == [34, 35, 36]
    assert node.asked("getblockstats") == [block.hash for block in node.chain[-2:]]
    assert updated(source, stored)[1] == []


def test_an_update_that_broke_off_goes_on_from_the_last_piece(serve):
    node = BitcoinNode(made_chain(25))
    source = serve(node)
    first = next(iter(source.blocks(Held(NOTHING), now=NOW))).frame
    stored, pieces = updated(source, first)
    assert [piece.frame["height"].min() for piece in pieces] == [10, 20]
    assert active(stored)["height"].to_list() == list(range(25))


def test_a_row_says_what_the_node_says_and_new_blocks_are_known_when_seen(serve):
    node = BitcoinNode(made_chain(3))
    stored, _ = updated(serve(node))
    row = active(stored).row(1, named=True)
    assert row["prev_hash"] == node.chain[0].hash
    assert (row["subsidy_btc"], row["fees_btc"], row["tx_count"], row["inputs"]) == (50.0, 0.05, 3, 4)
    assert row["known_at"] == row["ts"] + timedelta(minutes=SETTINGS.lag_minutes)
    assert row["coinbase_btc"] is None, "statistics do not tell what the coinbase took"
    soon = row["ts"] + timedelta(minutes=1)
    again, _ = updated(serve(node, now=soon), now=soon)
    assert active(again)["known_at"].to_list()[1] == soon


def test_a_fork_keeps_what_it_leaves_behind_as_stale_and_stores_both_sides_in_one_piece(serve):
    common = made_chain(20)
    node = BitcoinNode(made_chain(3, on=common, word="lost"))
    source = serve(node)
    stored, _ = updated(source)
    node.chain = made_chain(5, on=common, word="won")
    later = NOW + timedelta(hours=1)
    after, pieces = updated(source, stored, later)
    assert after.height == 28, "nothing is deleted"
    stale = after.filter(pl.col("state") == "stale").sort("height")
    assert stale["height"].to_list() == [20, 21, 22]
    assert set(stale["known_at"]) == {later}
    assert set(active(after)["known_at"].to_list()[20:]) == {later}, "until then another chain was known"
    assert active(after)["hash"].to_list() == [block.hash for block in node.chain]
    assert set(stale["hash"]) <= set(pieces[0].frame["hash"])


def test_a_fork_back_makes_stale_blocks_active_again(serve):
    common = made_chain(5)
    first, second = made_chain(2, on=common, word="a"), made_chain(3, on=common, word="b")
    node = BitcoinNode(first)
    source = serve(node)
    stored, _ = updated(source)
    node.chain = second
    stored, _ = updated(source, stored)
    node.chain = made_chain(2, on=first, word="a")
    stored, _ = updated(source, stored)
    assert active(stored)["hash"].to_list() == [block.hash for block in node.chain]
    assert stored.filter(pl.col("state") == "stale").height == 3


def test_a_node_that_is_behind_what_is_stored_takes_nothing_back(serve):
    node = BitcoinNode(made_chain(8))
    source = serve(node)
    stored, _ = updated(source)
    whole, node.chain = node.chain, node.chain[:6]
    after, pieces = updated(source, stored)
    assert after.equals(stored), "it contradicts no block"
    assert [finding.rule for piece in pieces for finding in piece.findings] == ["behind"]
    node.chain = made_chain(1, on=whole)
    after, pieces = updated(source, after)
    assert active(after)["hash"].to_list() == [block.hash for block in node.chain]


def test_a_node_that_has_not_reached_the_first_height_says_so(serve):
    source = serve(BitcoinNode(made_chain(8)), settings={"first_height": 12})
    stored, pieces = updated(source)
    assert stored.is_empty()
    assert "behind 12" in pieces[0].findings[0].reason


def test_a_node_of_another_network_is_refused_and_nothing_becomes_stale(serve):
    stored, _ = updated(serve(BitcoinNode(made_chain(8))))
    other = BitcoinNode(made_chain(20, word="test"), network="test")
    held = Held(stored)
    with pytest.raises(ConfigError, match="another network") as caught:
        list(serve(other).blocks(held, now=NOW))
    assert "main" in str(caught.value)
    assert held.asked == []


def test_a_fork_below_everything_stored_replaces_all_of_it(serve):
    stored, _ = updated(serve(BitcoinNode(made_chain(7, word="lost"))))
    node = BitcoinNode(made_chain(9, word="won"))
    after, _ = updated(serve(node), stored)
    assert active(after)["hash"].to_list() == [block.hash for block in node.chain]
    assert after.filter(pl.col("state") == "stale").height == 7


def test_a_first_height_below_what_is_stored_is_refused(serve):
    node = BitcoinNode(made_chain(20))
    stored, _ = updated(serve(node, settings={"first_height": 12}))
    with pytest.raises(ConfigError, match="stored blocks begin at 12"):
        updated(serve(node), stored)


def test_an_update_reads_the_newest_stored_block_alone_and_a_fork_few_more(serve):
    common = made_chain(300)
    node = BitcoinNode(made_chain(40, on=common, word="lost"))
    source = serve(node, settings={"batch": 100})
    stored, _ = updated(source)
    node.chain = made_chain(1, on=node.chain)
    held = Held(stored)
    list(source.blocks(held, now=NOW))
    assert held.asked == [339]
    node.chain = made_chain(50, on=common, word="won")
    node.calls.clear()
    held = Held(stored)
    pieces = list(source.blocks(held, now=NOW))
    assert sorted(set(held.asked))[-40:] == list(range(300, 340)), "what became stale"
    assert min(held.asked) > 250
    assert pieces[0].frame["state"].to_list().count("stale") == 40


def test_blocks_that_left_the_best_chain_after_they_were_named_are_not_taken(serve):
    common = made_chain(5)
    lost = made_chain(3, on=common, word="lost")
    node = BitcoinNode(lost)

    def fork(number):
        if number == 3:
            node.beside, node.chain = lost[5:], made_chain(4, on=common, word="won")

    node.before_batch = fork
    stored, _ = updated(serve(node))
    assert stored["hash"].to_list() == [block.hash for block in node.chain]


def test_a_block_that_is_still_to_come_is_a_refusal_and_not_a_block_without_fees(serve):
    node = BitcoinNode(made_chain(6), pruned_below=4, missing="Block not available (not fully downloaded)")
    with pytest.raises(SourceError, match="not fully downloaded"):
        updated(serve(node))


def test_two_active_blocks_at_a_height_left_by_two_updates_at_once_are_put_right(serve):
    common = made_chain(15)
    lost, won = made_chain(12, on=common, word="lost"), made_chain(13, on=common, word="won")
    one, _ = updated(serve(BitcoinNode(lost)))
    other, _ = updated(serve(BitcoinNode(won[:-1])))
    stored = pl.concat([one, other]).unique("hash", maintain_order=True)
    assert faults_of(active(stored)) != []
    after, _ = updated(serve(BitcoinNode(won)), stored)
    assert active(after)["hash"].to_list() == [block.hash for block in won]
    assert faults_of(active(after)) == []


@pytest.mark.parametrize("further", [0, 1, 30])
@pytest.mark.parametrize("least", [0, 15])
def test_two_active_chains_of_which_the_longer_has_won_are_put_right(serve, least, further):
    common = made_chain(least)
    lost, won = made_chain(2, on=common, word="lost"), made_chain(3, on=common, word="won")
    one, _ = updated(serve(BitcoinNode(lost)))
    other, _ = updated(serve(BitcoinNode(won)))
    stored = pl.concat([one, other]).unique("hash", maintain_order=True)
    node = BitcoinNode(made_chain(further, on=won, word="won"))
    after, _ = updated(serve(node), stored)
    assert active(after)["hash"].to_list() == [block.hash for block in node.chain]
    assert faults_of(active(after)) == []
    assert updated(serve(node), after)[1] == [], "nothing is asked for again"


def test_two_active_chains_are_left_as_they_are_by_a_node_that_has_neither(serve):
    common = made_chain(15)
    one, _ = updated(serve(BitcoinNode(made_chain(2, on=common, word="lost"))))
    other, _ = updated(serve(BitcoinNode(made_chain(3, on=common, word="won"))))
    stored = pl.concat([one, other]).unique("hash", maintain_order=True)
    after, pieces = updated(serve(BitcoinNode(common)), stored)
    assert after.equals(stored)
    assert [finding.rule for piece in pieces for finding in piece.findings] == ["behind"]


def test_a_node_far_behind_reads_two_stored_blocks(serve):
    node = BitcoinNode(made_chain(300))
    source = serve(node, settings={"batch": 100})
    held = Held(updated(source)[0])
    node.chain = node.chain[:100]
    (piece,) = source.blocks(held, now=NOW)
    assert [finding.rule for finding in piece.findings] == ["behind"]
    assert held.asked == [99, 100]


def test_a_fork_deeper_than_a_batch_is_walked_back_to_the_common_ancestor(serve):
    common = made_chain(4)
    node = BitcoinNode(made_chain(30, on=common, word="lost"))
    source = serve(node)
    stored, _ = updated(source)
    node.chain = made_chain(31, on=common, word="won")
    after, _ = updated(source, stored)
    assert active(after)["hash"].to_list() == [block.hash for block in node.chain]
    assert after.filter(pl.col("state") == "stale").height == 30


@pytest.mark.parametrize("batch", range(2, 12))
def test_a_fork_in_the_middle_of_an_update_is_noticed_whenever_it_comes(serve, batch):
    common = made_chain(15)
    node = BitcoinNode(made_chain(12, on=common, word="lost"))

    def fork(number):
        if number == batch:
            node.chain = made_chain(14, on=common, word="won")

    node.before_batch = fork
    stored, _ = updated(serve(node))
    stored, _ = updated(serve(node), stored)
    assert active(stored)["hash"].to_list() == [block.hash for block in node.chain]
    assert faults_of(active(stored)) == []


def test_a_node_that_changes_its_mind_for_ever_is_given_up(serve):
    common = made_chain(12)
    node = BitcoinNode(common)

    def fork(number):
        node.chain = made_chain(10, on=common[:2], word=f"turn {number}")

    node.before_batch = fork
    with pytest.raises(SourceError, match="faster than it can be read"):
        updated(serve(node))


def test_what_was_pruned_is_known_by_its_header_alone_and_the_first_whole_block_is_named(serve):
    node = BitcoinNode(made_chain(10), pruned_below=4)
    stored, pieces = updated(serve(node))
    gone, whole = active(stored).head(4), active(stored).tail(6)
    assert gone["fees_btc"].null_count() == gone["inputs"].null_count() == 4
    assert gone["subsidy_btc"].to_list() == [50.0] * 4
    assert gone["tx_count"].to_list() == [3] * 4
    assert whole["fees_btc"].null_count() == 0
    (said,) = pieces[0].findings
    assert (said.rule, said.count) == ("pruned", 4)
    assert "the first whole one is 4" in said.reason


def test_calls_left_out_of_a_batch_are_asked_again_and_the_others_not(serve):
    node = BitcoinNode(made_chain(9), partial=3)
    stored, _ = updated(serve(node))
    assert active(stored).height == 9
    asked = node.asked("getblockhash") + node.asked("getblockheader") + node.asked("getblockstats")
    assert len(asked) == 3 * 9 + 3


def test_a_node_that_is_starting_is_waited_for(serve):
    stored, _ = updated(serve(BitcoinNode(made_chain(3), warming=2)))
    assert stored.height == 3


def test_a_node_that_never_comes_up_is_out_of_reach(serve):
    with pytest.raises(SourceError, match="Loading block index") as caught:
        updated(serve(BitcoinNode(made_chain(3), warming=99)))
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("fault", LINE)
def test_every_fault_of_the_line_is_got_past(serve, fault):
    faults = FaultPlan(script=(None, fault, None, fault))
    stored, _ = updated(serve(BitcoinNode(made_chain(4)), faults=faults, slow_s=0.6))
    assert active(stored).height == 4


def test_a_node_that_is_gone_says_so(serve):
    with pytest.raises(SourceError, match="the node did not deliver"):
        updated(serve(BitcoinNode(made_chain(4)), faults=FaultPlan(rate=1.0, kinds=("closed",))))


def test_the_cookie_is_read_anew_and_neither_it_nor_the_password_is_shown(serve, tmp_path, caplog):
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:first-secret-word")
    node = BitcoinNode(made_chain(2), pair="__cookie__:first-secret-word")
    source = serve(node, environ={"BITCOIN_COOKIE_FILE": str(cookie)})
    with caplog.at_level(logging.DEBUG):
        assert updated(source)[0].height == 2
        node.pair = "__cookie__:second-secret-word"
        with pytest.raises(SourceError, match="lets nobody in") as caught:
            updated(source)
        cookie.write_text(node.pair)
        assert updated(source)[0].height == 2
    assert "BITCOIN_COOKIE_FILE" in str(caught.value)
    assert "secret-word" not in caplog.text + str(caught.value)


def test_user_and_password_come_from_the_variables_that_the_settings_name(serve):
    node = BitcoinNode(made_chain(2), pair="alice:pass-word-8")
    environ = {"BITCOIN_RPC_USER": "alice", "BITCOIN_RPC_PASSWORD": "pass-word-8"}
    stored, _ = updated(serve(node, environ=environ))
    assert stored.height == 2
    assert "pass-word-8" not in str(stored.to_dicts())


def test_a_node_whose_cookie_file_is_not_there_is_out_of_reach(serve, tmp_path):
    with pytest.raises(SourceError, match="not running, or BITCOIN_COOKIE_FILE names the wrong") as caught:
        updated(serve(BitcoinNode(made_chain(2)), environ={"BITCOIN_COOKIE_FILE": str(tmp_path / ".cookie")}))
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_cookie_file_that_cannot_be_read_is_a_lasting_error_with_a_fix(serve, tmp_path):
    with pytest.raises(SourceError, match="cookie file cannot be read") as caught:
        updated(serve(BitcoinNode(made_chain(2)), environ={"BITCOIN_COOKIE_FILE": str(tmp_path)}))
    assert caught.value.field == "BITCOIN_COOKIE_FILE"
    assert not isinstance(caught.value.__cause__, ConnectionError)


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(ConfigError, match="address of the node"):
        Node(SETTINGS.model_copy(update={"url": "localhost:8332"}), {}, SimulatedClock(NOW))


def test_a_later_first_height_begins_there_and_tells_no_thermocap(serve):
    node = BitcoinNode(made_chain(20))
    source = serve(node, settings={"first_height": 12})
    stored, _ = updated(source)
    assert active(stored)["height"].to_list() == list(range(12, 20))
    assert source.origin.height is None
    assert source.origin.thermocap_usd != source.origin.thermocap_usd, "nobody knows what was earned before"


def test_stored_blocks_come_to_days_that_are_over(serve):
    node = BitcoinNode(made_chain(400))
    days = day_totals(updated(serve(node, settings={"batch": 100}))[0])
    assert days["block_count"].to_list() == [35, 144, 144]
    assert days["height"].to_list() == [34, 178, 322]
    assert days["issuance_btc"].to_list() == [35 * 50.0, 144 * 50.0, 144 * 50.0]
    assert days["fees_btc"].to_list() == pytest.approx([1.75, 7.2, 7.2])


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("getblockchaininfo", None),
        ("getblockchaininfo", "ready"),
        ("getblockchaininfo", {"chain": "main", "blocks": "many"}),
        ("getblockheader", "00" * 80),
        ("getblockheader", {"height": 0}),
        ("getblockheader", made_chain(1)[0].__dict__ | {"hash": "ab" * 32}),
        ("getblockheader", header(nTx=-1)),
        ("getblockheader", header(nTx=10**12)),
        ("getblockheader", header(time=10**12)),
        ("getblockheader", header(difficulty="hard")),
        ("getblockheader", header(difficulty=float("nan"))),
        ("getblockstats", stats(totalfee=-1)),
        ("getblockstats", stats(totalfee=10**16)),
        ("getblockstats", stats(ins=None)),
        ("getblockstats", stats(outs=1.5)),
        ("getblockstats", {}),
        ("getblockstats", [1]),
        ("getblockstats", None),
    ],
)
def test_an_answer_of_another_form_is_an_error_that_names_it(serve, method, answer):
    with pytest.raises(SourceError, match="cannot be read"):
        updated(serve(BitcoinNode(made_chain(2), instead={method: answer})))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"result": None, "error": {"code": -32700, "message": "Parse error"}, "id": None}, "Parse error"),
        ({"result": None, "error": {"code": -28, "message": "Rewinding"}, "id": None}, "Rewinding"),
        ([{"id": [1], "result": 5}, 7, "x"], "were not answered"),
        ([], "were not answered"),
        (None, "were not answered"),
    ],
)
def test_what_a_node_says_of_a_whole_batch_is_said_on(serve, document, said):
    with pytest.raises(SourceError, match=said):
        updated(serve(lambda request: as_json(document)))


@pytest.mark.parametrize("status", [400, 404, 405])
def test_an_address_where_no_node_is_is_an_error_at_once(serve, status):
    asked = []
    with pytest.raises(SourceError, match="no node") as caught:
        updated(serve(lambda request: asked.append(request) or Reply(status, b"<html>")))
    assert len(asked) == 1
    assert caught.value.field == "chain.node.url"


def test_an_answer_that_drips_is_cut(serve, monkeypatch):
    monkeypatch.setattr(rpc, "LONGEST_ANSWER_S", -1.0)
    with pytest.raises(SourceError, match="takes longer than"):
        updated(serve(BitcoinNode(made_chain(2))))


@pytest.mark.realdata
@pytest.mark.parametrize("read", ["stats", "raw"])
def test_the_real_blocks_come_through_the_node(serve, real_data, read):
    index = pl.read_csv(real_data / "blocks" / "index.csv")
    for real in index.iter_rows(named=True):
        raw = (real_data / "blocks" / real["file"]).read_bytes()
        at = int(datetime.fromisoformat(real["time_utc"]).timestamp())
        fees = round(real["coinbase_btc"] * 1e8) - (5_000_000_000 >> real["height"] // 210_000)
        before = raw[4:36][::-1].hex()
        block = Made(real["hash"], before, real["height"], at, fees=fees, txs=real["tx_count"], raw=raw)
        settings = {"first_height": real["height"], "read": read}
        now = datetime.fromtimestamp(at, UTC) + timedelta(days=1)
        stored, _ = updated(serve(BitcoinNode([block]), settings=settings, now=now), now=now)
        row = stored.row(0, named=True)
        assert (row["hash"], row["height"], row["tx_count"]) == (
            real["hash"],
            real["height"],
            real["tx_count"],
        )
        assert row["fees_btc"] == pytest.approx(fees / 1e8, abs=1e-12)
        if read == "raw":
            assert (row["size"], row["outputs"]) == (real["bytes"], real["output_count"])
            assert row["coinbase_btc"] == pytest.approx(real["coinbase_btc"], abs=1e-12)


@pytest.mark.realdata
def test_a_node_that_sends_the_bytes_of_another_block_is_not_believed(serve, real_data):
    files = sorted((real_data / "blocks").glob("*.raw"))
    raw = files[0].read_bytes()
    at = int.from_bytes(raw[68:72], "little")
    block = Made("ab" * 32, raw[4:36][::-1].hex(), 277_647, at, raw=raw)
    settings = {"first_height": block.height, "read": "raw"}
    now = datetime.fromtimestamp(at, UTC) + timedelta(days=1)
    with pytest.raises(SourceError, match="cannot be read"):
        updated(serve(BitcoinNode([replace(block)]), settings=settings, now=now), now=now)
