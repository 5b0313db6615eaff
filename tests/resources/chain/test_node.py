"""A Bitcoin Core node over real HTTP on loopback: batches, resuming, pruned blocks, and faults."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.chain.canonical import day_totals, faults_of
from pipeline.errors import ConfigError, SourceError
from resources.chain import rpc
from resources.chain.node import Node
from resources.clock import SimulatedClock
from tests.support.loopback.bitcoin import BitcoinNode, Made, made_chain
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import Reply, as_json
from tests.support.node_source import (
    NOTHING,
    NOW,
    SETTINGS,
    Held,
    active,
    header,
    stats,
    updated,
)


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


def test_a_node_that_has_not_reached_the_first_height_says_so(serve):
    source = serve(BitcoinNode(made_chain(8)), settings={"first_height": 12})
    stored, pieces = updated(source)
    assert stored.is_empty()
    assert "behind 12" in pieces[0].findings[0].reason


def test_a_first_height_below_what_is_stored_is_refused(serve):
    node = BitcoinNode(made_chain(20))
    stored, _ = updated(serve(node, settings={"first_height": 12}))
    with pytest.raises(ConfigError, match="stored blocks begin at 12"):
        updated(serve(node), stored)


def test_a_block_that_is_still_to_come_is_a_refusal_and_not_a_block_without_fees(serve):
    node = BitcoinNode(made_chain(6), pruned_below=4, missing="Block not available (not fully downloaded)")
    with pytest.raises(SourceError, match="not fully downloaded"):
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
