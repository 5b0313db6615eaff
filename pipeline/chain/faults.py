"""What can be wrong with the bytes of a transaction, as codes that a kernel can return.

The rules are those by which a node reads and checks one transaction alone; what depends on other
transactions (spent twice, signatures, fees) is not judged here.
"""

from enum import IntEnum

from pipeline.errors import DataError

MAX_SIZE = 0x0200_0000
"""The largest count or length that a node reads."""

MAX_WEIGHT = 4_000_000
"""Of a block, and so of a transaction: three times the stripped size plus the size."""

MAX_MONEY = 21_000_000 * 100_000_000
"""Satoshi."""


class Fault(IntEnum):
    """Why bytes are refused; the texts are in ``RULES``."""

    NONE = 0
    TRUNCATED = 1
    NOT_CANONICAL = 2
    OVERSIZED = 3
    NO_TRANSACTIONS = 4
    NO_INPUTS = 5
    NO_OUTPUTS = 6
    UNKNOWN_FLAG = 7
    SUPERFLUOUS_WITNESS = 8
    VALUE_RANGE = 9
    TOTAL_RANGE = 10
    OVERWEIGHT = 11
    LEFT_OVER = 12


RULES = {
    Fault.TRUNCATED: ("the bytes end too early", "as many bytes as its counts and lengths announce"),
    Fault.NOT_CANONICAL: ("a length is written in more bytes than it needs", "the shortest compact size"),
    Fault.OVERSIZED: ("a count or length is too large", f"at most {MAX_SIZE:,}"),
    Fault.NO_TRANSACTIONS: ("there is no transaction", "at least one"),
    Fault.NO_INPUTS: ("a transaction spends nothing", "at least one input"),
    Fault.NO_OUTPUTS: ("a transaction pays nothing", "at least one output"),
    Fault.UNKNOWN_FLAG: ("the flag after the segwit marker is unknown", "flag 1"),
    Fault.SUPERFLUOUS_WITNESS: ("a segwit transaction has no witness", "a witness of at least one input"),
    Fault.VALUE_RANGE: ("an output has an impossible value", f"0 to {MAX_MONEY:,} satoshi"),
    Fault.TOTAL_RANGE: ("the outputs are worth more than there is", f"at most {MAX_MONEY:,} satoshi"),
    Fault.OVERWEIGHT: ("it is too heavy for a block", f"weight at most {MAX_WEIGHT:,}"),
    Fault.LEFT_OVER: ("bytes are left over", "nothing after the last transaction"),
}


def malformed(fault: Fault, at: int, transaction: int) -> DataError:
    """Return the error for a fault at byte ``at`` in the transaction of that number, counted from 0."""
    what, rule = RULES[fault]
    return DataError(
        f"transaction {transaction}, byte {at}: {what}",
        field=fault.name.lower(),
        value=at,
        constraint=rule,
        fix="fetch the bytes again, or from another node",
    )
