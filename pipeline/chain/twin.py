"""The parser once more, in plain Python that reads like the format: what the kernel is tested against.

It looks at the same rules in the same order, so that both refuse the same bytes at the same place; it hashes
and classifies scripts in its own way.  Nothing but tests and benchmarks uses it.
"""

import re
from dataclasses import dataclass, field
from hashlib import sha256

from pipeline.chain.columns import OutputKind
from pipeline.chain.faults import MAX_MONEY, MAX_SIZE, MAX_WEIGHT, Fault, malformed

_LEAST_INPUT = 36 + 1 + 4
_LEAST_OUTPUT = 8 + 1
_LEAST_HEAD = 4 + 1
_MARKER_AND_FLAG = 2
_WIDER = {253: (2, 253), 254: (4, 2**16), 255: (8, 2**32)}
"""By the first byte of a compact size: how many bytes follow, and the least that needs them."""
_KINDS = (
    (OutputKind.P2PK, rb"\x21[\x02\x03].{32}\xac|\x41[\x04\x06\x07].{64}\xac"),
    (OutputKind.P2PKH, rb"\x76\xa9\x14.{20}\x88\xac"),
    (OutputKind.P2SH, rb"\xa9\x14.{20}\x87"),
    (OutputKind.OP_RETURN, rb"\x6a.*"),
    (OutputKind.P2WPKH, rb"\x00\x14.{20}"),
    (OutputKind.P2WSH, rb"\x00\x20.{32}"),
    (OutputKind.P2TR, rb"\x51\x20.{32}"),
)
_MULTISIG = rb"([\x51-\x60])((?:\x21[\x02\x03].{32}|\x41[\x04\x06\x07].{64})+)([\x51-\x60])\xae"


@dataclass(frozen=True)
class Input:
    """What a transaction spends; ``previous`` in the order of the wire."""

    previous: bytes
    vout: int
    script: bytes
    sequence: int


@dataclass(frozen=True)
class Output:
    """What a transaction pays, in satoshi."""

    value: int
    script: bytes

    @property
    def kind(self) -> OutputKind:
        """What the script asks of whoever spends it."""
        for kind, pattern in _KINDS:
            if re.fullmatch(pattern, self.script, re.DOTALL):
                return kind
        found = re.fullmatch(_MULTISIG, self.script, re.DOTALL)
        if found:
            needed, given = found[1][0] - 0x50, found[3][0] - 0x50
            keys = len(re.findall(rb"\x21.{32}|\x41.{64}", found[2], re.DOTALL))
            if needed <= given == keys:
                return OutputKind.MULTISIG
        return OutputKind.OTHER


@dataclass(frozen=True)
class Transaction:
    """One transaction; ``witness`` holds the items of each input, or is None in the old form."""

    version: int
    inputs: list[Input]
    outputs: list[Output]
    witness: list[list[bytes]] | None
    locktime: int
    offset: int
    size: int
    stripped: bytes = field(repr=False)

    @property
    def txid(self) -> bytes:
        """Its hash in the order of the wire."""
        return sha256(sha256(self.stripped).digest()).digest()

    @property
    def weight(self) -> int:
        """Three times the stripped size plus the size."""
        return 3 * len(self.stripped) + self.size


class Reader:
    """Bytes with a place in them; every refusal names the place of the field that it concerns."""

    def __init__(self, raw: bytes, at: int = 0) -> None:
        self.raw = raw
        self.at = at
        self.number = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.raw) - self.at

    def require(self, fine: bool, fault: Fault, at: int | None = None) -> None:
        """Refuse the bytes at the present place, or at the one given, unless all is fine."""
        if not fine:
            raise malformed(fault, self.at if at is None else at, self.number)

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        self.require(count <= self.left, Fault.TRUNCATED)
        self.at += count
        return self.raw[self.at - count : self.at]

    def number_of(self, size: int) -> int:
        """Return an unsigned integer of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def compact_size(self) -> int:
        """Return a count or length written in one, three, five or nine bytes."""
        begin = self.at
        first = self.number_of(1)
        if first not in _WIDER:
            return first
        width, least = _WIDER[first]
        self.require(width <= self.left, Fault.TRUNCATED, begin)
        size = self.number_of(width)
        self.require(size >= least, Fault.NOT_CANONICAL, begin)
        self.require(size <= MAX_SIZE, Fault.OVERSIZED, begin)
        return size

    def count(self, least: int) -> int:
        """Return a count of things of at least so many bytes each, which must fit into what is left."""
        begin = self.at
        count = self.compact_size()
        self.require(count * least <= self.left, Fault.TRUNCATED, begin)
        return count

    def octets(self, then: int = 0) -> bytes:
        """Return bytes that follow their own length, and before ``then`` bytes more."""
        begin = self.at
        size = self.compact_size()
        self.require(size + then <= self.left, Fault.TRUNCATED, begin)
        return self.take(size)

    def input(self) -> Input:
        """Return the next input."""
        self.require(self.left >= _LEAST_INPUT, Fault.TRUNCATED)
        return Input(self.take(32), self.number_of(4), self.octets(then=4), self.number_of(4))

    def output(self, before: int) -> Output:
        """Return the next output of a transaction whose outputs so far are worth ``before``."""
        begin = self.at
        self.require(self.left >= _LEAST_OUTPUT, Fault.TRUNCATED)
        value = self.number_of(8)
        self.require(value <= MAX_MONEY, Fault.VALUE_RANGE, begin)
        self.require(before + value <= MAX_MONEY, Fault.TOTAL_RANGE, begin)
        return Output(value, self.octets())

    def transaction(self, room: int) -> Transaction:
        """Return the next transaction, which may weigh no more than ``room``."""
        begin = self.at
        self.require(self.left >= _LEAST_HEAD, Fault.TRUNCATED)
        version = int.from_bytes(self.take(4), "little", signed=True)
        segwit = self.raw[self.at] == 0
        if segwit:
            self._marker()
        body = self.at
        first = self.at
        count = self.compact_size()
        self.require(count > 0, Fault.NO_INPUTS, first)
        self.require(count * _LEAST_INPUT <= self.left, Fault.TRUNCATED, first)
        inputs = [self.input() for _ in range(count)]
        outputs = self._outputs()
        core = self.raw[body : self.at]
        witness = self._witness(len(inputs)) if segwit else None
        ending = self.take(4)
        stripped = self.raw[begin : begin + 4] + core + ending
        read = Transaction(
            version,
            inputs,
            outputs,
            witness,
            int.from_bytes(ending, "little"),
            begin,
            self.at - begin,
            stripped,
        )
        self.require(read.weight <= min(room, MAX_WEIGHT), Fault.OVERWEIGHT, begin)
        self.number += 1
        return read

    def _marker(self) -> None:
        self.require(self.left >= _MARKER_AND_FLAG, Fault.TRUNCATED)
        flag = self.raw[self.at + 1]
        self.require(flag != 0, Fault.NO_INPUTS)
        self.require(flag == 1, Fault.UNKNOWN_FLAG)
        self.at += _MARKER_AND_FLAG

    def _outputs(self) -> list[Output]:
        begin = self.at
        count = self.compact_size()
        self.require(count > 0, Fault.NO_OUTPUTS, begin)
        self.require(count * _LEAST_OUTPUT <= self.left, Fault.TRUNCATED, begin)
        outputs: list[Output] = []
        total = 0
        for _ in range(count):
            outputs.append(self.output(total))
            total += outputs[-1].value
        return outputs

    def _witness(self, inputs: int) -> list[list[bytes]]:
        begin = self.at
        witness = [[self.octets() for _ in range(self.count(1))] for _ in range(inputs)]
        self.require(any(witness), Fault.SUPERFLUOUS_WITNESS, begin)
        return witness


def read_transactions(raw: bytes) -> list[Transaction]:
    """Return one or several raw transactions, one after another up to the last byte.

    Raises
    ------
    DataError
        As `pipeline.chain.block.parse_transactions` does.
    """
    reader = Reader(raw)
    found = []
    while reader.left:
        found.append(reader.transaction(MAX_WEIGHT))
    reader.require(bool(found), Fault.NO_TRANSACTIONS)
    return found


def read_block(raw: bytes) -> list[Transaction]:
    """Return the transactions of a raw block.

    Raises
    ------
    DataError
        As `pipeline.chain.block.parse_block` does.
    """
    reader = Reader(raw)
    reader.take(80)
    count = reader.compact_size()
    reader.require(count > 0, Fault.NO_TRANSACTIONS, 80)
    room = MAX_WEIGHT - 4 * reader.at
    found = []
    for _ in range(count):
        found.append(reader.transaction(room))
        room -= found[-1].weight
    reader.require(reader.left == 0, Fault.LEFT_OVER)
    return found
