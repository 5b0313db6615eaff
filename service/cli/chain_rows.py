"""What ``bells data`` says of the chain: how much is stored, and what the rules doubt of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.desk import Desk


def stored_chain(desk: Desk, feed: str | None) -> list[dict[str, Any]]:
    """Return one record for each feed and table of the chain that has rows."""
    return desk.warehouse.query("chain", feed=feed).to_dicts()


def revalidated_chain(desk: Desk, feed: str) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """Yield, by table of the chain that has rows: name, how many, and findings as records.

    Parameters
    ----------
    desk
        Whose warehouse is read.
    feed
        Days of the market feed of that name, or of the configured chain source that goes with it.
    """
    from pipeline.chain.canonical import faults_of
    from pipeline.chain.days import ACTIVE
    from pipeline.chain.rules import day_findings, too_early
    from pipeline.market.findings import Finding, Severity
    from warehouse.tables import BLOCKS, METRICS_DAILY

    chain = desk.chain.feed if feed == desk.market.feed else feed
    days = desk.warehouse.as_of(METRICS_DAILY, where={"feed": chain})
    if days.height:
        found = day_findings(days, chain)
        early = too_early(days)
        if early:
            reason = "days claim to be known before they were over"
            found.append(Finding("known_too_early", Severity.ERROR, chain, None, reason, count=early))
        yield _told(METRICS_DAILY.full_name, days.height, found)
    blocks = desk.warehouse.as_of(BLOCKS, where={"feed": chain})
    if blocks.height:
        active = blocks.filter(blocks["state"] == ACTIVE).sort("height")
        faults = [] if desk.chain.has_days else faults_of(active)
        found = [Finding("broken_chain", Severity.ERROR, chain, None, fault) for fault in faults]
        yield _told(BLOCKS.full_name, blocks.height, found)


def _told(table: str, rows: int, found: list[Any]) -> tuple[str, int, list[dict[str, Any]]]:
    return table, rows, [{"dataset": table, **finding.to_dict()} for finding in found]
