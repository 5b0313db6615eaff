"""Blocks made here and the first block of all, whose numbers everybody knows."""

import tracemalloc
from random import Random

import numpy as np
import pytest

from pipeline.chain import twin
from pipeline.chain.block import (
    OutputKind,
    check_block,
    coinbase_height,
    coinbase_value,
    fees,
    merkle_root,
    parse_block,
    parse_header,
    parse_transactions,
    target,
)
from pipeline.chain.hashes import as_hashes
from pipeline.errors import DataError
from tests.support.hostile_transactions import hostile
from tests.support.raw_blocks import (
    COIN,
    GENESIS,
    HEIGHT,
    REGTEST_LIMIT,
    SCRIPTS,
    block,
    coinbase,
    compact,
    double,
    pay,
    root_of,
    sized,
    small_block,
    spend,
    transaction,
)


def test_the_first_block_is_read_as_the_world_knows_it():
    first = parse_block(GENESIS)
    assert first.header.hash_hex == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert first.header.merkle_root[::-1].hex().startswith("4a5e1e4baab89f3a32518a88c31bc87f618f7667")
    assert (first.header.version, first.header.time, first.header.nonce) == (1, 1_231_006_505, 2_083_236_893)
    assert first.header.bits == 0x1D00FFFF
    assert first.header.previous_hex == "00" * 32
    assert first.txid_hex(0) == "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    assert (len(first), first.size, first.weight) == (1, 285, 4 * 285)
    assert first.outputs.value.tolist() == [50 * COIN]
    assert first.outputs.kind.tolist() == [OutputKind.P2PK]
    assert coinbase_value(first) == 50 * COIN
    assert fees(first, 0) == 0
    assert coinbase_height(first) is None
    check_block(first)


def test_columns_of_a_legacy_and_a_segwit_transaction():
    old = transaction(
        (spend(b"\x01" * 32, 7, b"abc", 5),), (pay(9, b"\x6a\x01x"), pay(4)), version=-3, locktime=8
    )
    new = transaction((spend(), spend(b"\x02" * 32)), (pay(2),), [[b"", b"q" * 300], []], locktime=2**32 - 1)
    both = parse_transactions(old + new)
    tx, inputs, outputs = both.tx, both.inputs, both.outputs
    assert tx.offset.tolist() == [0, len(old)]
    assert tx.size.tolist() == [len(old), len(new)]
    assert tx.stripped_size.tolist() == [len(old), len(new) - 2 - (1 + 1 + 3 + 300) - 1]
    assert tx.weight.tolist() == [4 * len(old), 3 * int(tx.stripped_size[1]) + len(new)]
    assert tx.is_segwit.tolist() == [False, True]
    assert (tx.n_inputs.tolist(), tx.first_input.tolist()) == ([1, 2], [0, 1])
    assert (tx.n_outputs.tolist(), tx.first_output.tolist()) == ([2, 1], [0, 2])
    assert (tx.version.tolist(), tx.locktime.tolist()) == ([-3, 2], [8, 2**32 - 1])
    assert tx.output_value.tolist() == [13, 2]
    assert both.previous_txid[:, 0].tolist() == [1, 0x11, 2]
    assert (inputs.vout.tolist(), inputs.sequence.tolist()) == ([7, 0, 0], [5, 2**32 - 2, 2**32 - 2])
    assert inputs.script_size.tolist() == [3, 0, 0]
    assert both.raw[inputs.script[0] : inputs.script[0] + 3] == b"abc"
    assert inputs.witness_items.tolist() == [0, 2, 0]
    assert inputs.witness_size.tolist() == [0, 1 + 1 + 3 + 300, 1]
    assert outputs.value.tolist() == [9, 4, 2]
    assert outputs.kind.tolist() == [OutputKind.OP_RETURN, OutputKind.P2WPKH, OutputKind.P2WPKH]
    assert both.raw[outputs.script[0] : outputs.script[0] + outputs.script_size[0]] == b"\x6a\x01x"
    assert both.txid[0].tobytes() == double(old)
    assert both.txid[1].tobytes() == twin.read_transactions(new)[0].txid


@pytest.mark.parametrize("kind", list(SCRIPTS))
def test_scripts_are_told_apart(kind):
    for script in SCRIPTS[kind]:
        found = parse_transactions(transaction(outputs=(pay(1, script),)), txids=False)
        assert OutputKind(int(found.outputs.kind[0])).name == kind


@pytest.mark.parametrize(
    "script",
    [
        b"\x52" + (b"\x21\x02" + bytes(32)) + b"\x51\xae",  # two of one
        b"\x51" + (b"\x21\x05" + bytes(32)) + b"\x51\xae",  # not the first byte of a key
        b"\x51" + (b"\x21\x02" + bytes(32)) + b"\x52\xae",  # says two keys, has one
        b"\x51" + (b"\x21\x02" + bytes(31)) + b"\x51\xae",  # a key cut short
        b"\x51" + (b"\x20\x02" + bytes(31)) * 2 + b"\x52\xae",
        b"\x50" + (b"\x21\x02" + bytes(32)) + b"\x51\xae",
        b"\x21\x04" + bytes(32) + b"\xac",
        b"\x52\x20" + bytes(32),
        b"\xa9\x14" + bytes(20) + b"\x88",
    ],
)
def test_scripts_that_only_resemble_a_kind_are_other(script):
    found = parse_transactions(transaction(outputs=(pay(1, script),)), txids=False)
    assert found.outputs.kind.tolist() == [OutputKind.OTHER]


def test_a_block_made_here_holds_together():
    raw = small_block()
    found = parse_block(raw)
    check_block(found, limit=REGTEST_LIMIT)
    assert len(found) == 4
    assert coinbase_height(found) == HEIGHT
    assert fees(found, HEIGHT) == 1_234
    assert found.weight == 3 * (int(found.tx.stripped_size.sum()) + 81) + len(raw)
    assert parse_header(raw) == found.header


@pytest.mark.parametrize("height", [17, 127, 128, 255, 256, 32_767, 32_768, 227_931, 8_388_607, 8_388_608])
def test_a_coinbase_tells_its_height(height):
    assert coinbase_height(parse_block(small_block(0, height=height))) == height


@pytest.mark.parametrize(
    ("script", "height"),
    [
        (b"\x00\x00", 0),
        (b"\x51\x00", 1),
        (b"\x60\x00", 16),
        (b"\x03\x01\x02", None),  # ends too early
        (b"\x02\x01\x80", None),  # negative
        (b"\x05\x01\x02\x03\x04\x05", None),
        (b"\x61\x61", None),
        (b"", None),
    ],
)
def test_other_beginnings_of_a_coinbase(script, height):
    body = transaction((spend(bytes(32), 0xFFFF_FFFF, script),))
    assert coinbase_height(parse_block(block([body], [double(body)]))) == height


def test_a_miner_may_take_less_than_is_due():
    assert fees(parse_block(small_block(0, paid=7)), HEIGHT) == 7 - 625_000_000


def test_without_txids_all_but_the_txids_is_there():
    raw = small_block()
    with_, without = parse_block(raw), parse_block(raw, txids=False)
    assert without.txid is None
    for left, right in (
        (with_.tx, without.tx),
        (with_.inputs, without.inputs),
        (with_.outputs, without.outputs),
    ):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(DataError, match="without txids"):
        check_block(without, limit=REGTEST_LIMIT)
    with pytest.raises(DataError, match="without txids"):
        without.txid_hex(0)


@pytest.mark.parametrize("as_", [bytearray, memoryview, lambda raw: memoryview(bytearray(raw))])
def test_any_kind_of_bytes_is_read_and_kept_as_it_was(as_):
    raw = small_block()
    given = as_(raw)
    found = parse_block(given)
    assert found.raw == raw
    if isinstance(given, bytearray):
        given[100:140] = bytes(40)
        assert found.raw == raw
    np.testing.assert_array_equal(found.txid, parse_block(raw).txid)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 11, 12, 100])
def test_merkle_roots_of_any_number_of_transactions(count):
    txids = [Random(i).randbytes(32) for i in range(count)]
    assert merkle_root(as_hashes(b"".join(txids))) == root_of(txids)


def test_a_repeated_pair_in_the_tree_is_refused():
    txids = [Random(i).randbytes(32) for i in range(6)]
    forged = txids + txids[4:]
    assert root_of(forged) == root_of(txids)
    with pytest.raises(DataError, match="repeats itself"):
        merkle_root(as_hashes(b"".join(forged)))
    with pytest.raises(DataError, match="without transactions"):
        merkle_root(np.empty((0, 32), np.uint8))


def test_a_changed_transaction_does_not_fit_the_header():
    raw = bytearray(small_block())
    raw[-1] ^= 1
    with pytest.raises(DataError, match="not the header's"):
        check_block(parse_block(bytes(raw)), limit=REGTEST_LIMIT)


def test_a_header_without_work_is_refused():
    raw = bytearray(GENESIS)
    raw[76] ^= 1
    with pytest.raises(DataError, match="no proof of work"):
        check_block(parse_block(bytes(raw)))
    with pytest.raises(DataError, match="easier than allowed"):
        check_block(parse_block(small_block()))


def test_a_block_has_one_coinbase_and_it_comes_first():
    first, other = coinbase(HEIGHT, 1), transaction()
    with pytest.raises(DataError, match="is no coinbase"):
        check_block(parse_block(block([other], [double(other)])), limit=REGTEST_LIMIT)
    with pytest.raises(DataError, match="is no coinbase"):
        coinbase_value(parse_block(block([other], [double(other)])))
    twice = [first, coinbase(HEIGHT + 1, 1)]
    with pytest.raises(DataError, match="second coinbase"):
        check_block(parse_block(block(twice, [double(one) for one in twice])), limit=REGTEST_LIMIT)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(0x1D00FFFF, 0xFFFF << 208), (0x207FFFFF, REGTEST_LIMIT), (0x03123456, 0x123456), (0x02123456, 0x1234)],
)
def test_targets_in_compact_form(bits, expected):
    assert target(bits) == expected


@pytest.mark.parametrize("bits", [0, 0x01003456, 0x1D80FFFF, 0x23000001, 0xFF7FFFFF])
def test_what_is_no_target_is_refused(bits):
    with pytest.raises(DataError, match="not a target"):
        target(bits)


CASES = list(hostile())


@pytest.mark.parametrize(
    ("fault", "raw", "at"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)]
)
def test_hostile_transactions_are_refused_with_place_and_rule(fault, raw, at):
    with pytest.raises(DataError) as refused:
        parse_transactions(raw)
    assert (refused.value.field, refused.value.value) == (fault, at)
    assert refused.value.constraint
    assert f"byte {at}" in refused.value.what


def test_hostile_blocks_are_refused():
    raw = small_block()
    cases = {
        "left_over": raw + b"\0",
        "truncated": raw[:-1],
        "no_transactions": raw[:80] + b"\0",
        "oversized": raw[:80] + compact(2**40) + raw[81:],
        "not_canonical": raw[:80] + b"\xfd\x04\x00" + raw[81:],
    }
    for fault, bad in cases.items():
        with pytest.raises(DataError) as refused:
            parse_block(bad)
        assert refused.value.field == fault
    for length in (0, 79, 80):
        with pytest.raises(DataError) as refused:
            parse_block(raw[:length])
        assert refused.value.field == "truncated"
    with pytest.raises(DataError, match="bytes end too early"):
        parse_header(raw[:79])
    with pytest.raises(TypeError):
        parse_block(10**12)


def test_the_transactions_of_a_block_share_its_weight():
    heavy = transaction(outputs=(pay(1, b"\x6a" + bytes(499_850)),))
    assert len(parse_transactions(heavy * 3)) == 3
    with pytest.raises(DataError) as refused:
        parse_block(block([coinbase(1, 1), heavy, heavy], [bytes(32)] * 3))
    assert refused.value.field == "overweight"
    assert refused.value.what.startswith("transaction 2")


def test_memory_stays_within_a_few_times_the_bytes():
    raw = transaction() * 5_000
    parse_transactions(raw)
    tracemalloc.start()
    parse_transactions(raw)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * len(raw)


def test_a_script_of_any_length_up_to_a_block_is_read():
    for size in (252, 253, 254, 65_535, 65_536, 900_000):
        raw = transaction((spend(script=bytes(size)),))
        found = parse_transactions(raw)
        assert found.inputs.script_size.tolist() == [size]
        assert sized(bytes(size)) in found.raw
