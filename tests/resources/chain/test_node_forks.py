"""A node whose chain is not the stored one: forks, updates at once, nodes behind or of another network."""

from datetime import timedelta

import polars as pl
import pytest

from pipeline.chain.canonical import faults_of
from pipeline.errors import ConfigError, SourceError
from tests.support.loopback.bitcoin import BitcoinNode, made_chain
from tests.support.node_source import NOW, Held, active, updated


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
