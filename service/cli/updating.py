"""Bringing a source's history into the warehouse from the command line, without Dagster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, DataError
from service.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from assets.market.ingest import Ingested
    from resources.desk import Desk
    from resources.market.port import MarketSource
    from warehouse.table import Table

NOT_HAD = ("unreadable", "unknown_symbol", "unreachable", "no_bars")
"""The rules that a source's finding names when a file, a symbol or a series could not be had."""
NOT_READ = tuple(rule for rule in NOT_HAD if rule != "no_bars")
"""Those of them that say that something did not answer, or could not be understood."""
MOST_SAID = 5
"""Reasons of one table that people are told as they come; JSON has all."""
TOLD = ("fallback", "restated", "other_venue")
"""The rules of findings about what a venue did, that an update tells beside what could not be had."""


@dataclass(frozen=True)
class Updated:
    """What an update did, table by table.

    Parameters
    ----------
    start, end
        Labels it covered, end exclusive.
    tables
        One record for each table: rows fetched, inserted, revised, unchanged, quarantined.
    gaps
        Missing bars inside the history, by run.
    failures
        What could not be had: table, symbol, reason.
    notices
        What venues did: another one delivered, a history was restated, stored rows are used on request.
    findings
        What else is wrong with the data, severity warn and error, gaps apart.
    not_read
        What did not answer or could not be read, whether it fails the update or not: table, symbol, reason.
    """

    start: datetime
    end: datetime
    tables: tuple[dict[str, Any], ...]
    gaps: tuple[dict[str, Any], ...]
    failures: tuple[dict[str, Any], ...]
    notices: tuple[dict[str, Any], ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    not_read: tuple[dict[str, Any], ...] = ()


def update_all(
    desk: Desk,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    symbols: Sequence[str] = (),
) -> Updated:
    """Fetch a window of everything the source has, and append what is new.

    A table that the source cannot deliver at all, for want of a key or otherwise, is a failure in the answer;
    the others are stored.

    Parameters
    ----------
    desk
        Where from and where to.
    start, end
        By default the source's whole history up to now.
    symbols
        Bars of these only, and no macro series; empty for everything.

    Raises
    ------
    DataError
        When the window is empty.
    ConfigError, ResourceError
        When a symbol is unknown, settings alone kept everything away, or the warehouse is busy.
    """
    from service.cli.selection import OnlySymbols

    market = OnlySymbols(desk.market, symbols) if symbols else desk.market
    now = desk.clock.now()
    first = max(start or market.history.start, market.history.start)
    last = min(end or now, market.history.until(now))
    if last <= first:
        raise DataError(
            f"the source {market.feed} has nothing in this window",
            field="--start, --end",
            value=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
            constraint=f"inside {market.history.start:%Y-%m-%d} to {market.history.until(now):%Y-%m-%d}",
            fix="choose another window",
        )
    tables, gaps, failures, notices, findings, not_read = [], [], [], [], [], []
    unset: list[ConfigError] = []
    doing = _work(desk, market, (first, last), now, bars_only=bool(symbols))
    if not symbols:
        doing += _chain_work(desk, min(end or now, desk.chain.history.until(now)), now)
    for table, work in doing:
        started = desk.clock.monotonic()
        try:
            done = work()
        except (DataError, ConfigError) as error:
            lost = {"table": table.full_name, "symbol": None, "reason": str(error)}
            say(f"{table.full_name}: NOT READ: {error}")
            failures.append(lost)
            not_read.append(lost)
            unset += [error] if isinstance(error, ConfigError) else []
            continue
        tables.append(_counts(done, desk.clock.monotonic() - started))
        gaps.extend(_gaps(done))
        failures.extend(_failures(done))
        notices.extend(_notices(done))
        findings.extend(_findings(done))
        not_read.extend(_not_read(done))
        for line in _lines(done):
            say(f"{done.table}: {line}")
    if unset and len(unset) == len(failures) and not any(table["fetched"] for table in tables):
        raise unset[0]
    return Updated(
        first,
        last,
        tuple(tables),
        tuple(gaps),
        tuple(failures),
        tuple(notices),
        tuple(findings),
        tuple(not_read),
    )


def _work(
    desk: Desk,
    market: MarketSource,
    window: tuple[datetime, datetime],
    now: datetime,
    *,
    bars_only: bool,
) -> list[tuple[Table, Callable[[], Ingested]]]:
    from functools import partial

    from assets.manifests import manifest_for
    from assets.market.actions import update_actions
    from assets.market.ingest import BAR_TABLES, update_bars, update_macro, update_truth
    from resources.market.imputing import Imputing
    from warehouse.tables import CORPORATE_ACTIONS, MACRO, TRUTH

    def bound(
        update: Callable[..., Ingested], table: Table, *arguments: object, **further: object
    ) -> Callable[[], Ingested]:
        manifest = manifest_for(table, desk.loaded, now)
        return partial(
            update,
            *arguments,
            window,
            market=market,
            warehouse=desk.warehouse,
            now=now,
            manifest=manifest,
            **further,
        )

    stale = desk.loaded.settings.system.checks.allow_stale
    imputing = Imputing.from_settings(desk.loaded.settings)
    work = [
        (table, bound(update_bars, table, timeframe, allow_stale=stale, imputing=imputing))
        for timeframe, table in BAR_TABLES.items()
    ]
    if not bars_only:
        work.append((MACRO, bound(update_macro, MACRO, allow_stale=stale)))
        work.append((CORPORATE_ACTIONS, bound(update_actions, CORPORATE_ACTIONS, allow_stale=stale)))
        if market.simulated:
            work.append((TRUTH, bound(update_truth, TRUTH)))
    return work


def _chain_work(desk: Desk, end: datetime, now: datetime) -> list[tuple[Table, Callable[[], Ingested]]]:
    """Return the updates of the chain; they come last, since a day may take its price from the bars."""
    from functools import partial

    from assets.chain.ingest import update_blocks, update_days
    from assets.manifests import manifest_for
    from warehouse.tables import BLOCKS, METRICS_DAILY

    where = {"warehouse": desk.warehouse, "now": now}
    days = partial(
        update_days,
        desk.chain,
        end,
        market=desk.market,
        symbol=desk.loaded.settings.chain.price_symbol,
        manifest=manifest_for(METRICS_DAILY, desk.loaded, now),
        **where,
    )
    work: list[tuple[Table, Callable[[], Ingested]]] = []
    if desk.chain.has_blocks:
        manifest = manifest_for(BLOCKS, desk.loaded, now)
        work.append((BLOCKS, partial(update_blocks, desk.chain, manifest=manifest, **where)))
    return [*work, (METRICS_DAILY, days)]


def _lines(done: Ingested) -> Iterator[str]:
    """Yield what people are told of a table: what was not read and why, then what came of it."""
    from assets.market.ingest import told_nothing

    nothing, lost = told_nothing(done.findings), _not_read(done)
    word = "READ IN PART" if done.fetched else "NOT READ"
    yield from (f"{word}: {one['reason']}" for one in lost[:MOST_SAID])
    if len(lost) > MOST_SAID:
        yield f"{word}: and {len(lost) - MOST_SAID} more"
    if nothing is not None:
        yield f"nothing: {nothing}"
    elif done.fetched or not lost:
        yield f"{done.inserted:,} new, {done.revised:,} revised, {done.unchanged:,} unchanged"


def _counts(done: Ingested, seconds: float) -> dict[str, Any]:
    return {
        "table": done.table,
        "fetched": done.fetched,
        "inserted": done.inserted,
        "revised": done.revised,
        "unchanged": done.unchanged,
        "quarantined": done.quarantined,
        "same_files": done.same_files,
        "seconds": round(seconds, 3),
    }


def _gaps(done: Ingested) -> list[dict[str, Any]]:
    return [
        {"table": done.table, "symbol": f.symbol, "first": f.ts, "last": f.last, "missing": f.count}
        for f in done.findings
        if f.rule == "gap"
    ]


def _failures(done: Ingested) -> list[dict[str, Any]]:
    return [
        {"table": done.table, "symbol": f.symbol, "reason": f.reason}
        for f in done.findings
        if f.rule in NOT_HAD and f.severity == "error"
    ]


def _not_read(done: Ingested) -> list[dict[str, Any]]:
    return [
        {"table": done.table, "symbol": f.symbol, "reason": f.reason}
        for f in done.findings
        if f.rule in NOT_READ
    ]


def _notices(done: Ingested) -> list[dict[str, Any]]:
    return [
        {"table": done.table, "symbol": f.symbol, "rule": f.rule, "reason": f.reason}
        for f in done.findings
        if f.rule in TOLD or (f.rule in NOT_HAD and f.severity != "error")
    ]


def _findings(done: Ingested) -> list[dict[str, Any]]:
    told = {"gap", *NOT_HAD, *TOLD}
    return [
        {"table": done.table, **f.to_dict()}
        for f in done.findings
        if f.rule not in told and f.severity != "info"
    ]
