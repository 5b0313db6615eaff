"""Mends what a killed checkpoint leaves in the file: blocks of which only some pages were written.

DuckDB rewrites in place those 256 KiB blocks of metadata that have free parts, and SIGKILL stops a write
between two pages.  Only free parts differ between old and new, so all that the valid header names is still
there; but the checksum is that of the whole block, old or new, and DuckDB refuses it.  Setting it anew brings
back the state before the checkpoint, to which DuckDB then applies the log.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from warehouse.foreign import holders
from warehouse.instance import ForeignLockError, own_handle

HEADER_BYTES = 4096
"""The file begins with a main header and two database headers, written in turn; the newer one is valid."""

BLOCKS_AT = 3 * HEADER_BYTES
PARTS = 64
"""Each block of metadata has as many parts; they are used and freed one by one."""

CHECKSUM_BYTES = 8
KNOWN_VERSIONS = {*range(64, 70), 999}
"""Layouts of DuckDB 1.x; 999 is how 2.0 marks its own, which is the same in what matters here."""

ENCRYPTED = 1
NOWHERE = 2**64 - 1
_PART_OF_POINTER = 56
_SEED, _FACTOR = 5381, 0xBF58476D1CE4E5B9


class _UnknownLayoutError(Exception):
    """The file is not laid out as this module knows it: DuckDB shall judge it as it is."""


@dataclass(frozen=True)
class _Header:
    iteration: int
    free_list: int
    blocks: int
    block_bytes: int


def mend(path: Path) -> list[int]:
    """Set the checksums of torn metadata blocks anew; return the blocks' numbers.

    Call it after a writer was killed, with the file locked against the desk's other sessions and not attached
    in this process.  Blocks that no checkpoint rewrites in place are never touched: a wrong checksum there
    is damage of another kind, and stays an error.

    Parameters
    ----------
    path
        The database file.

    Raises
    ------
    ForeignLockError
        When a program outside the desk's sessions has the file open; then it is not torn.
    ConfigError
        When this process has the file open through a connection of its own.
    """
    with _alone(path) as file:
        try:
            header = _valid_header(file)
            rewritable = sorted(_free_parts(file, header))
        except (_UnknownLayoutError, struct.error):
            return []
        mended = []
        for number in rewritable:
            block = os.pread(file, header.block_bytes, _place(number, header))
            wanted = checksum(block)
            if len(block) == header.block_bytes and wanted != block[:CHECKSUM_BYTES]:
                os.pwrite(file, wanted, _place(number, header))
                mended.append(number)
        if mended:
            os.fsync(file)
        return mended


def checksum(block: bytes) -> bytes:
    """Return DuckDB's checksum of a block or header, as it stands in its first eight bytes."""
    import numpy as np

    words = np.frombuffer(block, dtype="<u8", offset=CHECKSUM_BYTES)
    mixed = np.bitwise_xor.reduce(words * np.uint64(_FACTOR))
    return (int(mixed) ^ _SEED).to_bytes(CHECKSUM_BYTES, "little")


@contextlib.contextmanager
def _alone(path: Path) -> Generator[int]:
    """Open the file under the lock that DuckDB itself takes, so that no other program writes meanwhile."""
    if any(holder.pid == os.getpid() for holder in holders(path)):  # closing our handle would drop its lock
        raise own_handle(path)
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ForeignLockError(f"{path}: {error.strerror}") from error
        yield file
    finally:
        os.close(file)


def _valid_header(file: int) -> _Header:
    """Return the newer of the two database headers."""
    head = os.pread(file, BLOCKS_AT, 0)
    if len(head) < BLOCKS_AT or head[8:12] != b"DUCK":
        raise _UnknownLayoutError
    version, flags = struct.unpack_from("<QQ", head, 12)
    if version not in KNOWN_VERSIONS or flags & ENCRYPTED:
        raise _UnknownLayoutError
    found = []
    for start in (HEADER_BYTES, 2 * HEADER_BYTES):
        text = head[start : start + HEADER_BYTES]
        if checksum(text) != text[:CHECKSUM_BYTES]:
            raise _UnknownLayoutError
        iteration, _, free_list, blocks, block_bytes = struct.unpack_from("<5Q", text, CHECKSUM_BYTES)
        found.append(_Header(iteration, free_list, blocks, block_bytes))
    return found[0] if found[0].iteration > found[1].iteration else found[1]


def _free_parts(file: int, header: _Header) -> dict[int, int]:
    """Return the metadata blocks that have free parts, and which: bit ``n`` stands for part ``n``.

    They stand at the end of the header's list of free blocks.
    """
    if header.free_list == NOWHERE:
        return {}
    text = _chain(file, header)
    free_blocks = struct.unpack_from("<Q", text)[0]
    at = 8 + 8 * free_blocks
    shared_blocks = struct.unpack_from("<Q", text, at)[0]
    at += 8 + 12 * shared_blocks
    count = struct.unpack_from("<Q", text, at)[0]
    entries = list(struct.iter_unpack("<QQ", text[at + 8 : at + 8 + 16 * count]))
    if len(entries) != count or any(number >= header.blocks for number, _ in entries):
        raise _UnknownLayoutError
    return {number: free for number, free in entries if free}


def _chain(file: int, header: _Header) -> bytes:
    """Return the contents of the chain of parts that begins at the header's free list."""
    size = part_bytes(header.block_bytes)
    pointer, seen, text = header.free_list, set(), []
    while pointer != NOWHERE:
        number, part = pointer & ((1 << _PART_OF_POINTER) - 1), pointer >> _PART_OF_POINTER
        if number >= header.blocks or part >= PARTS or pointer in seen:
            raise _UnknownLayoutError
        seen.add(pointer)
        read = os.pread(file, size, _place(number, header) + CHECKSUM_BYTES + part * size)
        pointer = struct.unpack_from("<Q", read)[0]
        text.append(read[8:])
    return b"".join(text)


def part_bytes(block_bytes: int) -> int:
    """Return the size of a part; the parts follow the block's checksum, a few bytes at the end are left."""
    return (block_bytes - CHECKSUM_BYTES) // PARTS // 8 * 8


def _place(number: int, header: _Header) -> int:
    return BLOCKS_AT + number * header.block_bytes
