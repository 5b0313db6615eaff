"""A node source over real HTTP on loopback, and stored blocks in memory."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline.chain.canonical import doubled
from pipeline.chain.days import BLOCK_SCHEMA, empty
from pipeline.config import load_settings
from resources.chain.node import Node
from tests.support.loopback.bitcoin import BitcoinNode, made_chain

ROOT = Path(__file__).parents[2]
NOW = datetime(2009, 2, 1, tzinfo=UTC)
SETTINGS = load_settings(root=ROOT, environ={}).settings.chain.node
NOTHING = empty(BLOCK_SCHEMA)


@dataclass
class Held:
    """Stored blocks in memory; ``asked`` keeps the heights that were read."""

    frame: pl.DataFrame
    asked: list[int] = field(default_factory=list)

    def heights(self):
        return None if self.frame.is_empty() else (self.frame["height"].min(), self.frame["height"].max())

    def at(self, heights):
        self.asked += heights
        return self.frame.filter(pl.col("height").is_in(list(heights)))

    def doubled(self):
        return doubled(self.frame)

    def hashes(self):
        return set(self.frame["hash"])


def updated(source, stored=NOTHING, now=NOW):
    """Store every piece as the warehouse does, before the next: the newest version of each hash."""
    held, pieces = Held(stored), []
    for piece in source.blocks(held, now=now):
        assert piece.frame["hash"].is_unique().all()
        pieces.append(piece)
        newest = pl.concat([held.frame, piece.frame.select(stored.columns)])
        held.frame = newest.unique("hash", keep="last", maintain_order=True)
    return held.frame, pieces


def active(stored):
    return stored.filter(pl.col("state") == "active").sort("height")


def header(**changed):
    """Return the header of the first block, with something wrong in it."""
    return BitcoinNode(made_chain(1)).header(0) | changed


def stats(**changed):
    whole = {"height": 0, "ins": 4, "outs": 6, "subsidy": 5_000_000_000, "totalfee": 0, "txs": 3}
    return whole | changed


def node_at(url, clock):
    """Return the source that asks a node with the settings of the desk, and more patience."""
    return Node(SETTINGS.model_copy(update={"url": url, "batch": 10, "timeout_s": 5.0}), {}, clock)
