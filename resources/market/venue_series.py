"""Makes macro rows of what a publisher hands over: our names and units, each vintage with its own instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from resources.market.live_settings import SeriesRows
    from resources.venues.port import VenueSeries

DATASET = "market.macro"


def observations(got: VenueSeries, name: str, entry: SeriesRows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of ``MACRO_SCHEMA``, and of ``QUARANTINE_SCHEMA`` those that make no sense.

    Parameters
    ----------
    got
        Columns of `observation_schema`.
    name
        Our name of the series.
    entry
        Unit and scale.
    """
    import polars as pl

    from pipeline.market.bars import MACRO_SCHEMA
    from pipeline.market.findings import Severity
    from pipeline.market.quarantine import quarantine
    from pipeline.market.rules import Rule, judge, repeat_rules, with_repeats

    columns = ["symbol", "ts", "value", "known_at"]
    rows = got.rows.with_columns(pl.col("value").fill_nan(None), symbol=pl.lit(name)).select(columns)
    unclear, early = pl.any_horizontal(pl.col("ts", "known_at").is_null()), pl.col("known_at") < pl.col("ts")
    rules = [
        Rule("missing_value", Severity.ERROR, unclear, pl.lit("the period or its publication is missing")),
        Rule("not_finite", Severity.ERROR, pl.col("value").is_infinite(), pl.lit("the value is infinite")),
        Rule("known_too_early", Severity.ERROR, early, pl.lit("known before its period begins")),
        *repeat_rules(),
    ]
    good, bad = judge(with_repeats(rows, ("symbol", "ts", "known_at"), columns), rules)
    made = good.with_columns(
        series=pl.lit(name),
        value=pl.col("value") * entry.scale,
        unit=pl.lit(entry.unit),
        source=pl.lit(got.source),
        vintage=pl.lit(got.vintage),
        simulated=pl.lit(value=False),
    )
    return made.select(list(MACRO_SCHEMA)), quarantine(bad, DATASET, columns)
