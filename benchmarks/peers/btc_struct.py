"""A block parser as one writes it with ``struct``: tuples and slices, and the txid of each transaction.

It checks nothing, so it does less than ours; the garbage collector runs as it does in any Python program.
"""

import platform
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from typing import Any

import numpy as np

VERSION = f"struct, Python {platform.python_version()}"

_INT32 = Struct("<i")
_UINT16, _UINT32, _UINT64 = Struct("<H"), Struct("<I"), Struct("<Q")
_OUTPOINT = Struct("<32sI")


class Found:
    """What was parsed, turned into arrays only when the answer is asked for, outside the time."""

    def __init__(self, blocks: list[list[tuple[Any, ...]]]) -> None:
        self.transactions = [one for block in blocks for one in block]

    def keys(self) -> Iterator[str]:
        """Names of the arrays."""
        return iter(("txid", "value", "sequence", "witness_items"))

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one array."""
        if name == "txid":
            return np.frombuffer(b"".join(one[5] or b"" for one in self.transactions), np.uint8)
        if name == "value":
            return np.array([value for one in self.transactions for value, _ in one[2]], np.int64)
        if name == "sequence":
            return np.array([entry[3] for one in self.transactions for entry in one[1]], np.int64)
        stacks = [one[3] or [()] * len(one[1]) for one in self.transactions]
        return np.array([len(items) for stack in stacks for items in stack], np.int64)


def blocks_of(data: dict[str, np.ndarray]) -> list[bytes]:
    """Return the blocks of the workload."""
    bounds = data["bounds"].tolist()
    return [data["blocks"][a:b].tobytes() for a, b in pairwise(bounds)]


def compact_size(raw: bytes, at: int) -> tuple[int, int]:
    """Return a count and the place after it."""
    first = raw[at]
    if first < 253:
        return first, at + 1
    if first == 253:
        return _UINT16.unpack_from(raw, at + 1)[0], at + 3
    if first == 254:
        return _UINT32.unpack_from(raw, at + 1)[0], at + 5
    return _UINT64.unpack_from(raw, at + 1)[0], at + 9


def parse(raw: bytes, *, txids: bool) -> list[tuple[Any, ...]]:
    """Return ``(version, inputs, outputs, witness, locktime, txid)`` of each transaction of a block."""
    count, at = compact_size(raw, 80)
    found = []
    for _ in range(count):
        begin = at
        version = _INT32.unpack_from(raw, at)[0]
        at += 4
        segwit = raw[at] == 0
        if segwit:
            at += 2
        body = at
        n_inputs, at = compact_size(raw, at)
        inputs = []
        for _ in range(n_inputs):
            previous, vout = _OUTPOINT.unpack_from(raw, at)
            size, at = compact_size(raw, at + 36)
            script = raw[at : at + size]
            at += size
            inputs.append((previous, vout, script, _UINT32.unpack_from(raw, at)[0]))
            at += 4
        n_outputs, at = compact_size(raw, at)
        outputs = []
        for _ in range(n_outputs):
            value = _UINT64.unpack_from(raw, at)[0]
            size, at = compact_size(raw, at + 8)
            outputs.append((value, raw[at : at + size]))
            at += size
        after = at
        witness = None
        if segwit:
            witness = []
            for _ in range(n_inputs):
                n_items, at = compact_size(raw, at)
                items = []
                for _ in range(n_items):
                    size, at = compact_size(raw, at)
                    items.append(raw[at : at + size])
                    at += size
                witness.append(items)
        locktime = _UINT32.unpack_from(raw, at)[0]
        at += 4
        txid = None
        if txids:
            stripped = raw[begin:at]
            if segwit:
                stripped = raw[begin : begin + 4] + raw[body:after] + raw[at - 4 : at]
            txid = sha256(sha256(stripped).digest()).digest()
        found.append((version, inputs, outputs, witness, locktime, txid))
    return found


def prepare(data: dict[str, np.ndarray]) -> Callable[[], Found]:
    """Hold the blocks ready and return the call."""
    blocks = blocks_of(data)
    return lambda: Found([parse(raw, txids=True) for raw in blocks])
