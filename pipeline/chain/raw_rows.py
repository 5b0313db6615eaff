"""A raw block as a row of ``chain.blocks``: what its bytes say, not what only its place would tell."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.chain.block import check_block, coinbase_height, coinbase_value, parse_block, target
from pipeline.chain.issuance import SATOSHI, subsidy

DIFFICULTY_ONE = 0xFFFF << 208
"""The target that counts as difficulty 1."""


def row_of(raw: bytes, height: int | None = None) -> Mapping[str, object]:
    """Return what a raw block says of itself, by column of ``BLOCK_SCHEMA``.

    Parameters
    ----------
    raw
        The block in consensus serialisation.
    height
        Where it stands; None: the height that its coinbase tells (BIP 34), which old blocks do not.

    Returns
    -------
    Mapping
        ``hash, ts, height, prev_hash, tx_count, size, weight, inputs, outputs, difficulty, subsidy_btc,
        fees_btc, coinbase_btc``.  Fees are what the coinbase took beyond the subsidy;
        unknown where it took less.

    Raises
    ------
    DataError
        When the bytes are malformed, or do not hold what their header stands for.
    """
    block = parse_block(raw)
    check_block(block)
    stands = coinbase_height(block) if height is None else height
    paid = coinbase_value(block)
    due = None if stands is None else subsidy(stands)
    return {
        "hash": block.header.hash_hex,
        "ts": datetime.fromtimestamp(block.header.time, UTC),
        "height": stands,
        "prev_hash": block.header.previous_hex,
        "tx_count": len(block),
        "size": block.size,
        "weight": block.weight,
        "inputs": int(block.tx.n_inputs.sum()) - 1,
        "outputs": int(block.tx.n_outputs.sum()),
        "difficulty": DIFFICULTY_ONE / target(block.header.bits),
        "subsidy_btc": None if due is None else due / SATOSHI,
        "fees_btc": None if due is None or paid < due else (paid - due) / SATOSHI,
        "coinbase_btc": paid / SATOSHI,
    }
