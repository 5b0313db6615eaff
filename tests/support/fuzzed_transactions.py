"""Transactions damaged at random, and the comparison of the kernel with its twin on them."""

import ctypes
import mmap
from dataclasses import dataclass
from random import Random

import numpy as np

from pipeline.chain import kernel, twin
from pipeline.chain.block import Transactions, parse_block, parse_transactions
from pipeline.errors import DataError
from tests.support.raw_blocks import random_transaction

HOSTILE = (
    b"\xfd\x00\x00",
    b"\xfd\xfc\x00",
    b"\xfd\xff\xff",
    b"\xfe\xff\xff\x00\x00",
    b"\xfe\x00\x00\x00\x02",
    b"\xfe\x01\x00\x00\x02",
    b"\xfe\xff\xff\xff\xff",
    b"\xff" + b"\xff" * 8,
    b"\xff\x00\x00\x00\x00\x01\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\x00\x00\x00\x00",
    b"\x00\x01",
    b"\x00\x02",
    b"\x00",
    b"\xff" * 8,
    b"\x00\x40\x07\x5a\xf0\x75\x07\x00",
    b"\x01\x40\x07\x5a\xf0\x75\x07\x00",
)


@dataclass(frozen=True)
class Verdict:
    """What became of some bytes: read, or refused with a fault at a place."""

    fault: str | None
    at: int | None

    @classmethod
    def of(cls, read, raw):
        try:
            return read(raw), cls(None, None)
        except DataError as refused:
            return None, cls(refused.field, refused.value)


def damaged(random: Random, seeds: list[bytes]) -> bytes:
    """Bytes that began as one of the seeds or as a generated transaction."""
    raw = bytearray(random.choice(seeds) if seeds and random.random() < 0.6 else random_transaction(random))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        _damage(random, raw, seeds)
    return bytes(raw)


def _damage(random: Random, raw: bytearray, seeds: list[bytes]) -> None:
    place = random.randrange(len(raw) + 1)
    if random.random() < 0.4:  # counts and lengths stand near the head
        place = min(place, random.choice((4, 5, 6, 41, 42, 43, 46, 47, 48)))
    way = random.randrange(7)
    if way == 0:
        for _ in range(random.choice((1, 1, 2, 8))):
            if raw:
                raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    elif way == 1:
        del raw[place:]
    elif way == 2:
        hostile = random.choice(HOSTILE)
        raw[place : place + random.choice((0, 1, len(hostile)))] = hostile
    elif way == 3:
        other = random.choice(seeds) if seeds else random_transaction(random)
        raw[place:] = other[random.randrange(len(other)) :]
    elif way == 4:
        raw[place:place] = random.randbytes(random.randrange(1, 9))
    elif way == 5:
        del raw[place : place + random.randrange(1, 9)]
    else:
        raw += random.choice(seeds) if seeds else random_transaction(random)


def disagreement(raw: bytes, *, block: bool = False) -> tuple[str | None, Verdict]:
    """Say in what kernel and twin differ on some bytes, None when in nothing, and the verdict."""
    ours, verdict = Verdict.of(parse_block if block else parse_transactions, raw)
    theirs, expected = Verdict.of(twin.read_block if block else twin.read_transactions, raw)
    if verdict != expected:
        return f"{verdict} but {expected}", verdict
    return None if ours is None else difference(ours, theirs), verdict


def difference(ours: Transactions, theirs: list[twin.Transaction]) -> str | None:
    """Name the first column that is not what the twin read, None when all are."""
    inputs = [entry for one in theirs for entry in one.inputs]
    outputs = [entry for one in theirs for entry in one.outputs]
    stacks = [
        items
        for one in theirs
        for items in (one.witness if one.witness is not None else [None] * len(one.inputs))
    ]
    raw, spent, paid, tx = ours.raw, ours.inputs, ours.outputs, ours.tx

    def texts(places, sizes):
        return [raw[a : a + n] for a, n in zip(places.tolist(), sizes.tolist(), strict=True)]

    pairs = {
        "offset": (tx.offset.tolist(), [one.offset for one in theirs]),
        "size": (tx.size.tolist(), [one.size for one in theirs]),
        "stripped_size": (tx.stripped_size.tolist(), [len(one.stripped) for one in theirs]),
        "weight": (tx.weight.tolist(), [one.weight for one in theirs]),
        "n_inputs": (tx.n_inputs.tolist(), [len(one.inputs) for one in theirs]),
        "n_outputs": (tx.n_outputs.tolist(), [len(one.outputs) for one in theirs]),
        "first_input": (tx.first_input.tolist(), _starts(len(one.inputs) for one in theirs)),
        "first_output": (tx.first_output.tolist(), _starts(len(one.outputs) for one in theirs)),
        "version": (tx.version.tolist(), [one.version for one in theirs]),
        "locktime": (tx.locktime.tolist(), [one.locktime for one in theirs]),
        "output_value": (tx.output_value.tolist(), [sum(o.value for o in one.outputs) for one in theirs]),
        "is_segwit": (tx.is_segwit.tolist(), [one.witness is not None for one in theirs]),
        "txid": ([row.tobytes() for row in ours.txid], [one.txid for one in theirs]),
        "previous": ([row.tobytes() for row in ours.previous_txid], [one.previous for one in inputs]),
        "vout": (spent.vout.tolist(), [one.vout for one in inputs]),
        "input script": (texts(spent.script, spent.script_size), [one.script for one in inputs]),
        "sequence": (spent.sequence.tolist(), [one.sequence for one in inputs]),
        "witness_items": (spent.witness_items.tolist(), [len(items or ()) for items in stacks]),
        "witness_size": (spent.witness_size.tolist(), [_witness_size(items) for items in stacks]),
        "value": (paid.value.tolist(), [one.value for one in outputs]),
        "output script": (texts(paid.script, paid.script_size), [one.script for one in outputs]),
        "kind": (paid.kind.tolist(), [int(one.kind) for one in outputs]),
    }
    return next((name for name, (left, right) in pairs.items() if left != right), None)


def _starts(counts):
    places = [0]
    for count in counts:
        places.append(places[-1] + count)
    return places[:-1]


def _witness_size(items):
    def width(size):
        return 1 if size < 253 else 3 if size < 2**16 else 5

    if items is None:
        return 0
    return width(len(items)) + sum(width(len(item)) + len(item) for item in items)


class Cliff:
    """Memory that ends where a page begins that none may touch: one byte read too far kills the process."""

    def __init__(self, size: int = 1 << 22) -> None:
        self._map = mmap.mmap(-1, size + mmap.PAGESIZE)
        self._octets = np.frombuffer(self._map, np.uint8)
        self._size = size
        edge = self._octets.ctypes.data + size
        if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(edge), mmap.PAGESIZE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")

    def walk(self, raw: bytes) -> kernel.Walked:
        """Count and fill with the bytes standing at the edge."""
        octets = self._octets[self._size - len(raw) : self._size]
        octets[:] = np.frombuffer(raw, np.uint8)
        nothing, kinds, octet = np.empty((0, 0), np.int64), np.empty(0, np.int8), np.empty(0, np.uint8)
        found = kernel.count_rows(octets, 0, -1, kernel.UNLIMITED, nothing, kinds, octet)
        if not found.fault:
            tables = [
                np.empty((rows, count), np.int64)
                for rows, count in (
                    (kernel.TRANSACTION_ROWS, found.transactions),
                    (kernel.INPUT_ROWS, found.inputs),
                    (kernel.OUTPUT_ROWS, found.outputs),
                )
            ]
            stripped = np.empty(found.stripped, np.uint8)
            kinds = np.empty(found.outputs, np.int8)
            kernel.fill_rows(octets, 0, -1, *tables, kinds, stripped, strip=True)
        return found
