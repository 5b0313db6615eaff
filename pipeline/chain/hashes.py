"""Double SHA-256 of many slices, transaction ids and the Merkle tree over them, through hashlib."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise

import numpy as np

from pipeline.chain.columns import Hashes
from pipeline.errors import DataError

_HASH = 32
_PAIR = 2 * _HASH


def double_sha256(octets: bytes | memoryview) -> bytes:
    """Return the hash that names blocks and transactions, in the order of the wire."""
    return sha256(sha256(octets).digest()).digest()


def hash_slices(octets: bytes | memoryview, bounds: Sequence[int]) -> bytes:
    """Return the double hashes of ``octets[bounds[i]:bounds[i + 1]]`` one after another.

    A copy of an empty hash costs less than a new one, for which OpenSSL looks its algorithm up.
    """
    view, empty = memoryview(octets), sha256().copy
    found: list[bytes] = []
    for begin, end in pairwise(bounds):
        inner, outer = empty(), empty()
        inner.update(view[begin:end])
        outer.update(inner.digest())
        found.append(outer.digest())
    return b"".join(found)


def as_hashes(octets: bytes) -> Hashes:
    """Return hashes that lie one after another as rows, read-only."""
    return np.frombuffer(octets, np.uint8).reshape(-1, _HASH)


def merkle_root(txids: Hashes) -> bytes:
    """Return the root of the Merkle tree over transaction ids in their order, as in a header.

    Raises
    ------
    DataError
        When there is no transaction, or when a pair inside the tree repeats itself: other lists of
        transactions then have the same root (CVE-2012-2459).
    """
    root = b""
    for level in _levels(txids):
        rows = as_hashes(level)
        even = rows.shape[0] // 2 * 2
        if np.any(np.all(rows[0:even:2] == rows[1:even:2], axis=1)):
            raise DataError("a pair in the Merkle tree repeats itself", "txids", even, "every hash once")
        root = level
    return root


def _levels(txids: Hashes) -> Iterator[bytes]:
    level = np.ascontiguousarray(txids, np.uint8).tobytes()
    if not level:
        raise DataError("no root without transactions", "txids", 0, "at least one")
    while len(level) > _HASH:
        yield level
        whole = level if len(level) % _PAIR == 0 else level + level[-_HASH:]
        level = hash_slices(whole, range(0, len(whole) + 1, _PAIR))
    yield level
