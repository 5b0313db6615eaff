"""Bring days and blocks of the chain into the warehouse: fetch what is missing, derive, append what is new.

The same functions serve the Dagster assets and ``bells data update``; nothing here knows Dagster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.market.increments import MOST_GAPS
from assets.market.ingest import Ingested
from pipeline.errors import SourceError
from warehouse.tables import BLOCKS, METRICS_DAILY, OHLCV_DAILY

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from pipeline.market.findings import Finding
    from resources.chain.port import ChainSource, Days
    from resources.market.port import MarketSource
    from warehouse.manifest import Manifest
    from warehouse.store import Warehouse


def update_blocks(chain: ChainSource, *, warehouse: Warehouse, now: datetime, manifest: Manifest) -> Ingested:
    """Append the blocks that are missing, piece by piece, each in one transaction.

    What was stored of a chain that lost stays, as stale.  A source out of reach is a finding: the pieces that
    came before it are stored, and the next update goes on from there.  From the piece on in which a chain
    loses, blocks are known no earlier than they are stored, since until then the other chain was.
    """
    from assets.chain.stored import WarehouseBlocks
    from pipeline.chain.days import STALE

    warehouse.migrate()
    stored = WarehouseBlocks(warehouse, chain.feed)
    fetched = inserted = revised = unchanged = 0
    findings: list[Finding] = []
    forked = False
    try:
        for piece in chain.blocks(stored, now=now):
            findings.extend(piece.findings)
            if piece.frame.is_empty():
                continue
            forked = forked or STALE in piece.frame["state"]
            rows = _known_since(piece.frame, warehouse.now()) if forked else piece.frame
            done = warehouse.append(BLOCKS, _of_feed(rows, chain), manifest=manifest)
            fetched += piece.frame.height
            inserted += done.inserted
            revised += done.revised
            unchanged += done.unchanged
    except SourceError as error:
        findings.append(_unreachable(chain, error))
    return Ingested(BLOCKS.full_name, fetched, inserted, revised, unchanged, 0, tuple(findings))


def update_days(
    chain: ChainSource,
    end: datetime,
    *,
    market: MarketSource,
    symbol: str,
    warehouse: Warehouse,
    now: datetime,
    manifest: Manifest,
) -> Ingested:
    """Derive and append the metrics of all days before ``end``.

    What is cumulative rests on all earlier days, so an update always covers the history up to its end; rows
    equal to what is stored write nothing.  A revised day becomes a new version known from now on, and with it
    every later day whose figures rest on it.

    Parameters
    ----------
    chain, market
        Where days come from, and the daily closes of a source that tells no price.
    end
        End of the window, exclusive.
    symbol
        Whose daily close the price is.
    """
    from pipeline.chain.metrics import derive
    from pipeline.chain.rules import gaps
    from pipeline.chain.versions import dated

    warehouse.migrate()
    stored = warehouse.as_of(METRICS_DAILY, where={"feed": chain.feed})
    prices = _prices(chain, market, symbol, warehouse)
    try:
        told = _days(chain, stored, end, prices=prices, warehouse=warehouse, now=now)
    except SourceError as error:
        lost = (_unreachable(chain, error),)
        return Ingested(METRICS_DAILY.full_name, 0, 0, 0, 0, 0, lost)
    if told.frame.is_empty():
        return Ingested(METRICS_DAILY.full_name, 0, 0, 0, 0, 0, tuple(told.findings))
    findings = (*told.findings, *gaps(told.frame, chain.feed))
    if not chain.priced and prices.is_empty():
        findings += (_unpriced(market, symbol),)
    metrics = derive(told.frame, chain.origin)
    rows = dated(metrics, stored, METRICS_DAILY.values, now)
    if _as_stored(rows, stored):
        height = rows.height
        return Ingested(METRICS_DAILY.full_name, height, 0, 0, height, 0, findings)
    done = warehouse.append(METRICS_DAILY, _of_feed(rows, chain), manifest=manifest)
    return Ingested(
        METRICS_DAILY.full_name,
        rows.height,
        done.inserted,
        done.revised,
        done.unchanged,
        0,
        findings,
    )


def _as_stored(rows: pl.DataFrame, stored: pl.DataFrame) -> bool:
    """Return whether every row is stored as it is: then nothing is written, not even a manifest."""
    names = ["ts", *METRICS_DAILY.values]
    there = stored.select(names).join(rows.select("ts"), on="ts", how="semi").sort("ts")
    told = rows.select(names).sort("ts")
    return told.cast(dict(there.schema)).equals(there)


def _days(
    chain: ChainSource,
    stored: pl.DataFrame,
    end: datetime,
    *,
    prices: pl.DataFrame,
    warehouse: Warehouse,
    now: datetime,
) -> Days:
    """Return every day of the history before ``end``: as told, counted from blocks, or stored already."""
    import polars as pl

    from pipeline.chain.canonical import COUNTED_FROM, day_totals
    from pipeline.chain.days import with_prices
    from pipeline.chain.metrics import days_of
    from resources.chain.port import Days

    first = chain.history.start
    last = min(end, now)
    if not chain.has_days:
        blocks = warehouse.as_of(BLOCKS, where={"feed": chain.feed}, columns=COUNTED_FROM)
        counted = with_prices(day_totals(blocks), prices)
        return Days(counted.filter(pl.col("ts") < last))
    if chain.recheck_days is None:
        return chain.days(first, last, now=now, prices=prices)
    frames, findings = [], []
    for window in windows_to_ask(stored["ts"], (first, last), chain.recheck_days):
        told = chain.days(*window, now=now, prices=prices)
        frames.append(told.frame)
        findings.extend(told.findings)
    known = days_of(stored.filter(pl.col("ts") < last).drop("feed"))
    fresh = pl.concat(frames) if frames else known.clear()
    kept = known.join(fresh, on="ts", how="anti", maintain_order="left")
    return Days(pl.concat([kept, fresh]).sort("ts"), tuple(findings))


def windows_to_ask(
    stored: pl.Series, window: tuple[datetime, datetime], recheck_days: int
) -> list[tuple[datetime, datetime]]:
    """Return the windows that a source is asked for: what is missing, and the newest stored days again.

    Parameters
    ----------
    stored
        Days that are there.
    window
        First day, and the end of the last one.
    recheck_days
        How many of the newest stored days are asked for again.
    """
    from datetime import timedelta
    from itertools import pairwise

    first, last = window
    inside = stored.filter((stored >= first) & (stored < last)).sort().to_list()
    if last <= first or not inside:
        return [window] if last > first else []
    day = timedelta(days=1)
    tail = max(first, inside[-1] + day - recheck_days * day)
    holes = [(first, inside[0])] if inside[0] > first else []
    holes += [
        (before + day, after) for before, after in pairwise(inside) if after - before > day and before < tail
    ]
    return [*holes[-MOST_GAPS:], (tail, last)] if tail < last else holes[-MOST_GAPS:]


def _prices(chain: ChainSource, market: MarketSource, symbol: str, warehouse: Warehouse) -> pl.DataFrame:
    """Return the stored daily closes of a symbol, as first published or corrected since."""
    import polars as pl

    from pipeline.chain.days import PRICE_SCHEMA, empty

    if chain.priced:
        return empty(PRICE_SCHEMA)
    where = {"feed": market.feed, "symbol": symbol}
    bars = warehouse.as_of(OHLCV_DAILY, where=where, columns=("ts", "close", "known_at"))
    return bars.select("ts", pl.col("close").alias("price_usd"), "known_at")


def _of_feed(rows: pl.DataFrame, chain: ChainSource) -> pl.DataFrame:
    import polars as pl

    return rows.with_columns(pl.lit(chain.feed).alias("feed"))


def _known_since(blocks: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Return blocks that are known no earlier than a moment."""
    import polars as pl

    since = pl.lit(moment, pl.Datetime("us", "UTC"))
    return blocks.with_columns(pl.max_horizontal("known_at", since).alias("known_at"))


def _unreachable(chain: ChainSource, error: SourceError) -> Finding:
    """Return the finding about a source that gave nothing more.

    One out of reach warns: no order rests on the chain, so the run goes on.  A lasting fault is an error:
    damage, a refusal, a file that is not there.
    """
    from pipeline.market.findings import Finding, Severity

    if isinstance(error.__cause__, ConnectionError | TimeoutError):
        return Finding("unreachable", Severity.WARN, chain.feed, None, str(error))
    return Finding("unreadable", Severity.ERROR, chain.feed, None, str(error))


def _unpriced(market: MarketSource, symbol: str) -> Finding:
    from pipeline.market.findings import Finding, Severity

    reason = f"no daily bar of {symbol} is stored for {market.feed}: no day has a price (chain.price_symbol)"
    return Finding("no_bars", Severity.WARN, symbol, None, reason)
