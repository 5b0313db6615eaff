"""Where a node stands beside what is stored: its network, its newest block, the last block that both have.

One idea: below a shared block all are shared, above one that differs none is, so few heights are asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, SourceError
from resources.chain.port import Blocks
from resources.chain.rpc import OUT_OF_RANGE, Call, Rpc, RpcError, refused

if TYPE_CHECKING:
    from datetime import datetime

    from resources.chain.port import StoredBlocks

INFO = "getblockchaininfo"
MAIN = "main"
BEHIND = "behind"
"""The rule of the finding that a node has not got as far as what is stored."""


def best_height(rpc: Rpc) -> int:
    """Return the height of the node's newest block.

    Raises
    ------
    ConfigError
        When the node is not of the main network, whose schedule and heights all figures rest on.
    SourceError
        When it is out of reach, or its answer cannot be read.
    """
    told = rpc.ask(INFO)
    network, height = (told.get("chain"), told.get("blocks")) if isinstance(told, dict) else (None, None)
    if not isinstance(network, str) or not isinstance(height, int) or height < 0:
        raise SourceError(
            "the node's answer about its chain cannot be read",
            field=INFO,
            value=told,
            constraint="chain: a name, blocks: a height",
            fix="check that chain.node.url is a Bitcoin Core node",
        )
    if network != MAIN:
        raise ConfigError(
            "the node is of another network",
            field="chain.node.url",
            value=network,
            constraint=f"a node of {MAIN}",
            fix="start the node without -testnet, -signet and -regtest, or name another one",
        )
    return height


@dataclass(frozen=True)
class Place:
    """A block that a chain leads on from.

    Parameters
    ----------
    height
        Its height; that before the least one where there is no such block.
    hash, known_at
        Of the block; None where there is none.
    """

    height: int
    hash: str | None = None
    known_at: datetime | None = None


def common_ancestor(rpc: Rpc, stored: StoredBlocks, heights: tuple[int, int]) -> Place:
    """Return the greatest height at which the node has the stored active block, with that block.

    It lies below every height with two active blocks: of these the node must say again which it has.

    Parameters
    ----------
    rpc
        The node.
    stored
        What is stored.
    heights
        The least stored height, and the greatest that the node has too.

    Returns
    -------
    Place
        Without a block, at the height before the least one, where none is shared.
    """
    least, greatest = heights
    twice = stored.doubled()
    if twice is not None:
        greatest = min(greatest, twice - 1)
    apart, height, step = greatest + 1, greatest, 1
    place = None
    while height >= least and (place := _shared(rpc, stored, height)) is None:
        apart, height, step = height, max(height - step, least - 1), 2 * step
    place = place or Place(height)
    while apart - place.height > 1:
        middle = (place.height + apart) // 2
        found = _shared(rpc, stored, middle)
        if found is None:
            apart = middle
        else:
            place = found
    return place


def behind(tip: int, stored: int) -> Blocks:
    """Return no blocks, and that a node at ``tip`` has not got as far as it must for anything new."""
    from pipeline.chain.days import BLOCK_SCHEMA, empty
    from pipeline.market.findings import Finding, Severity

    reason = f"the node is at block {tip}, behind {stored}: nothing was read, and nothing taken back"
    return Blocks(empty(BLOCK_SCHEMA), (Finding(BEHIND, Severity.WARN, "node", None, reason),))


def _shared(rpc: Rpc, stored: StoredBlocks, height: int) -> Place | None:
    """Return the stored active block at a height, if it is the only one and the node has the same."""
    from pipeline.chain.days import ACTIVE

    kept = stored.at(range(height, height + 1))
    ours = kept.filter(kept["state"] == ACTIVE).select("height", "hash", "known_at").rows()
    if len(ours) != 1:
        return None
    (theirs,) = rpc.batch([Call("getblockhash", (height,))])
    if isinstance(theirs, RpcError) and theirs.code != OUT_OF_RANGE:
        raise refused("getblockhash", theirs)
    place = Place(*ours[0])
    return place if theirs == place.hash else None
