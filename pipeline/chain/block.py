"""Raw blocks and transactions into columns: what the rest of the desk calls.

The walk over the bytes is `kernel`, hashes are `hashes`, a slow and readable twin of all of it is `twin`.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from pipeline.chain import hashes
from pipeline.chain.columns import (
    Bytes1D,
    Hashes,
    InputColumns,
    OutputColumns,
    OutputKind,
    TransactionColumns,
    Transactions,
)
from pipeline.chain.faults import MAX_WEIGHT, Fault, malformed
from pipeline.chain.hashes import merkle_root
from pipeline.chain.header import HEADER_SIZE, MAIN_LIMIT, Header, parse_header, target
from pipeline.chain.issuance import subsidy
from pipeline.chain.kernel import (
    INPUT_ROWS,
    OUTPUT_ROWS,
    TRANSACTION_ROWS,
    UNLIMITED,
    compact_size,
    count_rows,
    fill_rows,
)
from pipeline.errors import DataError

__all__ = [
    "MAIN_LIMIT",
    "Block",
    "Header",
    "OutputKind",
    "Transactions",
    "check_block",
    "coinbase_height",
    "coinbase_value",
    "fees",
    "merkle_root",
    "parse_block",
    "parse_header",
    "parse_transactions",
    "target",
]

_NO_TABLE = np.empty((0, 0), np.int64)
_NO_KINDS = np.empty(0, np.int8)
_NO_BYTES = np.empty(0, np.uint8)
_ALL = -1
_TELLS_HEIGHT = 2
"""Version of a block from which on its coinbase may begin with its height."""
_OP_1, _OP_16 = 0x51, 0x60
_LONGEST_HEIGHT = 4
_NOWHERE = 0xFFFF_FFFF
"""Output number that a coinbase spends."""


@dataclass(frozen=True, eq=False)
class Block(Transactions):
    """A block: its header and the columns of its transactions."""

    header: Header

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return len(self.raw)

    @property
    def weight(self) -> int:
        """Three times the stripped size plus the size, header and count included."""
        return 4 * int(self.tx.offset[0]) + int(self.tx.weight.sum())


def parse_block(raw: bytes | bytearray | memoryview, *, txids: bool = True) -> Block:
    """Read a whole block in its consensus serialisation, with witness where it has one.

    Only the form is judged (`pipeline.chain.faults`); `check_block` holds the content against the header.

    Parameters
    ----------
    raw
        The bytes; they are copied unless they are ``bytes``.
    txids
        Whether to hash the transactions, which takes most of the time.

    Raises
    ------
    DataError
        When the bytes are malformed, with the place and the rule.
    """
    raw = _frozen(raw)
    header = parse_header(raw)
    octets = np.frombuffer(raw, np.uint8)
    count, start, fault = compact_size(octets, HEADER_SIZE, octets.size)
    if fault or count == 0:
        raise malformed(Fault(fault or Fault.NO_TRANSACTIONS), HEADER_SIZE, 0)
    parts = _parse(raw, octets, start, count, MAX_WEIGHT - 4 * start, txids=txids)
    return Block(raw, *parts, header=header)


def parse_transactions(raw: bytes | bytearray | memoryview, *, txids: bool = True) -> Transactions:
    """Read one raw transaction, or several one after another, up to the last byte.

    Parameters
    ----------
    raw
        The bytes; they are copied unless they are ``bytes``.
    txids
        Whether to hash the transactions.

    Raises
    ------
    DataError
        When the bytes are malformed, with the place and the rule.
    """
    raw = _frozen(raw)
    return Transactions(raw, *_parse(raw, np.frombuffer(raw, np.uint8), 0, _ALL, UNLIMITED, txids=txids))


def coinbase_height(block: Block) -> int | None:
    """Return the height that the coinbase begins with (BIP 34); None where it begins with no number.

    A block before 227,931 need not tell its height, and what looks like one may be chance.

    Raises
    ------
    DataError
        When the first transaction is no coinbase.
    """
    _require_coinbase(block)
    begin, size = int(block.inputs.script[0]), int(block.inputs.script_size[0])
    script = block.raw[begin : begin + size]
    if block.header.version < _TELLS_HEIGHT or not script:
        return None
    length = script[0]
    if length == 0 or _OP_1 <= length <= _OP_16:
        return max(length - _OP_1 + 1, 0)
    number = script[1 : 1 + length]
    if length > _LONGEST_HEIGHT or len(number) < length or number[-1] & 0x80:
        return None
    return int.from_bytes(number, "little")


def coinbase_value(block: Block) -> int:
    """Return what the coinbase pays, in satoshi.

    Raises
    ------
    DataError
        When the first transaction is no coinbase.
    """
    _require_coinbase(block)
    return int(block.tx.output_value[0])


def fees(block: Block, height: int) -> int:
    """Return the satoshi that the coinbase pays beyond the subsidy of a height.

    That is the fees of the block where the miner took all that was due; a few took less, even less than
    the subsidy, and the answer is then below the fees, even below 0.

    Raises
    ------
    DataError
        When the first transaction is no coinbase or the height is negative.
    """
    return coinbase_value(block) - subsidy(height)


def check_block(block: Block, *, limit: int = MAIN_LIMIT) -> None:
    """Hold a block against its header: proof of work, Merkle root, one coinbase, in the first place.

    That nothing is left over and that it is no heavier than allowed was checked when it was parsed.

    Parameters
    ----------
    block
        Parsed with txids.
    limit
        The easiest target that the network allows.

    Raises
    ------
    DataError
        When one of these does not hold, or the block was parsed without txids.
    """
    if block.txid is None:
        raise DataError("the block was parsed without txids", "txids", value=False, constraint="txids=True")
    goal = target(block.header.bits)
    if goal > limit:
        raise DataError("the target is easier than allowed", "bits", hex(block.header.bits), f"{limit:#x}")
    if int.from_bytes(block.header.hash, "little") > goal:
        raise DataError("the block has no proof of work", "hash", block.header.hash_hex, f"<= {goal:064x}")
    root = merkle_root(block.txid)
    if root != block.header.merkle_root:
        named = block.header.merkle_root[::-1].hex()
        raise DataError("the transactions are not the header's", "merkle_root", root[::-1].hex(), named)
    _require_coinbase(block)
    later = np.flatnonzero(_spends_nothing(block)[1:])
    if later.size:
        raise DataError("a second coinbase", "input", int(later[0]) + 1, "only the first transaction is one")


def _frozen(raw: bytes | bytearray | memoryview) -> bytes:
    return raw if isinstance(raw, bytes) else bytes(memoryview(raw))


def _parse(
    raw: bytes, octets: Bytes1D, start: int, wanted: int, room: int, *, txids: bool
) -> tuple[TransactionColumns, InputColumns, OutputColumns, Hashes | None]:
    found = count_rows(octets, start, wanted, room, _NO_TABLE, _NO_KINDS, _NO_BYTES)
    if found.fault:
        raise malformed(Fault(found.fault), found.at, found.transactions)
    txs = np.empty((TRANSACTION_ROWS, found.transactions), np.int64)
    inputs = np.empty((INPUT_ROWS, found.inputs), np.int64)
    outputs = np.empty((OUTPUT_ROWS, found.outputs), np.int64)
    kinds = np.empty(found.outputs, np.int8)
    strip = txids and found.stripped < octets.size - start
    stripped = np.empty(found.stripped, np.uint8) if strip else _NO_BYTES
    fill_rows(octets, start, wanted, txs, inputs, outputs, kinds, stripped, strip=strip)
    columns = TransactionColumns(*txs)
    txid = None
    if txids and strip:
        ends = accumulate(columns.stripped_size.tolist(), initial=0)
        txid = hashes.as_hashes(hashes.hash_slices(stripped.data, list(ends)))
    elif txids:
        txid = hashes.as_hashes(hashes.hash_slices(raw, [*columns.offset.tolist(), octets.size]))
    return columns, InputColumns(*inputs), OutputColumns(*outputs, kind=kinds), txid


def _spends_nothing(block: Block) -> np.ndarray:
    suspects = np.flatnonzero(block.inputs.vout == _NOWHERE)
    nothing = np.zeros(block.inputs.vout.size, np.bool_)
    for row in suspects:
        place = block.inputs.previous[row]
        nothing[row] = not any(block.raw[place : place + 32])
    return nothing


def _require_coinbase(block: Block) -> None:
    if block.tx.n_inputs[0] != 1 or not _spends_nothing(block)[0]:
        raise DataError(
            "the first transaction is no coinbase", "transaction", 0, "one input, which spends none"
        )
