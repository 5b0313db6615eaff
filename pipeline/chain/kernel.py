"""The walk over the bytes of transactions: once to check and count, once to fill columns.

Nothing is read outside ``raw`` and nothing is allocated, whatever the bytes say: every count is held against
the bytes that are left before it is believed.  The same source runs as plain Python (``.py_func``).
"""

from typing import NamedTuple

import numpy as np

from pipeline.arrays import Int2D, Int8
from pipeline.chain.columns import Bytes1D
from pipeline.chain.faults import MAX_MONEY, MAX_SIZE, MAX_WEIGHT, Fault
from pipeline.chain.kernel_scripts import kind_of
from pipeline.jit import inlined, kernel

LEAST_INPUT = 41
"""Bytes of an input with an empty script: outpoint 36, script length 1, sequence 4."""
LEAST_OUTPUT = 9

UNLIMITED = 2**62
"""Weight of any number of transactions."""

TRANSACTION_ROWS, INPUT_ROWS, OUTPUT_ROWS = 10, 7, 3

_NONE = int(Fault.NONE)
_TRUNCATED = int(Fault.TRUNCATED)
_NOT_CANONICAL = int(Fault.NOT_CANONICAL)
_OVERSIZED = int(Fault.OVERSIZED)
_NO_TRANSACTIONS = int(Fault.NO_TRANSACTIONS)
_NO_INPUTS = int(Fault.NO_INPUTS)
_NO_OUTPUTS = int(Fault.NO_OUTPUTS)
_UNKNOWN_FLAG = int(Fault.UNKNOWN_FLAG)
_SUPERFLUOUS_WITNESS = int(Fault.SUPERFLUOUS_WITNESS)
_VALUE_RANGE = int(Fault.VALUE_RANGE)
_TOTAL_RANGE = int(Fault.TOTAL_RANGE)
_OVERWEIGHT = int(Fault.OVERWEIGHT)
_LEFT_OVER = int(Fault.LEFT_OVER)


class Walked(NamedTuple):
    """What a walk found: the fault and its place, how many rows there are, and bytes of stripped form."""

    fault: int
    at: int
    transactions: int
    inputs: int
    outputs: int
    stripped: int


@inlined
def octet(raw: Bytes1D, at: int) -> int:
    """Return one byte as an int64."""
    return int(np.int64(raw[at]))


@inlined
def uint32(raw: Bytes1D, at: int) -> int:
    """Return four bytes, least significant first."""
    return (
        octet(raw, at) | (octet(raw, at + 1) << 8) | (octet(raw, at + 2) << 16) | (octet(raw, at + 3) << 24)
    )


@inlined
def copy(source: Bytes1D, target: Bytes1D) -> None:
    """Write the bytes of ``source`` to the beginning of ``target``."""
    for k in range(source.size):
        target[k] = source[k]


@inlined
def compact_size(  # noqa: PLR0911 - a way out for each width and each fault
    raw: Bytes1D, at: int, end: int
) -> tuple[int, int, int]:
    """Return a count or length, the place after it, and a fault."""
    if at >= end:
        return 0, at, _TRUNCATED
    first = octet(raw, at)
    if first < 253:
        return first, at + 1, _NONE
    if first == 253:
        if end - at < 3:
            return 0, at, _TRUNCATED
        size = octet(raw, at + 1) | (octet(raw, at + 2) << 8)
        return size, at + 3, _NONE if size >= 253 else _NOT_CANONICAL
    if first == 254:
        if end - at < 5:
            return 0, at, _TRUNCATED
        size = uint32(raw, at + 1)
        if size < 0x1_0000:
            return 0, at, _NOT_CANONICAL
        return size, at + 5, _NONE if size <= MAX_SIZE else _OVERSIZED
    if end - at < 9:
        return 0, at, _TRUNCATED
    return 0, at, _NOT_CANONICAL if uint32(raw, at + 5) == 0 else _OVERSIZED


@inlined
def walk(  # noqa: PLR0911 - a way out for each fault, at its place
    raw: Bytes1D,
    start: int,
    wanted: int,
    room: int,
    txs: Int2D,
    inputs: Int2D,
    outputs: Int2D,
    kinds: Int8,
    stripped: Bytes1D,
    fill: bool,
    strip: bool,
) -> Walked:
    """Walk from ``start`` over ``wanted`` transactions (below 0: all there are) that end with ``raw``.

    ``room`` is the weight they may have together.  With ``fill`` the tables are written, which must have as
    many columns as a walk without it has counted; with ``strip`` also the stripped forms, one after another.
    """
    end = raw.size
    at = start
    n = n_in = n_out = n_stripped = 0
    while n < wanted or (wanted < 0 and at < end):
        begin, first_in, first_out = at, n_in, n_out
        if end - at < 5:
            return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
        version = uint32(raw, at)
        at += 4
        segwit = raw[at] == 0
        if segwit:
            if end - at < 2:
                return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
            if raw[at + 1] != 1:
                fault = _NO_INPUTS if raw[at + 1] == 0 else _UNKNOWN_FLAG
                return Walked(fault, at, n, n_in, n_out, n_stripped)
            at += 2
        body = at

        count, after, fault = compact_size(raw, at, end)
        if fault:
            return Walked(fault, at, n, n_in, n_out, n_stripped)
        if count == 0:
            return Walked(_NO_INPUTS, at, n, n_in, n_out, n_stripped)
        if count * LEAST_INPUT > end - after:
            return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
        at = after
        for _ in range(count):
            if end - at < LEAST_INPUT:
                return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
            size, script, fault = compact_size(raw, at + 36, end)
            if fault:
                return Walked(fault, at + 36, n, n_in, n_out, n_stripped)
            if size + 4 > end - script:
                return Walked(_TRUNCATED, at + 36, n, n_in, n_out, n_stripped)
            if fill:
                inputs[0, n_in] = at
                inputs[1, n_in] = uint32(raw, at + 32)
                inputs[2, n_in] = script
                inputs[3, n_in] = size
                inputs[4, n_in] = uint32(raw, script + size)
                inputs[5, n_in] = 0
                inputs[6, n_in] = 0
            n_in += 1
            at = script + size + 4

        count, after, fault = compact_size(raw, at, end)
        if fault:
            return Walked(fault, at, n, n_in, n_out, n_stripped)
        if count == 0:
            return Walked(_NO_OUTPUTS, at, n, n_in, n_out, n_stripped)
        if count * LEAST_OUTPUT > end - after:
            return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
        at = after
        total = 0
        for _ in range(count):
            if end - at < LEAST_OUTPUT:
                return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
            value = uint32(raw, at) | (uint32(raw, at + 4) << 32)
            if value < 0 or value > MAX_MONEY:
                return Walked(_VALUE_RANGE, at, n, n_in, n_out, n_stripped)
            total += value
            if total > MAX_MONEY:
                return Walked(_TOTAL_RANGE, at, n, n_in, n_out, n_stripped)
            size, script, fault = compact_size(raw, at + 8, end)
            if fault:
                return Walked(fault, at + 8, n, n_in, n_out, n_stripped)
            if size > end - script:
                return Walked(_TRUNCATED, at + 8, n, n_in, n_out, n_stripped)
            if fill:
                outputs[0, n_out] = value
                outputs[1, n_out] = script
                outputs[2, n_out] = size
                kinds[n_out] = kind_of(raw, script, size)
            n_out += 1
            at = script + size

        witness = at
        if segwit:
            anything = False
            for row in range(first_in, n_in):
                begun = at
                items, after, fault = compact_size(raw, at, end)
                if fault:
                    return Walked(fault, at, n, n_in, n_out, n_stripped)
                if items > end - after:
                    return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
                anything |= items > 0
                at = after
                for _ in range(items):
                    size, after, fault = compact_size(raw, at, end)
                    if fault:
                        return Walked(fault, at, n, n_in, n_out, n_stripped)
                    if size > end - after:
                        return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
                    at = after + size
                if fill:
                    inputs[5, row] = items
                    inputs[6, row] = at - begun
            if not anything:
                return Walked(_SUPERFLUOUS_WITNESS, witness, n, n_in, n_out, n_stripped)
        if end - at < 4:
            return Walked(_TRUNCATED, at, n, n_in, n_out, n_stripped)
        at += 4

        bare = 4 + (witness - body) + 4
        weight = 3 * bare + (at - begin)
        if weight > MAX_WEIGHT or weight > room:
            return Walked(_OVERWEIGHT, begin, n, n_in, n_out, n_stripped)
        room -= weight
        if fill:
            txs[0, n] = begin
            txs[1, n] = at - begin
            txs[2, n] = bare
            txs[3, n] = n_in - first_in
            txs[4, n] = n_out - first_out
            txs[5, n] = first_in
            txs[6, n] = first_out
            txs[7, n] = version - ((version >> 31) << 32)
            txs[8, n] = uint32(raw, at - 4)
            txs[9, n] = total
            if strip:
                copy(raw[begin : begin + 4], stripped[n_stripped:])
                copy(raw[body:witness], stripped[n_stripped + 4 :])
                copy(raw[at - 4 : at], stripped[n_stripped + bare - 4 :])
        n_stripped += bare
        n += 1
    if n == 0:
        return Walked(_NO_TRANSACTIONS, at, n, n_in, n_out, n_stripped)
    if at != end:
        return Walked(_LEFT_OVER, at, n, n_in, n_out, n_stripped)
    return Walked(_NONE, at, n, n_in, n_out, n_stripped)


@kernel
def count_rows(
    raw: Bytes1D, start: int, wanted: int, room: int, txs: Int2D, kinds: Int8, stripped: Bytes1D
) -> Walked:
    """Check all bytes and return how many rows they hold; the tables are not touched."""
    return walk(raw, start, wanted, room, txs, txs, txs, kinds, stripped, fill=False, strip=False)


@kernel
def fill_rows(
    raw: Bytes1D,
    start: int,
    wanted: int,
    txs: Int2D,
    inputs: Int2D,
    outputs: Int2D,
    kinds: Int8,
    stripped: Bytes1D,
    strip: bool,
) -> Walked:
    """Write the rows of bytes that `count_rows` has found without fault."""
    return walk(raw, start, wanted, UNLIMITED, txs, inputs, outputs, kinds, stripped, fill=True, strip=strip)
