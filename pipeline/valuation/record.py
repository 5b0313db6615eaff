"""The whole record of a model: every fit, every forecast with its intervals, and how wrong they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.errors import BellsError
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.metrics import Coverage, ErrorMetrics, error_metrics, interval_coverage
from pipeline.valuation.model import PriceModel
from pipeline.valuation.past_intervals import past_bounds
from pipeline.valuation.residuals import LEVELS
from pipeline.valuation.signal import SignalResult, trade
from pipeline.valuation.walk_forward import WalkForward, walk_forward


@dataclass(frozen=True, eq=False)
class Record:
    """What one model did over all of a history.

    Parameters
    ----------
    model
        Unfitted.
    walk
        From its first possible origin to the day after the newest row.
    bounds
        By level, the intervals that each forecast had; NaN before there were errors to take them from.
    last_price
        USD at each origin, shape ``(origins,)``.
    """

    model: PriceModel
    walk: WalkForward
    bounds: dict[float, tuple[Float2D, Float2D]]
    last_price: Float1D


@dataclass(frozen=True)
class Scores:
    """How wrong all forecasts of one horizon were; ``signal`` only where the horizon is one day."""

    metrics: ErrorMetrics
    coverage: tuple[Coverage, ...]
    signal: SignalResult | None
    failed: int


def record_of(
    model: PriceModel,
    history: ChainHistory,
    *,
    horizons: Sequence[int],
    refit: str = "monthly",
    levels: tuple[float, ...] = LEVELS,
) -> Record:
    """Walk a model over a history, with intervals of some nominal levels.

    Raises
    ------
    InsufficientDataError
        When no refit has a year of days.
    ConfigError
        As `walk_forward`.
    """
    walk = walk_forward(model, history, horizons=horizons, refit=refit)
    bounds = past_bounds(model, walk, history, levels)
    return Record(model, walk, bounds, history.values_at("price_usd", walk.origins - DAY))


def recent_record(
    model: PriceModel,
    history: ChainHistory,
    *,
    start: date,
    end: date,
    horizons: Sequence[int],
    refit: str = "monthly",
) -> Record:
    """Walk a model over a part of a history, without intervals: those need all errors before them.

    Raises
    ------
    InsufficientDataError, ConfigError
        As `walk_forward`.
    """
    walk = walk_forward(model, history, start=start, end=end, horizons=horizons, refit=refit)
    unknown = np.full(walk.forecast.shape, np.nan)
    last = history.values_at("price_usd", walk.origins - DAY)
    return Record(model, walk, dict.fromkeys(LEVELS, (unknown, unknown)), last)


def records_of(
    models: Sequence[PriceModel], history: ChainHistory, *, horizons: Sequence[int], refit: str = "monthly"
) -> tuple[list[Record], dict[str, str]]:
    """Walk every model; those that lack data are named with the reason."""
    done: list[Record] = []
    absent: dict[str, str] = {}
    for model in models:
        try:
            done.append(record_of(model, history, horizons=horizons, refit=refit))
        except BellsError as failure:
            if failure.exit_code == 1:  # a wrong setting, not a model without data
                raise
            absent[model.name] = failure.what
    return done, absent


def scores_of(record: Record, horizon: int, *, seed: int) -> Scores:
    """Score all forecasts of one horizon; every one of them is out of sample."""
    walk, column = record.walk, record.walk.at(horizon)
    forecast, actual = walk.forecast[:, column], walk.actual[:, column]
    covered = tuple(
        interval_coverage(lower[:, column], upper[:, column], actual, level=level, horizon=horizon, seed=seed)
        for level, (lower, upper) in record.bounds.items()
    )
    failed = sum(each.horizon in {None, horizon} for each in walk.failures)
    signal = trade(actual, forecast) if horizon == 1 else None
    return Scores(error_metrics(forecast, actual), covered, signal, failed)
