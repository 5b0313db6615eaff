"""The record of one model: forecasts of the later part of a window, errors, coverage, the traded signal."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Time1D
from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.metrics import Coverage, ErrorMetrics, error_metrics, interval_coverage, skill
from pipeline.valuation.model import PriceModel
from pipeline.valuation.past_intervals import past_bounds
from pipeline.valuation.residuals import HORIZONS, LEVELS
from pipeline.valuation.signal import SignalResult, trade
from pipeline.valuation.walk_forward import REFITS, Failure, Refit, WalkForward, first_origin, walk_forward

FEWEST_ROWS = 10
LEAST_TRAIN, MOST_TRAIN = 0.1, 0.9


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a model said in the scored part of a window, one forecast a day.

    Parameters
    ----------
    target, forecast, actual, last
        The day meant, and USD; NaN where there is no forecast, or no price.  ``last`` is the price that was
        the last known one when the forecast was made.
    bounds
        By level: the intervals that the model would have given.
    skill
        ``1 - MSE / MSE_base`` of ln errors on the same days; the base is the last known price.
    failures
        Scored forecasts that are missing, with reasons.
    """

    model: str
    horizon: int
    start: date
    end: date
    target: Time1D
    forecast: Float1D
    actual: Float1D
    last: Float1D
    bounds: dict[float, tuple[Float1D, Float1D]]
    metrics: ErrorMetrics
    coverage: tuple[Coverage, ...]
    signal: SignalResult
    skill: float | None
    failures: tuple[Failure, ...]
    fits: tuple[Refit, ...]

    def to_dict(self, *, predictions: bool = True) -> dict[str, Any]:
        """Return the record of the REST contract, with all else that is known; unknown is None."""
        found: dict[str, Any] = {
            "model_name": self.model,
            "horizon_days": self.horizon,
            "start_date": self.start.isoformat(),
            "end_date": self.end.isoformat(),
            "metrics": {
                **vars(self.metrics),
                "skill_last_price": self.skill,
                "sharpe_ratio": self.signal.sharpe_ratio,
                "max_drawdown": self.signal.max_drawdown,
                "turnover": self.signal.turnover,
                "mean_exposure": self.signal.mean_exposure,
                "buy_and_hold_sharpe": self.signal.buy_and_hold_sharpe,
                "buy_and_hold_drawdown": self.signal.buy_and_hold_drawdown,
            },
            "coverage": [vars(each) for each in self.coverage],
            "refits": len(self.fits),
            "failed": len(self.failures),
            "failures": [
                {"origin": each.origin.isoformat(), "horizon": each.horizon, "reason": each.reason}
                for each in self.failures
            ],
        }
        if predictions:
            found["predictions"] = [
                {
                    "date": str(day),
                    "predicted_price": _or_none(said),
                    "actual_price": _or_none(came),
                    "error": _or_none((said - came) / came),
                }
                for day, said, came in zip(self.target, self.forecast, self.actual, strict=True)
            ]
        return found


def backtest(
    model: PriceModel,
    history: ChainHistory,
    *,
    start: date | None = None,
    end: date | None = None,
    train_pct: float = 0.7,
    horizon: int = 1,
    refit: str = "monthly",
    levels: tuple[float, ...] = LEVELS,
    seed: int = 0,
) -> Backtest:
    """Score a model on the later part of a window.

    The first ``train_pct`` of the window's days with a price are not scored.  Every fit uses all rows known
    at its day, also those before the window.  The signal trades the one-day forecasts of the scored days.

    Parameters
    ----------
    model
        Fitted or not.
    history
        All rows.
    start, end
        First day of the window, and the first one no more; by default all days with a price.
    train_pct
        0.1 to 0.9.
    horizon
        Days ahead of the scored forecasts.
    refit
        ``monthly`` or ``yearly``.
    levels
        Of the intervals whose coverage is measured.
    seed
        Of the bootstrap behind the bounds of coverage.

    Raises
    ------
    ConfigError
        When ``train_pct``, ``horizon`` or ``refit`` is out of range.
    InsufficientDataError
        When the window has fewer than ten days with a price, or no forecast in it can be scored.
    """
    if not LEAST_TRAIN <= train_pct <= MOST_TRAIN:
        raise ConfigError(
            "the training share is out of range",
            "train_pct",
            train_pct,
            f"{LEAST_TRAIN} to {MOST_TRAIN}",
            "write 0.7",
        )
    scored, last = _scored(history, start, end, train_pct)
    unit = REFITS.get(refit, "M")
    begin = min(scored, first_origin(model, history, unit=unit))
    horizons = tuple(sorted({1, horizon, *HORIZONS}))
    walk = walk_forward(model, history, start=begin, horizons=horizons, refit=refit)
    bounds = past_bounds(model, walk, history, levels)
    column = walk.at(horizon)
    target = walk.targets(horizon)
    window = (walk.origins >= np.datetime64(scored, "D")) & (target <= np.datetime64(last, "D"))
    forecast, actual = walk.forecast[window, column], walk.actual[window, column]
    last_price = history.values_at("price_usd", walk.origins[window] - DAY)
    inside = {
        level: (lower[window, column], upper[window, column]) for level, (lower, upper) in bounds.items()
    }
    metrics = error_metrics(forecast, actual)
    failures = _failed(walk, window, horizon)
    if not metrics.n:
        why = f": {failures[-1].reason}" if failures else ""
        raise InsufficientDataError(
            f"{model.name} has no forecast to score in the window{why}",
            field="start, end",
            value=(scored.isoformat(), last.isoformat()),
            constraint="at least one day with a forecast and a price",
            fix="take a longer window, or a model that has data there",
        )
    return Backtest(
        model.name,
        horizon,
        scored,
        last,
        target[window],
        forecast,
        actual,
        last_price,
        inside,
        metrics,
        tuple(
            interval_coverage(*each, actual, level=level, horizon=horizon, seed=seed)
            for level, each in inside.items()
        ),
        _traded(walk, window),
        skill(forecast, actual, last_price),
        failures,
        walk.fits,
    )


def _scored(
    history: ChainHistory, start: date | None, end: date | None, train_pct: float
) -> tuple[date, date]:
    price = history.column("price_usd")
    inside = np.isfinite(price)
    if start is not None:
        inside &= history.date >= np.datetime64(start, "D")
    if end is not None:
        inside &= history.date < np.datetime64(end, "D")
    rows = np.flatnonzero(inside)
    if rows.size < FEWEST_ROWS:
        raise InsufficientDataError(
            "the window has too few days with a price",
            field="start, end",
            value=int(rows.size),
            constraint=f">= {FEWEST_ROWS} days",
            fix="take a longer window",
        )
    first = rows[int(np.floor(train_pct * rows.size))]
    return history.date[first].item(), history.date[rows[-1]].item()


def _traded(walk: WalkForward, window: Bool1D) -> SignalResult:
    one = walk.at(1)
    return trade(walk.actual[window, one], walk.forecast[window, one])


def _failed(walk: WalkForward, window: Bool1D, horizon: int) -> tuple[Failure, ...]:
    scored = {each.item() for each in walk.origins[window]}
    return tuple(each for each in walk.failures if each.origin in scored and each.horizon in {None, horizon})


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
