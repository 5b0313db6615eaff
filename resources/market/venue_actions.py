"""Asks venues for the corporate actions of equities, and makes them rows that say when each was known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import BellsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.config.instruments import Instrument
    from resources.venues.port import BarVenue


def told_actions(
    symbol: str,
    names: Sequence[str],
    venue_of: Callable[[str], BarVenue],
    window: tuple[datetime, datetime],
) -> tuple[pl.DataFrame | None, str, list[tuple[str, BellsError]]]:
    """Return what the first venue that tells actions has, its name, and who failed before it.

    None for the rows where no venue tells any; then the failures say whether one might have.
    """
    failures: list[tuple[str, BellsError]] = []
    for name in names:
        try:
            found = venue_of(name).actions(symbol, *window)
        except BellsError as error:
            failures.append((name, error))
            continue
        if found is not None:
            return found, name, failures
    return None, "", failures


def known_actions(
    told: pl.DataFrame, instrument: Instrument, venue: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of ``ACTION_SCHEMA``, and of ``QUARANTINE_SCHEMA`` those that make no sense.

    Parameters
    ----------
    told
        Columns of `action_schema`.
    instrument, venue
        Whose actions they are, and who told them.
    """
    import polars as pl

    from pipeline.market.actions import ACTION_SCHEMA, actions_known_at, judged_actions

    rows = told.with_columns(symbol=pl.lit(instrument.symbol))
    cash = pl.col("kind") == "dividend"
    rows = rows.with_columns(currency=pl.when(cash).then("currency"))
    good, bad = judged_actions(rows, rows.columns)
    known = good.with_columns(actions_known_at(good["ts"], good["declared_at"], instrument.calendar))
    made = known.with_columns(source=pl.lit(venue), simulated=pl.lit(value=False))
    return made.select(list(ACTION_SCHEMA)), bad
