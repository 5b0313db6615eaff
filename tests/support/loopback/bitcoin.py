"""A Bitcoin Core node in the documented format: JSON-RPC 2.0 batches over blocks that a test makes or reads.

Its best chain can be changed at any moment, blocks can be thrown away, and batches can come in part.  What a
test has wronged says so in ``instead``: any answer in the place of the true one.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.support.loopback.server import Reply, Request, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GENESIS_TIME = 1_231_006_505
NO_BLOCK = "0" * 64


@dataclass(frozen=True)
class Made:
    """One block of the node: a synthetic header, and the raw bytes where the test has them."""

    hash: str
    prev_hash: str
    height: int
    time: int
    fees: int = 5_000_000
    txs: int = 3
    raw: bytes | None = None


def made_chain(
    blocks: int, *, seconds: int = 600, start: int = GENESIS_TIME, on: Sequence[Made] = (), word: str = "main"
) -> list[Made]:
    """Return blocks of ten minutes, on top of others; another ``word`` makes other hashes."""
    chain = list(on)
    for _ in range(blocks):
        height = chain[-1].height + 1 if chain else 0
        before = chain[-1].hash if chain else NO_BLOCK
        name = sha256(f"{word} {height} {before}".encode()).hexdigest()
        at = chain[-1].time + seconds if chain else start
        chain.append(Made(name, before, height, at))
    return chain


def _reward(height: int) -> int:
    return 5_000_000_000 >> height // 210_000


class RefusedCallError(Exception):
    """What the node answers instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class BitcoinNode:
    """Answers ``getblockchaininfo``, ``getblockhash``, ``getblockheader``, ``getblockstats``, ``getblock``.

    Parameters
    ----------
    chain
        The best chain, lowest block first; assign another one to make the node change its mind.
    pruned_below
        Blocks below this height are thrown away, their headers kept.
    pair
        User and password, ``user:password``.
    warming
        So many requests are answered with error -28 first.
    partial
        Of so many batches the last answer is left out.
    before_batch
        Called with the number of each batch, counted from 1, before it is answered.
    network
        ``main``, ``test``, ``signet`` or ``regtest``.
    beside
        Blocks beside the best chain that it still knows.
    missing
        What it says of a block that is not there.
    instead
        Method to the result that it gives in any case.
    """

    chain: list[Made]
    pruned_below: int = 0
    pair: str | None = None
    warming: int = 0
    partial: int = 0
    before_batch: Callable[[int], None] = lambda number: None
    network: str = "main"
    beside: Sequence[Made] = ()
    missing: str = "Block not available (pruned data)"
    instead: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    batches: int = 0

    def __call__(self, request: Request) -> Reply:
        """Answer a batch."""
        if self.pair is not None:
            given = request.headers.get("Authorization")
            if given != f"Basic {b64encode(self.pair.encode()).decode()}":
                return Reply(401, b"")
        self.batches += 1
        self.before_batch(self.batches)
        asked = json.loads(request.body)
        if self.warming:
            self.warming -= 1
            error = {"code": -28, "message": "Loading block index..."}
            return as_json([{"id": each["id"], "result": None, "error": error} for each in asked])
        answers = [self._answer(each) for each in asked]
        if self.partial and len(answers) > 1:
            self.partial -= 1
            answers.pop()
        return as_json(answers[::-1])

    def asked(self, method: str) -> list[Any]:
        """Return the first parameter of each call of a method."""
        return [params[0] for name, params in self.calls if name == method]

    def header(self, place: int) -> dict[str, Any]:
        """Return what it says of the header of a block of its chain."""
        return self._getblockheader(self.chain[place].hash)

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((call["method"], call["params"]))
        if call["method"] in self.instead:
            return {"id": call["id"], "result": self.instead[call["method"]]}
        try:
            return {"id": call["id"], "result": getattr(self, f"_{call['method']}")(*call["params"])}
        except RefusedCallError as error:
            return {"id": call["id"], "error": {"code": error.code, "message": str(error)}}

    def _getblockchaininfo(self) -> dict[str, Any]:
        return {"chain": self.network, "blocks": self.chain[-1].height, "pruned": self.pruned_below > 0}

    def _getblockhash(self, height: int) -> str:
        for block in self.chain:
            if block.height == height:
                return block.hash
        raise RefusedCallError(-8, "Block height out of range")

    def _getblockheader(self, name: str) -> dict[str, Any]:
        place, block = self._find(name)
        times = sorted(each.time for each in self.chain[max(0, place - 10) : place + 1])
        header = {
            "hash": block.hash,
            "height": block.height,
            "time": block.time,
            "mediantime": times[len(times) // 2],
            "nTx": block.txs,
            "difficulty": 1.0,
            "confirmations": -1 if block in self.beside else len(self.chain) - place,
        }
        return header if block.prev_hash == NO_BLOCK else header | {"previousblockhash": block.prev_hash}

    def _getblockstats(self, name: str, stats: list[str]) -> dict[str, Any]:
        _, block = self._find(name)
        self._require_kept(block)
        told = {
            "height": block.height,
            "ins": 4,
            "outs": 6,
            "subsidy": _reward(block.height),
            "totalfee": block.fees,
            "txs": block.txs,
        }
        return {key: told[key] for key in stats}

    def _getblock(self, name: str, verbosity: int) -> str:
        assert verbosity == 0
        _, block = self._find(name)
        self._require_kept(block)
        assert block.raw is not None
        return block.raw.hex()

    def _require_kept(self, block: Made) -> None:
        if block.height < self.pruned_below:
            raise RefusedCallError(-1, self.missing)

    def _find(self, name: str) -> tuple[int, Made]:
        for place, block in enumerate([*self.chain, *self.beside]):
            if block.hash == name:
                return place, block
        raise RefusedCallError(-5, "Block not found")
