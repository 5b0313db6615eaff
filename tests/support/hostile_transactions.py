"""Transactions that must be refused: the fault, the bytes and the place."""

from tests.support.raw_blocks import COIN, compact, pay, spend, transaction


def hostile():
    core_in, core_out = compact(1) + spend(), compact(1) + pay()
    head, tail = b"\x02\0\0\0", bytes(4)
    whole = transaction()
    yield "truncated", whole[:-1], len(whole) - 4
    yield "truncated", head, 0
    yield "truncated", head + b"\x00", 4
    yield "truncated", head + compact(2**25) + bytes(100), 4
    yield "oversized", head + compact(2**25 + 1) + bytes(100), 4
    yield "oversized", head + compact(2**63) + bytes(100), 4
    yield "not_canonical", head + b"\xfd\x01\x00" + bytes(100), 4
    yield "not_canonical", head + b"\xfe\xff\xff\x00\x00" + bytes(100), 4
    yield "not_canonical", head + b"\xff\xff\xff\xff\xff\x00\x00\x00\x00" + bytes(100), 4
    yield "truncated", head + b"\xff\xff", 4
    yield "truncated", head + core_in + compact(2**25) + bytes(60), 46
    yield "truncated", head + compact(1) + bytes(36) + compact(2**24) + bytes(60), 41
    yield "truncated", head + core_in + compact(1) + bytes(8) + compact(2**24) + bytes(60), 55
    yield "no_transactions", b"", 0
    yield "no_inputs", head + b"\x00\x00" + tail, 4
    yield "no_inputs", head + b"\x00\x01\x00" + core_out + tail, 6
    yield "no_outputs", head + core_in + b"\x00" + tail, 46
    yield "unknown_flag", head + b"\x00\x02" + core_in + core_out + b"\x00" + tail, 4
    yield "superfluous_witness", transaction(witness=[[]]), 6 + 42 + 32
    yield "truncated", head + b"\x00\x01" + core_in + core_out + compact(2**25) + bytes(9), 80
    yield "truncated", head + b"\x00\x01" + core_in + core_out + b"\x01" + compact(2**24) + bytes(9), 81
    yield "value_range", transaction(outputs=(pay(21_000_000 * COIN + 1),)), 47
    yield "value_range", transaction(outputs=(pay(2**64 - 1),)), 47
    yield "total_range", transaction(outputs=(pay(21_000_000 * COIN), pay(1))), 47 + 31
    yield "overweight", transaction(outputs=(pay(1, bytes(999_950)),)), 0
    yield "truncated", whole + b"\x01", len(whole)
