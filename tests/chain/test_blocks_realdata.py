"""The six blocks of the real folder against its index, the twin and python-bitcoinlib."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import numpy as np
import pytest
from bitcoin.core import CTransaction
from bitcoin.core.serialize import VarIntSerializer

from pipeline.chain.block import check_block, coinbase_height, coinbase_value, fees, parse_block
from pipeline.chain.issuance import subsidy
from tests.support.fuzzed_transactions import disagreement
from tests.support.raw_blocks import random_transaction

HEIGHTS = (277_647, 300_025, 413_567, 481_829, 574_200, 702_861)


@pytest.fixture(scope="module")
def index(real_data):
    with (real_data / "blocks" / "index.csv").open(encoding="utf-8") as file:
        rows = {int(row["height"]): row for row in csv.DictReader(file)}
    assert tuple(rows) == HEIGHTS
    return rows


@pytest.fixture(scope="module", params=HEIGHTS)
def known(request, index, real_data):
    row = index[request.param]
    return row, (real_data / "blocks" / row["file"]).read_bytes()


@pytest.mark.realdata
def test_a_real_block_is_what_the_index_says(known):
    row, raw = known
    height = int(row["height"])
    block = parse_block(raw)
    check_block(block)
    assert block.header.hash_hex == row["hash"]
    assert datetime.fromtimestamp(block.header.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") == row["time_utc"]
    assert block.size == int(row["bytes"])
    assert len(block) == int(row["tx_count"])
    assert block.outputs.value.size == int(row["output_count"])
    assert block.outputs.value.size - int(block.tx.n_outputs[0]) == int(row["non_coinbase_outputs"])
    assert coinbase_height(block) == height
    assert coinbase_value(block) == Decimal(row["coinbase_btc"]) * 10**8
    assert fees(block, height) == coinbase_value(block) - subsidy(height) > 0


@pytest.mark.realdata
def test_a_real_block_is_read_as_its_twin_reads_it(known):
    differs, verdict = disagreement(known[1], block=True)
    assert differs is None
    assert verdict.fault is None


def read_by_bitcoinlib(stream):
    one = CTransaction.stream_deserialize(stream)
    return one, one.GetTxid()


@pytest.mark.realdata
def test_a_real_block_is_read_as_python_bitcoinlib_reads_it(known):
    block = parse_block(known[1])
    stream = BytesIO(known[1])
    stream.seek(80)
    theirs = [read_by_bitcoinlib(stream) for _ in range(VarIntSerializer.stream_deserialize(stream))]
    compare_with_bitcoinlib(block, theirs)


@pytest.mark.realdata
def test_blocks_with_and_without_witness_are_both_there(index, real_data):
    shares = {
        height: float(
            parse_block((real_data / "blocks" / row["file"]).read_bytes(), txids=False).tx.is_segwit.mean()
        )
        for height, row in index.items()
    }
    assert shares[413_567] == 0.0
    assert shares[702_861] > 0.5


def test_generated_transactions_are_read_as_python_bitcoinlib_reads_them():
    from random import Random

    from pipeline.chain.block import parse_transactions

    random = Random(4)
    raws = [random_transaction(random) for _ in range(300)]
    compare_with_bitcoinlib(
        parse_transactions(b"".join(raws)), [read_by_bitcoinlib(BytesIO(raw)) for raw in raws]
    )


def compare_with_bitcoinlib(ours, theirs):
    assert [row.tobytes() for row in ours.txid] == [txid for _, txid in theirs]
    outs = [out for one, _ in theirs for out in one.vout]
    ins = [entry for one, _ in theirs for entry in one.vin]
    assert ours.outputs.value.tolist() == [out.nValue for out in outs]
    assert ours.outputs.script_size.tolist() == [len(out.scriptPubKey) for out in outs]
    assert ours.inputs.script_size.tolist() == [len(entry.scriptSig) for entry in ins]
    assert ours.inputs.sequence.tolist() == [entry.nSequence for entry in ins]
    assert ours.inputs.vout.tolist() == [entry.prevout.n for entry in ins]
    np.testing.assert_array_equal(
        ours.previous_txid, np.frombuffer(b"".join(e.prevout.hash for e in ins), np.uint8).reshape(-1, 32)
    )
    assert ours.tx.version.tolist() == [one.nVersion for one, _ in theirs]
    assert ours.tx.locktime.tolist() == [one.nLockTime for one, _ in theirs]
    items = []
    for one, _ in theirs:
        held = one.wit.vtxinwit or [None] * len(one.vin)
        items += [len(each.scriptWitness.stack) if each else 0 for each in held]
    assert ours.inputs.witness_items.tolist() == items
