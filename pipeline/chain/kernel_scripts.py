"""What kind of script an output carries, told from its bytes alone."""

import numpy as np

from pipeline.chain.columns import Bytes1D, OutputKind
from pipeline.jit import inlined

_OTHER = int(OutputKind.OTHER)
_P2PK = int(OutputKind.P2PK)
_P2PKH = int(OutputKind.P2PKH)
_P2SH = int(OutputKind.P2SH)
_MULTISIG = int(OutputKind.MULTISIG)
_OP_RETURN = int(OutputKind.OP_RETURN)
_P2WPKH = int(OutputKind.P2WPKH)
_P2WSH = int(OutputKind.P2WSH)
_P2TR = int(OutputKind.P2TR)


@inlined
def multisig(raw: Bytes1D, at: int, size: int) -> bool:
    """Return whether a script is m public keys of n, n <= 16, and nothing else."""
    needed, given = int(np.int64(raw[at])) - 0x50, int(np.int64(raw[at + size - 2])) - 0x50
    if needed < 1 or given > 16 or needed > given:
        return False
    place, last, keys = at + 1, at + size - 2, 0
    while place < last:
        length = int(np.int64(raw[place]))
        if ((length != 33) & (length != 65)) or place + 1 + length > last:
            return False
        if not is_key(raw[place + 1], length):
            return False
        place += 1 + length
        keys += 1
    return keys == given


@inlined
def is_key(prefix: np.uint8, length: int) -> bool:
    """Return whether a public key of that length may begin with that byte."""
    if length == 33:
        return (prefix == 2) | (prefix == 3)
    return (length == 65) & ((prefix == 4) | (prefix == 6) | (prefix == 7))


@inlined
def kind_of(  # noqa: PLR0911 - a way out for each kind
    raw: Bytes1D, at: int, size: int
) -> int:
    """Return the `OutputKind` of a script."""
    if size == 0:
        return _OTHER
    first = raw[at]
    if size == 22 and first == 0x00 and raw[at + 1] == 20:
        return _P2WPKH
    if size == 23 and first == 0xA9 and raw[at + 1] == 20 and raw[at + 22] == 0x87:
        return _P2SH
    if size == 25 and first == 0x76:
        hashed = raw[at + 1] == 0xA9 and raw[at + 2] == 20
        return _P2PKH if hashed and raw[at + 23] == 0x88 and raw[at + 24] == 0xAC else _OTHER
    if size == 34 and raw[at + 1] == 32 and ((first == 0x00) | (first == 0x51)):
        return _P2WSH if first == 0x00 else _P2TR
    if first == 0x6A:
        return _OP_RETURN
    if ((size == 35) | (size == 67)) and first == size - 2 and raw[at + size - 1] == 0xAC:
        return _P2PK if is_key(raw[at + 1], size - 2) else _OTHER
    if size >= 37 and raw[at + size - 1] == 0xAE and multisig(raw, at, size):
        return _MULTISIG
    return _OTHER
