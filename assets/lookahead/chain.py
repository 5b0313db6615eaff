"""The chain in a look-ahead proof: its days as source rows, what is made of them, a source that serves them.

The days are what the source tells; the price of a source that tells none comes from the daily bars of the
same world, so that both futures meet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from warehouse.tables import METRICS_DAILY, MODELS

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from pipeline.lookahead.perturb import World
    from resources.desk import Desk
    from resources.market.port import Window
    from warehouse.table import Table

AROUND = timedelta(days=45)
"""How far before and after an instant models are looked at: more than a month, so that a refit lies in it."""
DAYS = METRICS_DAILY.full_name
"""Where a world keeps the days: under the table that is made of them."""


def chain_days(desk: Desk, daily: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return all days of the configured chain source, with the feed; no rows where it tells none.

    Parameters
    ----------
    desk
        Whose source is asked.
    daily
        Daily bars, columns of ``BAR_SCHEMA``.
    now
        When.
    """
    import polars as pl

    chain = desk.chain
    prices = closes(daily, desk.loaded.settings.chain.price_symbol)
    days = chain.days(chain.history.start, now, now=now, prices=prices).frame
    if not chain.priced:
        own = pl.col("ts") + pl.duration(days=1)
        days = days.with_columns(pl.lit(None, pl.Float64).alias("price_usd"), own.alias("known_at"))
    return days.with_columns(pl.lit(chain.feed).alias("feed"))


def closes(daily: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Return the daily closes of a symbol, columns of ``PRICE_SCHEMA``."""
    import polars as pl

    own = daily.filter(pl.col("symbol") == symbol)
    return own.select("ts", pl.col("close").alias("price_usd"), "known_at")


def derived(days: pl.DataFrame, daily: pl.DataFrame, desk: Desk) -> pl.DataFrame:
    """Return the rows of ``chain.metrics_daily`` that an update makes of days and daily bars."""
    from pipeline.chain.days import with_prices
    from pipeline.chain.metrics import Origin, derive

    if not desk.chain.priced:
        days = with_prices(days, closes(daily, desk.loaded.settings.chain.price_symbol))
    return derive(days, Origin(None))


def valued(table: Table, days: pl.DataFrame, desk: Desk, at: datetime) -> pl.DataFrame:
    """Return what the valuation models were fitted to or forecast in the weeks around an instant.

    Parameters
    ----------
    table
        ``valuation.models`` or ``valuation.predictions``; the latter without intervals, which are made of all
        errors before them.
    days
        Rows of ``chain.metrics_daily`` of one world.
    """
    import numpy as np

    from assets.valuation.inputs import ValuationInputs
    from assets.valuation.rows import fit_rows, prediction_rows
    from pipeline.errors import BellsError
    from pipeline.valuation.configured import configured_models
    from pipeline.valuation.history import ChainHistory
    from pipeline.valuation.record import recent_record

    chosen = desk.loaded.settings.valuation
    history = ChainHistory.from_frame(days)
    records = []
    for model in configured_models(chosen):
        try:
            record = recent_record(
                model,
                history,
                start=(at - AROUND).date(),
                end=(at + AROUND).date(),
                horizons=chosen.intervals.horizons,
                refit=chosen.backtest.refit,
            )
        except BellsError as failure:  # as in the asset: a model without data has no rows
            if failure.exit_code == 1:  # a wrong setting
                raise
            continue
        if np.isfinite(record.walk.forecast).any():
            records.append(record)
    read = ValuationInputs(history, desk.chain.feed, desk.chain.simulated, latest_revision=False, inputs=())
    return (fit_rows if table is MODELS else prediction_rows)(records, read, "proof")


def serving(desk: Desk, world: World, history: Window) -> Desk:
    """Return the desk with a chain source for which the world is all there is."""
    from resources.chain.served import ServedChain

    chain = desk.chain
    rows = world[DAYS].drop("feed")
    return replace(desk, chain=ServedChain(rows, chain.feed, chain.simulated, chain.priced, history))
