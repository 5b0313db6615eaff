"""Blocks of a Bitcoin Core node: from where the stored chain and the node's part, up to the node's tip.

One idea: a block is named by its hash.  Whatever the node answers must lead on from what is stored; where it
does not, the node has changed its mind, and the common ancestor is looked for again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, SourceError
from resources.chain.node_rows import HEADER, STATS, block_rows, is_off_chain, is_unknown
from resources.chain.node_tip import Place, behind, best_height, common_ancestor
from resources.chain.port import Blocks, Days
from resources.chain.rpc import NOT_FOUND, OUT_OF_RANGE, Call, Rpc, RpcError, refused
from resources.market.port import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from pipeline.chain.metrics import Origin
    from pipeline.config.chain import NodeChain
    from resources.chain.port import StoredBlocks
    from resources.clock import Clock

MOST_TURNS = 5
"""So often may the node change its best chain in one update."""
RAW_AT_ONCE = 8
"""Raw blocks in one request: four megabytes each in hexadecimal, or more."""


class Node:
    """Blocks by a node of one's own.

    Parameters
    ----------
    settings
        ``chain.node``.
    environ
        Where credentials are.
    clock
        What waits are counted by.
    """

    feed = "node"
    simulated = False
    has_days = False
    has_blocks = True
    priced = False
    recheck_days = None
    history = Window(datetime(2009, 1, 3, tzinfo=UTC))

    def __init__(self, settings: NodeChain, environ: Mapping[str, str], clock: Clock) -> None:
        self._settings = settings
        self._rpc = Rpc(settings, environ, clock)

    @property
    def version(self) -> str:
        """Hash of what is asked for."""
        settings = self._settings
        text = f"{settings.first_height} {settings.read} {settings.lag_minutes}"
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def origin(self) -> Origin:
        """Nothing before the first block; of a later first height nobody knows what had been earned."""
        from pipeline.chain.metrics import GENESIS, Origin

        first = self._settings.first_height
        return GENESIS if first == 0 else Origin(None, float("nan"))

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:  # noqa: ARG002 - the port
        """Return no days: they are counted from the stored blocks."""
        from pipeline.chain.days import DAY_SCHEMA, empty

        return Days(empty(DAY_SCHEMA))

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:
        """Yield new blocks, and with the first ones those that a change of the best chain left behind.

        Raises
        ------
        ConfigError
            When the node is of another network, or what is stored begins above ``first_height``.
        SourceError
            When the node is out of reach, refuses, or changes its best chain again and again.
        """
        for _ in range(MOST_TURNS):
            whole = True
            for piece in self._lead_on(stored, now):
                if piece is None:
                    whole = False
                    break
                yield piece
            if whole:
                return
        raise SourceError(
            "the node changes its best chain faster than it can be read",
            field="chain.node",
            value=self._rpc.address,
            constraint=f"at most {MOST_TURNS} changes in one update",
            fix="try again later; what is stored leads on",
        )

    def _lead_on(self, stored: StoredBlocks, now: datetime) -> Iterator[Blocks | None]:
        """Yield pieces from the common ancestor to the tip; None where the node's chain has changed."""
        from pipeline.chain.canonical import left_behind

        node = self._settings
        tip = best_height(self._rpc)
        least, greatest = stored.heights() or (node.first_height, node.first_height - 1)
        if least > node.first_height:
            raise _begun_later(least, node.first_height)
        place = common_ancestor(self._rpc, stored, (least, min(greatest, tip)))
        if tip <= place.height or tip < node.first_height:
            following = stored.at(range(place.height + 1, place.height + 2))  # no holes: one tells
            if left_behind(following, place.height).height or tip < node.first_height:
                yield behind(tip, max(node.first_height, greatest))
            return
        gone = left_behind(stored.at(range(place.height + 1, greatest + 1)), place.height)
        if gone.height:  # until now another chain was known
            gone, place = gone.with_columns(known_at=_moment(now)), replace(place, known_at=now)
        for first in range(place.height + 1, tip + 1, node.batch):
            last = min(first + node.batch, tip + 1)
            piece = self._piece(range(first, last), place, now)
            if piece is None:
                yield None
                return
            yield Blocks(_together(gone, piece.frame), piece.findings)
            gone = gone.clear()
            place = Place(*piece.frame.select("height", "hash", "known_at").row(-1))

    def _piece(self, heights: range, place: Place, now: datetime) -> Blocks | None:
        """Return the blocks of some heights; None when they do not lead on from a place."""
        hashes = self._rpc.batch([Call("getblockhash", (height,)) for height in heights])
        if _changed(hashes):
            return None
        headers = self._rpc.batch([Call(HEADER, (name,)) for name in hashes])
        if _changed(headers) or any(map(is_off_chain, headers)):
            return None
        bodies = self._bodies(hashes)
        if any(isinstance(body, RpcError) and is_unknown(body) for body in bodies):
            return None
        frame, findings = block_rows(
            list(zip(heights, hashes, strict=True)),
            headers,
            bodies,
            source=self._rpc.address,
            since=place.known_at,
            now=now,
            lag=timedelta(minutes=self._settings.lag_minutes),
        )
        followed = hashes[:-1] if place.hash is None else [place.hash, *hashes[:-1]]
        if frame["prev_hash"].to_list()[len(hashes) - len(followed) :] != followed:
            return None
        return Blocks(frame, findings)

    def _bodies(self, hashes: list[str]) -> list[Any]:
        """Return statistics or, in hexadecimal, bytes of each block; `RpcError` where they are gone."""
        if self._settings.read == "stats":
            return self._rpc.batch([Call("getblockstats", (name, list(STATS))) for name in hashes])
        found: list[Any] = []
        for first in range(0, len(hashes), RAW_AT_ONCE):
            some = hashes[first : first + RAW_AT_ONCE]
            found += self._rpc.batch([Call("getblock", (name, 0)) for name in some])
        return found


def _changed(answers: list[Any]) -> bool:
    """Say whether a height or a block is gone that was there; other errors of the node are its refusal."""
    errors = [answer for answer in answers if isinstance(answer, RpcError)]
    for error in errors:
        if error.code not in (NOT_FOUND, OUT_OF_RANGE):
            raise refused("a block", error)
    return bool(errors)


def _begun_later(least: int, wanted: int) -> ConfigError:
    return ConfigError(
        f"the stored blocks begin at {least}, and no block before them is read any more",
        field="chain.node.first_height",
        value=wanted,
        constraint=f"{least} or more, as what is stored",
        fix=f"say {least}, or give the longer chain an EIGHTBELLS_HOME of its own",
    )


def _together(gone: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    lost = gone.join(fresh, on="hash", how="anti", maintain_order="left")
    return pl.concat([lost.select(fresh.columns), fresh])


def _moment(now: datetime) -> pl.Expr:
    import polars as pl

    return pl.lit(now, pl.Datetime("us", "UTC"))
