"""Transactions as columns: what the parser gives out and everything above reads.  No object per transaction.

Places are byte offsets into ``raw``; hashes are in the order of the bytes on the wire (shown ones are
reversed); every column is int64 unless it says otherwise.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Bool1D, Int1D, Int8
from pipeline.errors import DataError

Bytes1D: TypeAlias = NDArray[np.uint8]
Hashes: TypeAlias = NDArray[np.uint8]
"""Shape ``(n, 32)``."""


class OutputKind(IntEnum):
    """What an output's script asks of whoever spends it."""

    OTHER = 0
    P2PK = 1
    P2PKH = 2
    P2SH = 3
    MULTISIG = 4
    OP_RETURN = 5
    P2WPKH = 6
    P2WSH = 7
    P2TR = 8


class TransactionColumns(NamedTuple):
    """One value per transaction, shape ``(transactions,)``.

    ``first_input`` and ``first_output`` are rows of the other two tables; sizes are in bytes;
    ``output_value`` is the sum of the outputs in satoshi.
    """

    offset: Int1D
    size: Int1D
    stripped_size: Int1D
    n_inputs: Int1D
    n_outputs: Int1D
    first_input: Int1D
    first_output: Int1D
    version: Int1D
    locktime: Int1D
    output_value: Int1D

    @property
    def is_segwit(self) -> Bool1D:
        """Whether a transaction is written with marker, flag and witness."""
        return self.size != self.stripped_size

    @property
    def weight(self) -> Int1D:
        """Three times the stripped size plus the size."""
        return 3 * self.stripped_size + self.size


class InputColumns(NamedTuple):
    """One value per input, shape ``(inputs,)``.

    ``previous`` is the place of the 32 bytes of the spent transaction's hash, ``script`` that of the input's
    script; ``witness_size`` counts the bytes of the input's witness with its counts.
    """

    previous: Int1D
    vout: Int1D
    script: Int1D
    script_size: Int1D
    sequence: Int1D
    witness_items: Int1D
    witness_size: Int1D


class OutputColumns(NamedTuple):
    """One value per output, shape ``(outputs,)``; ``value`` in satoshi, ``kind`` an `OutputKind` (int8)."""

    value: Int1D
    script: Int1D
    script_size: Int1D
    kind: Int8


@dataclass(frozen=True, eq=False)
class Transactions:
    """Transactions in their order on the wire.

    Parameters
    ----------
    raw
        The bytes that places refer to.
    tx, inputs, outputs
        The columns.
    txid
        Shape ``(transactions, 32)``, or None where none was asked for.
    """

    raw: bytes
    tx: TransactionColumns
    inputs: InputColumns
    outputs: OutputColumns
    txid: Hashes | None

    def __len__(self) -> int:
        return self.tx.offset.size

    @property
    def previous_txid(self) -> Hashes:
        """The hash of the transaction that each input spends from, shape ``(inputs, 32)``, a copy."""
        octets = np.frombuffer(self.raw, np.uint8)
        return octets[self.inputs.previous[:, None] + np.arange(32)]

    def txid_hex(self, number: int) -> str:
        """Return the id of a transaction as explorers show it."""
        if self.txid is None:
            raise DataError("parsed without txids", "txids", value=False, constraint="txids=True")
        return self.txid[number, ::-1].tobytes().hex()
