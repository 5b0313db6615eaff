"""Raw blocks and transactions into columns: what the rest of the desk calls.

The walk over the bytes is `kernel`, hashes are `hashes`, a slow and readable twin of all of it is `twin`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.chain.columns import Transactions

if TYPE_CHECKING:
    from pipeline.chain.columns import Hashes


@dataclass(frozen=True)
class Header:
    """The 80 bytes at the head of a block; hashes in the order of the wire, ``time`` in Unix seconds."""

    version: int
    previous: bytes
    merkle_root: bytes
    time: int
    bits: int
    nonce: int
    hash: bytes

    @property
    def hash_hex(self) -> str:
        """The hash of the block as explorers show it."""
        return self.hash[::-1].hex()

    @property
    def previous_hex(self) -> str:
        """The hash of the block before as explorers show it."""
        return self.previous[::-1].hex()


@dataclass(frozen=True, eq=False)
class Block(Transactions):
    """A block: its header and the columns of its transactions."""

    header: Header
