"""What a node answers about blocks, as rows: header and statistics, header and bytes, or the header alone.

A node that prunes keeps all headers and throws old blocks away: what only the block would tell is NULL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from sys import float_info
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, SourceError
from pipeline.market.findings import Finding, Severity
from resources.chain.rpc import MISC, NOT_FOUND, RpcError, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

HEADER = "getblockheader"
STATS = ("height", "ins", "outs", "subsidy", "totalfee", "txs")
"""What is asked of ``getblockstats``; its sizes leave out the coinbase, so they are not asked for."""
PRUNED = "pruned"
"""The rule of the finding about blocks that the node has thrown away, and the node's own word for it."""
MOST = 2**31 - 1
"""The largest count that is stored."""
OFF_CHAIN = -1
"""Confirmations of a block beside the best chain."""
NO_BLOCK = "0" * 64
"""What stands in the first header of all for the block before it."""


def block_rows(
    places: Sequence[tuple[int, str]],
    headers: Sequence[Mapping[str, Any]],
    bodies: Sequence[Any],
    *,
    source: str,
    since: datetime | None,
    now: datetime,
    lag: timedelta,
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Return blocks in the columns of ``BLOCK_SCHEMA``, and what was pruned.

    Parameters
    ----------
    places, headers
        Height and hash of the blocks, in order; headers as ``getblockheader`` tells them.
    bodies
        Statistics as ``getblockstats`` tells them, bytes in hexadecimal, or the error that the block is gone.
    source
        The node's address.
    since
        When the block before the first one was known, or that it is the best; None: there is none.
    now, lag
        A block is known ``lag`` after the time in its header, and no later than now: a new one when seen; but
        no earlier than the one before it.

    Raises
    ------
    SourceError
        When the node refuses for another reason, or an answer cannot be read.
    """
    import polars as pl

    from pipeline.chain.days import ACTIVE, BLOCK_SCHEMA

    rows, pruned = [], []
    for (height, name), header, body in zip(places, headers, bodies, strict=True):
        try:
            row = _of_header(height, name, header)
            if isinstance(body, RpcError):
                _require_pruned(body)
                pruned.append(height)
            else:
                row |= _of_body(height, body, name)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, DataError) as error:
            if isinstance(error, SourceError):
                raise
            raise _unreadable(height, error) from error
        known = min(now, row["ts"] + lag)
        since = known if since is None else max(since, known)
        rows.append({**row, "state": ACTIVE, "source": source, "simulated": False, "known_at": since})
    frame = pl.DataFrame(rows, schema=dict(BLOCK_SCHEMA))
    if not pruned:
        return frame, ()
    whole = [height for height, _ in places if height > pruned[-1]]
    reason = f"the node has pruned blocks {pruned[0]} to {pruned[-1]}: their fees are unknown"
    reason += f"; the first whole one is {whole[0]}" if whole else ""
    return frame, (Finding(PRUNED, Severity.WARN, "node", rows[0]["ts"], reason, count=len(pruned)),)


def is_off_chain(header: object) -> bool:
    """Say whether a header is that of a block which the node no longer has on its best chain."""
    return isinstance(header, dict) and header.get("confirmations") == OFF_CHAIN


def _of_header(height: int, name: str, header: Mapping[str, Any]) -> dict[str, Any]:
    from pipeline.chain.issuance import SATOSHI, subsidy

    if (header["height"], header["hash"]) != (height, name):
        raise DataError("another block's header", field="hash", value=header["hash"], constraint=name)
    return {
        "hash": name,
        "ts": datetime.fromtimestamp(int(header["time"]), UTC),
        "height": height,
        "prev_hash": str(header.get("previousblockhash") or NO_BLOCK),
        "median_time": datetime.fromtimestamp(int(header["mediantime"]), UTC),
        "tx_count": _number(header["nTx"], MOST),
        "difficulty": float(_number(header["difficulty"], float_info.max)),
        "subsidy_btc": subsidy(height) / SATOSHI,
    }


def _of_body(height: int, body: Any, name: str) -> dict[str, Any]:
    from pipeline.chain.issuance import MAX_SUPPLY, SATOSHI

    if isinstance(body, str):
        from pipeline.chain.raw_rows import row_of

        row = dict(row_of(bytes.fromhex(body), height))
        if row["hash"] != name:
            raise DataError("the node sent another block", field="hash", value=row["hash"], constraint=name)
        return row
    return {
        "inputs": _number(body["ins"], MOST),
        "outputs": _number(body["outs"], MOST),
        "subsidy_btc": _number(body["subsidy"], MAX_SUPPLY) / SATOSHI,
        "fees_btc": _number(body["totalfee"], MAX_SUPPLY) / SATOSHI,
        "tx_count": _number(body["txs"], MOST),
    }


def _number(value: float, most: float) -> float:
    """Return a number from 0 to ``most``, a whole one where that is whole; another cannot be read."""
    if not 0 <= value <= most or (isinstance(most, int) and not isinstance(value, int)):
        raise DataError("not a possible number", field="result", value=value, constraint=f"0 to {most:g}")
    return value


def is_unknown(error: RpcError) -> bool:
    """Say whether the node has never heard of a block, or has forgotten it with the chain it was on."""
    return error.code == NOT_FOUND and PRUNED not in error.message.lower()


def _require_pruned(error: RpcError) -> None:
    """Let the error pass that says a block was thrown away, not one that says it is still to come."""
    if error.code not in (MISC, NOT_FOUND) or PRUNED not in error.message.lower():
        raise refused("a block", error)


def _unreadable(height: int, error: Exception) -> SourceError:
    return SourceError(
        "the node's answer about a block cannot be read",
        field=str(height),
        value=str(error)[:200],
        constraint="a header, and statistics or bytes of the same block",
        fix="update the node; docs/chain.md names the calls",
    )
