"""The kernel against the readable twin, on damaged and whole transactions, and its source as plain Python."""

import sys
from random import Random

import numpy as np
import pytest

from benchmarks.chain_fuzz import fuzz
from pipeline.chain import kernel
from pipeline.chain.block import parse_transactions
from tests.support.fuzzed_transactions import Cliff, Verdict, damaged, disagreement
from tests.support.hostile_transactions import hostile
from tests.support.raw_blocks import GENESIS, random_transaction, small_block

linux = pytest.mark.skipif(sys.platform != "linux", reason="guards a page by mprotect")


@linux
def test_damaged_transactions_are_refused_alike_without_a_crash():
    answer = fuzz(2_000, 3, [])
    assert answer["crashes"] == answer["disagreements"] == answer["over_memory"] == 0, answer["broken"]
    assert 0.2 < answer["accepted"] / answer["cases"] < 0.8
    assert len(answer["faults"]) >= 9


def test_the_hostile_cases_are_refused_alike():
    for _, raw, _ in hostile():
        assert disagreement(raw)[0] is None


def test_blocks_and_damaged_blocks_are_read_alike():
    random = Random(5)
    whole = small_block(8)
    for raw in (GENESIS, whole):
        assert disagreement(raw, block=True) == (None, Verdict(None, None))
    faults = set()
    for _ in range(300):
        raw = bytearray(whole)
        raw[random.choice((80, random.randrange(80, len(raw))))] ^= 1 << random.randrange(8)
        del raw[random.choice((len(raw), len(raw), random.randrange(len(raw)))) :]
        differs, verdict = disagreement(bytes(raw), block=True)
        assert differs is None
        faults.add(verdict.fault)
    assert {None, "truncated", "left_over"} <= faults


@linux
def test_nothing_is_read_beyond_the_last_byte_at_any_cut():
    cliff, random = Cliff(), Random(11)
    for _ in range(12):
        raw = random_transaction(random)
        for length in range(len(raw)):
            assert cliff.walk(raw[:length]).fault
        assert cliff.walk(raw).fault == 0


def test_the_source_says_the_same_as_plain_python():
    random = Random(2)
    nothing, kinds, octet = np.empty((0, 0), np.int64), np.empty(0, np.int8), np.empty(0, np.uint8)
    for _ in range(150):
        raw = np.frombuffer(damaged(random, []), np.uint8)
        arguments = (raw, 0, -1, kernel.UNLIMITED, nothing, kinds, octet)
        compiled = kernel.count_rows(*arguments)
        plain = kernel.walk.py_func(
            raw, 0, -1, kernel.UNLIMITED, nothing, nothing, nothing, kinds, octet, fill=False, strip=False
        )
        assert tuple(plain) == tuple(compiled)


def test_a_concatenation_is_read_like_its_parts():
    random = Random(9)
    parts = [random_transaction(random) for _ in range(20)]
    together = parse_transactions(b"".join(parts))
    alone = [parse_transactions(part) for part in parts]
    np.testing.assert_array_equal(together.txid, np.concatenate([one.txid for one in alone]))
    np.testing.assert_array_equal(
        together.outputs.value, np.concatenate([one.outputs.value for one in alone])
    )
