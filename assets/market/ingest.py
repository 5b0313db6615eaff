"""Bring a window of a market source into the warehouse: fetch, set bad rows aside, append what is new.

The same functions serve the Dagster assets and ``bells data update``; nothing here knows Dagster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from assets.market.increments import MOMENT, fetch_bars, fetch_macro
from assets.market.instruments import listed_rows
from assets.market.unchanged import Recalled, recall, remember
from warehouse.tables import INSTRUMENTS, MACRO, OHLCV_DAILY, OHLCV_H4, QUARANTINE, TRUTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.market.findings import Finding
    from resources.market.imputing import Imputing
    from resources.market.port import Fetched, MarketSource
    from warehouse.append import Corrections
    from warehouse.manifest import Manifest
    from warehouse.store import Warehouse
    from warehouse.table import Table

Timeframe = Literal["h4", "daily"]
BAR_TABLES: dict[Timeframe, Table] = {"h4": OHLCV_H4, "daily": OHLCV_DAILY}


@dataclass(frozen=True)
class Ingested:
    """What one update did.

    Parameters
    ----------
    table
        Qualified name.
    fetched, inserted, revised, unchanged
        Rows the source delivered, new keys, corrected keys, and rows equal to what was stored.
    quarantined
        Rows set aside with a reason; ``fetched + quarantined`` is what the source holds.
    findings
        What validation had to say, gaps included.
    same_files
        Whether the files are those of the last ingest, so that nothing had to be read or written.
    """

    table: str
    fetched: int
    inserted: int
    revised: int
    unchanged: int
    quarantined: int
    findings: Sequence[Finding]
    same_files: bool = False


def update_bars(
    timeframe: Timeframe,
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    manifest: Manifest,
    allow_stale: bool = False,
    imputing: Imputing | None = None,
) -> Ingested:
    """Append the bars whose label lies in ``window`` (end exclusive).

    A source that asks others is asked for what is missing, and for the newest stored bars again; see
    `assets.market.increments`.  ``allow_stale`` goes on with stored rows where a symbol cannot be had;
    ``imputing`` fills short gaps.

    A final bar replaces a provisional or an imputed one.  A bar less complete than the stored one (imputed
    or provisional where that is final, or made of fewer minutes) is a loss at the source and no correction:
    it is set aside by the rule ``less_complete``, and what is stored stays.
    """
    import polars as pl

    from resources.market.coverage import set_aside_findings

    table = BAR_TABLES[timeframe]
    if imputing is None:
        known = recall(market, timeframe, table, window, warehouse=warehouse)
        if known is not None:
            return _as_before(table, known)
    if market.incremental is None:
        fetched = market.bars(timeframe, *window, now=now)
    else:
        fetched = fetch_bars(
            market.incremental,
            table,
            timeframe,
            window,
            warehouse=warehouse,
            now=now,
            allow_stale=allow_stale,
        )
    if fetched.listed:
        warehouse.append(INSTRUMENTS, listed_rows(fetched.listed, market.feed))
    if imputing is not None:
        real = _real(table, market, warehouse)
        fetched = imputing(fetched, timeframe, now=now, stored=real)
    anew = [finding.symbol for finding in fetched.findings if finding.rule == "restated"]
    kept, poorer = _without_losses(table, fetched.frame, anew, market=market, warehouse=warehouse)
    done = _store(
        table,
        kept,
        pl.concat([fetched.quarantined, poorer]),
        (*fetched.findings, *set_aside_findings(poorer)),
        market=market,
        warehouse=warehouse,
        manifest=_naming_files(manifest, fetched),
    )
    if imputing is None:
        found = Recalled(done.fetched, done.quarantined, tuple(done.findings))
        remember(market, table, window, fetched, found, warehouse=warehouse)
    return done


def update_macro(
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    manifest: Manifest,
    allow_stale: bool = False,
) -> Ingested:
    """Append the macro observations whose reference period begins in ``window``.

    Of a publisher with vintages every value is stored with the instant at which it was published, though it
    be fetched years later; where only today's figures are to be had, a change is known from now on.
    """
    import polars as pl

    from pipeline.market.macro_rules import macro_findings

    known = recall(market, "macro", MACRO, window, warehouse=warehouse)
    if known is not None:
        return _as_before(MACRO, known)
    if market.incremental is None:
        fetched = market.macro(*window, now=now)
    else:
        fetched = fetch_macro(
            market.incremental, window, warehouse=warehouse, now=now, allow_stale=allow_stale
        )
    dated = pl.col("vintage").eq("as_published") & fetched.vintaged
    named = _naming_files(manifest, fetched)
    stored = partial(_store, MACRO, market=market, warehouse=warehouse, manifest=named)
    findings = (*fetched.findings, *macro_findings(fetched.frame))
    done = stored(fetched.frame.filter(~dated), fetched.quarantined, findings)
    vintages = fetched.frame.filter(dated)
    if vintages.height:
        more = stored(vintages, None, (), corrections="given")
        done = replace(
            done,
            fetched=done.fetched + more.fetched,
            inserted=done.inserted + more.inserted,
            revised=done.revised + more.revised,
            unchanged=done.unchanged + more.unchanged,
        )
    found = Recalled(done.fetched, done.quarantined, tuple(done.findings))
    remember(market, MACRO, window, fetched, found, warehouse=warehouse)
    return done


def told_nothing(findings: Sequence[Finding]) -> str | None:
    """Return why a source has no rows of a kind, where it said so."""
    from resources.chain.nothing import NO_ROWS
    from resources.market.coverage import NOT_MAPPED

    return next((finding.reason for finding in findings if finding.rule in (NO_ROWS, NOT_MAPPED)), None)


def update_truth(
    window: tuple[datetime, datetime],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    now: datetime,
    manifest: Manifest,
) -> Ingested:
    """Append the planted regimes of a simulated world (no rows for a real source)."""
    truth = market.truth(*window, now=now)
    return _store(TRUTH, truth, None, (), market=market, warehouse=warehouse, manifest=manifest)


def _as_before(table: Table, known: Recalled) -> Ingested:
    rows, aside, said = known.fetched, known.quarantined, known.findings
    return Ingested(table.full_name, rows, 0, 0, rows, aside, said, same_files=True)


def _naming_files(manifest: Manifest, fetched: Fetched) -> Manifest:
    """Return the manifest with the content and the columns of every file that was read."""
    from warehouse.manifest import Input

    files = tuple(
        Input(f"file:{mark.name}", None, None, mark.sha256, schema=mark.schema) for mark in fetched.files
    )
    return replace(manifest, inputs=(*manifest.inputs, *files))


def _real(table: Table, market: MarketSource, warehouse: Warehouse) -> pl.DataFrame | None:
    """Return the newest versions of the stored bars that are not imputed, known from when they first were."""
    import polars as pl

    from pipeline.market.bars import BarState

    if market.incremental is None or not warehouse.path.exists():
        return None
    versions = warehouse.versions(table, where={"feed": market.feed})
    real = versions.filter(pl.col("state") != BarState.IMPUTED)
    newest = real.with_columns(pl.col("known_at").first().over(table.key))
    return newest.unique(table.key, keep="last", maintain_order=True)


def _without_losses(
    table: Table,
    bars: pl.DataFrame,
    anew: Sequence[str | None],
    *,
    market: MarketSource,
    warehouse: Warehouse,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split bars into those to store and, as rows of quarantine, those less complete than what is stored.

    Of the symbols in ``anew``, whose history is restated, bars of fewer minutes are stored: beside new prices
    the old ones would be wrong.
    """
    import polars as pl

    from pipeline.market.bars import BarState
    from pipeline.market.quarantine import quarantine

    key = ("symbol", "ts")
    grade, stored_grade = (pl.col(name).cast(pl.Enum(BarState)) for name in ("state", "stored_state"))
    fewer = (pl.col("covered_minutes") < pl.col("stored_minutes")) & ~pl.col("symbol").is_in(anew)
    less = (grade < stored_grade) | ((grade == stored_grade) & fewer)
    if warehouse.path.exists() and bars.height:
        first, last = bars.select(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")).row(0)
        warehouse.migrate()
        stored = warehouse.as_of(
            table,
            where={"feed": market.feed},
            columns=(*key, "covered_minutes", "state"),
            start=first,
            end=last + MOMENT,
        ).rename({"covered_minutes": "stored_minutes", "state": "stored_state"})
    else:
        stored = bars.select(*key, stored_minutes="covered_minutes", stored_state="state").clear()
    joined = bars.join(stored, on=key, how="left", maintain_order="left")
    text = pl.format(
        "{} and covers {} minutes, stored are {} minutes, {}",
        *("state", "covered_minutes", "stored_minutes", "stored_state"),
    )
    # One chunk: formatting a filtered frame of several has panicked inside polars 2.1.
    poorer = (
        joined.filter(less)
        .rechunk()
        .with_columns(rule=pl.lit("less_complete"), severity=pl.lit("warn"), reason=text)
    )
    kept = joined.filter(less.fill_null(value=False).not_()).select(bars.columns)
    return kept, quarantine(poorer, table.full_name, bars.columns)


def _store(
    table: Table,
    frame: pl.DataFrame,
    quarantined: pl.DataFrame | None,
    findings: Sequence[Finding],
    *,
    market: MarketSource,
    warehouse: Warehouse,
    manifest: Manifest,
    corrections: Corrections = "now",
) -> Ingested:
    import polars as pl

    feed = pl.lit(market.feed).alias("feed")
    aside = 0
    if quarantined is not None and quarantined.height:
        aside = quarantined.height
        warehouse.append(QUARANTINE, quarantined.with_columns(feed))
    rows = frame.with_columns(feed)
    done = warehouse.append(table, rows, manifest=manifest, corrections=corrections)
    return Ingested(
        table.full_name, frame.height, done.inserted, done.revised, done.unchanged, aside, tuple(findings)
    )
