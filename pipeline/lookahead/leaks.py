"""The twelve planted leaks: ways of reading the future that a prover must catch, each beside an honest twin.

The twins do the same work without the fault, and must never be flagged.  Nothing here computes for the desk.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from pipeline.lookahead import leaks_joins as joins
from pipeline.lookahead import leaks_series as series
from pipeline.lookahead.perturb import World

KEY = ("symbol", "ts")
"""What names a cell of a leak or a twin."""


@dataclass(frozen=True)
class Plant:
    """One leak.

    Parameters
    ----------
    name
        What is done wrong.
    leaky, honest
        From source rows to ``symbol, ts, value, known_at``.
    """

    name: str
    leaky: Callable[[World], pl.DataFrame]
    honest: Callable[[World], pl.DataFrame]


PLANTS: tuple[Plant, ...] = (
    Plant("shift(-1)", series.next_return, series.last_return),
    Plant("centred window", series.centred_mean, series.trailing_mean),
    Plant("full-sample z-score", series.full_z_score, series.expanding_z_score),
    Plant("daily bar joined before its close", joins.daily_by_label, joins.daily_by_known),
    Plant("backfill", joins.backfilled, joins.carried_forward),
    Plant("label overlap", series.overlapping_labels, series.purged_labels),
    Plant("revised metric", joins.latest_revision, joins.first_release),
    Plant("forming bar", joins.forming_bar, joins.closed_bar),
    Plant("time-zone slip", joins.zone_slip, joins.daily_by_known),
    Plant("target encoding", series.full_target_encoding, series.expanding_target_encoding),
    Plant("scaler fitted on all", series.scaler_fitted_on_all, series.scaler_fitted_before),
    Plant(
        "universe chosen by future volume", joins.universe_by_future_volume, joins.universe_by_recent_volume
    ),
)
