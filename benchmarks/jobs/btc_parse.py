"""The six blocks of the real folder into columns, with txids and without, beside plain parsers and hashlib.

``ratio`` is the peer's time over ours throughout, so that against hashlib alone, which does a part of the
work, it is below 1: two thirds mean 1.5 times the floor.  Ours also checks every byte, the peers check none.
"""

from __future__ import annotations

import os
import ssl
import statistics
import time
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import ROOT, Job, Row, machine, measure
from pipeline.errors import DependencyMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.chain.block import Block

TRANSACTIONS = 213 + 461 + 1557 + 2020 + 3315 + 2500
"""In the six blocks, by the folder's index."""


def workload(_seed: int) -> dict[str, np.ndarray]:
    """Read the blocks, and lay out their stripped transactions for the floor."""
    from pipeline.chain import twin

    folder = Path(os.environ.get("EIGHTBELLS_DATA") or ROOT.parent / "shared" / "data") / "blocks"
    raws = [path.read_bytes() for path in sorted(folder.glob("*.raw"))]
    if not raws:
        raise DependencyMissingError(
            "there are no blocks", "EIGHTBELLS_DATA", str(folder), fix="name the folder of real data"
        )
    stripped = [one.stripped for raw in raws for one in twin.read_block(raw)]
    return {
        "blocks": np.frombuffer(b"".join(raws), np.uint8),
        "bounds": _bounds(raws),
        "stripped": np.frombuffer(b"".join(stripped), np.uint8),
        "stripped_bounds": _bounds(stripped),
    }


def with_txids(data: Mapping[str, np.ndarray]) -> Callable[[], list[Block]]:
    """Return the product's call for each block."""
    return _parse(data, txids=True)


def without_txids(data: Mapping[str, np.ndarray]) -> Callable[[], list[Block]]:
    """Return the product's call without hashing."""
    return _parse(data, txids=False)


def check(answer: list[Block], peer: Mapping[str, np.ndarray]) -> str:
    """Compare all txids and what the peer read of inputs and outputs."""
    ours = {
        "value": np.concatenate([block.outputs.value for block in answer]),
        "sequence": np.concatenate([block.inputs.sequence for block in answer]),
        "witness_items": np.concatenate([block.inputs.witness_items for block in answer]),
    }
    txids = [block.txid for block in answer if block.txid is not None]
    if txids:
        ours["txid"] = np.concatenate(txids).reshape(-1)
    for name, theirs in peer.items():
        if name in ours:
            np.testing.assert_array_equal(ours[name], theirs.reshape(-1), err_msg=name)
    return f"equal: {', '.join(name for name in peer if name in ours)}"


def floor(data: Mapping[str, np.ndarray]) -> Row:
    """Measure against double SHA-256 of the stripped transactions, which lie ready one by one.

    Both take CPU time in one process, in turns, so that other programs do not matter.
    """
    bounds = data["stripped_bounds"].tolist()
    ready = [data["stripped"][a:b].tobytes() for a, b in pairwise(bounds)]
    parse = with_txids(data)

    def hash_ready() -> None:
        for one in ready:
            sha256(sha256(one).digest()).digest()

    parse()
    taken = [(_cpu(parse), _cpu(hash_ready)) for _ in range(51)]
    return Row(
        "btc_parse-floor",
        statistics.median(ours for ours, _ in taken),
        f"hashlib alone, {ssl.OPENSSL_VERSION}",
        statistics.median(theirs for _, theirs in taken),
        statistics.median(theirs / ours for ours, theirs in taken),
        "transactions",
        TRANSACTIONS,
        machine(),
        1,
        "with txids, against their double SHA-256 alone, CPU time",
    )


def more(data: Mapping[str, np.ndarray]) -> list[Row]:
    """Measure against the floor, and without txids."""
    return [floor(data), *measure(PLAIN)]


def _cpu(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def _parse(data: Mapping[str, np.ndarray], *, txids: bool) -> Callable[[], list[Block]]:
    from pipeline.chain.block import parse_block

    bounds = data["bounds"].tolist()
    raws = [data["blocks"][a:b].tobytes() for a, b in pairwise(bounds)]
    return lambda: [parse_block(raw, txids=txids) for raw in raws]


def _bounds(parts: list[bytes]) -> np.ndarray:
    return np.cumsum([0, *map(len, parts)])


PLAIN = Job(
    name="btc_parse-plain",
    unit="transactions",
    n=TRANSACTIONS,
    workload=workload,
    ours=without_txids,
    peers=("btc_struct_plain",),
    check=check,
    rounds=51,
    notes="without txids",
)
JOBS = (
    Job(
        name="btc_parse",
        unit="transactions",
        n=TRANSACTIONS,
        workload=workload,
        ours=with_txids,
        peers=("btc_struct", "btc_bitcoinlib"),
        check=check,
        rounds=25,
        notes="six real blocks, 5.06 MB, with txids, one thread",
        more=more,
    ),
)
