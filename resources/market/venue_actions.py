"""Asks venues for splits and dividends: of each equity the first venue that tells of any.

Indices and coins have none, and many venues do not tell: silence is no failure, a refusal is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.instruments import AssetClass
from pipeline.errors import BellsError
from pipeline.market.findings import Finding, Severity
from resources.market.asking import NotHadError, not_had, require_one
from resources.market.coverage import set_aside_findings
from resources.market.port import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.config.instruments import Instrument
    from resources.venues.port import BarVenue


def asked_actions(
    venues: Mapping[str, Sequence[str]],
    instruments: Mapping[str, Instrument],
    venue_of: Callable[[str], BarVenue],
    window: tuple[datetime, datetime],
    *,
    now: datetime,
    feed: str,
) -> Fetched:
    """Return the corporate actions with an ex-date in the window that were known at ``now``.

    Parameters
    ----------
    venues
        Symbols to their venues, in order of preference.
    instruments
        The instrument table: asset class and calendar.
    venue_of
        Opens the adapter of that name.
    window
        First ex-date, and the first one after the last.
    now
        Our clock.
    feed
        The source, for messages.

    Raises
    ------
    SourceError, ConfigError
        When there were symbols to ask about and not one could be had.
    """
    import polars as pl

    from pipeline.market.actions import ACTION_SCHEMA
    from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty

    frames, aside, findings = [empty(ACTION_SCHEMA)], [empty(QUARANTINE_SCHEMA)], []
    lost: list[NotHadError] = []
    told = 0
    for symbol, names in venues.items():
        if instruments[symbol].asset_class is not AssetClass.EQUITY:
            continue
        failures: list[tuple[str, BellsError]] = []
        for name in names:
            try:
                answer = venue_of(name).actions(symbol, *window)
            except BellsError as error:
                failures.append((name, error))
                continue
            if answer is not None:
                rows, bad = actions_of(answer, symbol, instruments[symbol].calendar, name)
                frames.append(rows.filter(pl.col("known_at") <= now))
                aside.append(bad)
                told += 1
                break
        else:
            if failures:
                lost.append(not_had(f"corporate actions of {symbol}", failures))
                findings.append(Finding("unreachable", Severity.ERROR, symbol, None, lost[-1].what))
    if lost and not told:
        require_one(lost, feed)
    bad = pl.concat(aside)
    frame = pl.concat(frames).sort("symbol", "ts", "kind")
    return Fetched(frame, bad, (*findings, *set_aside_findings(bad)), empty(GAP_SCHEMA))


def actions_of(
    told: pl.DataFrame, symbol: str, calendar: str, venue: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of ``ACTION_SCHEMA``, and of ``QUARANTINE_SCHEMA`` those that make no sense.

    Parameters
    ----------
    told
        Columns of `action_schema`.
    symbol, calendar
        Whose actions, and whose sessions they take effect in.
    venue
        Who told.
    """
    import polars as pl

    from pipeline.market.actions import ACTION_SCHEMA, actions_known_at, judged_actions

    columns = ["symbol", *told.columns]
    good, bad = judged_actions(told.with_columns(symbol=pl.lit(symbol)).select(columns), columns)
    known = good.with_columns(
        actions_known_at(good["ts"], good["declared_at"], calendar),
        currency=pl.when(pl.col("kind") == "dividend").then("currency"),
        source=pl.lit(venue),
        simulated=pl.lit(value=False),
    )
    return known.select(list(ACTION_SCHEMA)), bad
