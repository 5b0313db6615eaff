"""python-bitcoinlib: every transaction of the blocks as its objects, with txids."""

from collections.abc import Callable, Iterator
from io import BytesIO

import bitcoin
import numpy as np
from bitcoin.core import CTransaction
from bitcoin.core.serialize import VarIntSerializer

from benchmarks.peers.btc_struct import blocks_of

VERSION = f"python-bitcoinlib {bitcoin.__version__}"


class Found:
    """What was parsed, turned into arrays only when the answer is asked for, outside the time."""

    def __init__(self, found: list[tuple[CTransaction, bytes]]) -> None:
        self.found = found

    def keys(self) -> Iterator[str]:
        """Names of the arrays."""
        return iter(("txid", "value", "sequence", "witness_items"))

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one array."""
        if name == "txid":
            return np.frombuffer(b"".join(txid for _, txid in self.found), np.uint8)
        if name == "value":
            return np.array([out.nValue for one, _ in self.found for out in one.vout], np.int64)
        if name == "sequence":
            return np.array([entry.nSequence for one, _ in self.found for entry in one.vin], np.int64)
        counts: list[int] = []
        for one, _ in self.found:
            witnesses = one.wit.vtxinwit or [None] * len(one.vin)
            counts += [len(each.scriptWitness.stack) if each else 0 for each in witnesses]
        return np.array(counts, np.int64)


def prepare(data: dict[str, np.ndarray]) -> Callable[[], Found]:
    """Hold the blocks ready and return the call."""
    blocks = blocks_of(data)

    def call() -> Found:
        found = []
        for raw in blocks:
            stream = BytesIO(raw)
            stream.seek(80)
            for _ in range(VarIntSerializer.stream_deserialize(stream)):
                one = CTransaction.stream_deserialize(stream)
                found.append((one, one.GetTxid()))
        return Found(found)

    return call
