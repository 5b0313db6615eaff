"""The kernels on the path that happened: skill, residuals, forecasts, and what the newest fit gave."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.valuation.falsification.arrays_of_world import LINE, room_for
from pipeline.valuation.falsification.kernel_scores import score
from pipeline.valuation.falsification.kernel_worlds import evaluate, forecast_of
from pipeline.valuation.falsification.setting import Compiled
from pipeline.valuation.falsification.walks import Scores


@dataclass(frozen=True, eq=False)
class HistoryRun:
    """What the models did on the path that happened.

    Attributes
    ----------
    scores
        Skill ``(models, horizons, bases)`` and Dickey-Fuller statistics ``(models,)``.
    forecasts
        ln forecasts of each model, ``(horizons, origins)``.
    fitted
        ln fair values by the fit to all rows, of each model, ``(n,)``.
    level, slope
        Of each member's newest fit, ``(m,)``; of a multiple ln of it, and NaN.
    weights
        Of members in each model's newest fit, ``(m,)``; NaN for strangers.
    scored
        Origins with forecast, price and bases, ``(models, horizons)``.
    """

    scores: Scores
    forecasts: tuple[Float2D, ...]
    fitted: tuple[Float1D, ...]
    level: Float1D
    slope: Float1D
    weights: tuple[Float1D, ...]
    scored: Float2D


def run_history(compiled: Compiled) -> HistoryRun:
    """Run all models over the path that happened, by the code that runs them on random walks."""
    setting, y = compiled.setting, compiled.y
    room = room_for(setting)
    q, k = setting.how.size, setting.horizons.size
    scores = Scores(np.empty((q, k, 2)), np.empty(q))
    evaluate(setting, room, y, compiled.base, scores.skill, scores.unit_root)
    forecasts, fitted, weights, scored = [], [], [], np.empty((q, k))
    for model in range(q):
        forecast_of(setting, room, model, y)
        score(y, room.mixed, setting.horizons, setting.first, setting.scored, room.sums)
        scored[model] = room.sums[:, 3]
        forecasts.append(room.mixed.copy())
        fitted.append(room.mixed_fitted.copy())
        own = setting.weights[model]
        weights.append(own if np.count_nonzero(np.isfinite(own)) == 1 else room.own_weights[-1].copy())
    level, slope = np.full(setting.kinds.size, np.nan), np.full(setting.kinds.size, np.nan)
    for member in range(setting.kinds.size):
        path = room.fitted[member]
        if setting.kinds[member] != LINE:
            level[member] = float(np.nanmedian(path - compiled.base[member]))
            continue
        good = np.flatnonzero(np.isfinite(path))
        x = setting.x[member]
        low, high = good[np.argmin(x[good])], good[np.argmax(x[good])]
        slope[member] = (path[high] - path[low]) / (x[high] - x[low])
        level[member] = path[low] - slope[member] * x[low]
    return HistoryRun(scores, tuple(forecasts), tuple(fitted), level, slope, tuple(weights), scored)
