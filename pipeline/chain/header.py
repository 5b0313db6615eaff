"""The header of a block and the target that its hash has to meet."""

from dataclasses import dataclass
from struct import Struct

from pipeline.chain.faults import Fault, malformed
from pipeline.chain.hashes import double_sha256
from pipeline.errors import DataError

HEADER_SIZE = 80
MAIN_LIMIT = 0xFFFF << 208
"""The easiest target that the main network allows."""

_HEADER = Struct("<i32s32sIII")


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


def parse_header(raw: bytes | bytearray | memoryview) -> Header:
    """Read the first 80 bytes of a block.

    Raises
    ------
    DataError
        When there are fewer.
    """
    head = bytes(memoryview(raw)[:HEADER_SIZE])
    if len(head) < HEADER_SIZE:
        raise malformed(Fault.TRUNCATED, 0, 0)
    return Header(*_HEADER.unpack(head), hash=double_sha256(head))


def target(bits: int) -> int:
    """Return the number that a header's hash must not exceed, from its compact form.

    Raises
    ------
    DataError
        When the compact form is negative, zero or does not fit 256 bits.
    """
    octets, mantissa = bits >> 24, bits & 0x7F_FFFF
    number = mantissa << 8 * octets >> 8 * 3
    if bits & 0x80_0000 or number == 0 or number >> 256:
        raise DataError("not a target", "bits", hex(bits), "a positive number below 2^256")
    return number
