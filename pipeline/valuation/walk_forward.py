"""Walk-forward: what a model would have said each day, refitted from what was known then.

A forecast of origin ``o`` is made when the row of ``o - 1`` is known and reads rows dated before ``o``;
horizon ``h`` targets the row ``o + h - 1``.  The fit in force was made on the first day of the origin's month
(or year), so no result depends on where a walk-forward starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import numpy as np

from pipeline.arrays import Float2D, Int1D, Time1D
from pipeline.errors import BellsError, ConfigError, InsufficientDataError
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.line import LEAST_POINTS, ln
from pipeline.valuation.model import PriceModel
from pipeline.valuation.residuals import HORIZONS, ErrorQuantiles, walk_forward_quantiles

REFITS = {"monthly": "M", "yearly": "Y"}
"""How often coefficients are estimated anew, and numpy's unit of it."""
Model = TypeVar("Model", bound=PriceModel)


@dataclass(frozen=True)
class Refit:
    """One fit: the day whose start it was made at, and what it gave or why it gave nothing."""

    day: date
    parameters: Any
    reason: str | None


@dataclass(frozen=True)
class Failure:
    """A forecast that should be there and is not; ``horizon`` is None where all of an origin are missing."""

    origin: date
    horizon: int | None
    reason: str


@dataclass(frozen=True, eq=False)
class WalkForward:
    """Forecasts of one model with what came.

    Parameters
    ----------
    origins
        ``datetime64[D]``, shape ``(n,)``.
    horizons
        Days ahead, ascending, ``(m,)``.
    forecast, actual
        USD, shape ``(n, m)``; NaN where there is none (``actual``: also not yet).
    error
        ``ln(actual / forecast)``, shape ``(n, m)``.
    fit_of
        Which of ``fits`` each origin used, shape ``(n,)``.
    failures
        Every forecast that is missing, with its reason.
    refit
        How often coefficients were estimated anew.
    """

    model: str
    origins: Time1D
    horizons: tuple[int, ...]
    forecast: Float2D
    actual: Float2D
    error: Float2D
    fit_of: Int1D
    fits: tuple[Refit, ...]
    failures: tuple[Failure, ...]
    refit: str

    def targets(self, horizon: int) -> Time1D:
        """Return the target days of one horizon."""
        return self.origins + (horizon - 1) * DAY

    def at(self, horizon: int) -> int:
        """Return the column of a horizon.

        Raises
        ------
        ConfigError
            When it was not asked for.
        """
        if horizon not in self.horizons:
            raise ConfigError(
                "the walk-forward has no such horizon", "horizon", horizon, f"one of {self.horizons}"
            )
        return self.horizons.index(horizon)


def walk_forward(
    model: PriceModel,
    history: ChainHistory,
    *,
    start: date | None = None,
    end: date | None = None,
    horizons: Sequence[int] = HORIZONS,
    refit: str = "monthly",
) -> WalkForward:
    """Return what a model forecast at every origin of a window.

    Parameters
    ----------
    model
        Fitted or not; its fit is not used.
    history
        All rows; each fit and each forecast reads only its own part.
    start, end
        First origin, and the first one no more.  By default from the first refit that has a year of rows to
        the day after the newest row.
    horizons
        Days ahead, each at least 1.
    refit
        ``monthly`` or ``yearly``.

    Raises
    ------
    ConfigError
        When a horizon or the rhythm is out of range.
    InsufficientDataError
        When the window holds no origin.
    """
    asked = tuple(sorted(set(horizons)))
    if not asked or asked[0] < 1 or refit not in REFITS:
        raise ConfigError(
            "the walk-forward cannot be run so",
            field="horizons, refit",
            value=(asked, refit),
            constraint=f"horizons of at least 1 day, refit one of {', '.join(REFITS)}",
        )
    origins = _origins(model, history, start, end, REFITS[refit])
    days, fit_of = np.unique(origins.astype(f"datetime64[{REFITS[refit]}]"), return_inverse=True)
    fits = _fits(model, history, days.astype("datetime64[D]"))
    steps = np.array(asked, np.int64) - 1
    targets = origins[:, None] + steps[None, :] * DAY
    forecast = np.full(targets.shape, np.nan)
    for places, state in history.states(origins):
        for number in np.unique(fit_of[places]):
            rows, fit = places[fit_of[places] == number], fits[number]
            if fit.reason is None:
                pairs = np.repeat(origins[rows], steps.size)
                given = model.fair(fit.parameters, state, pairs, targets[rows].ravel())
                forecast[rows] = given.reshape(rows.size, steps.size)
    timely = history.timely(origins)
    forecast[~(forecast > 0.0) | np.isinf(forecast)] = np.nan
    actual = history.values_at("price_usd", targets)
    actual[~(actual > 0.0)] = np.nan
    failures = _failures(origins, asked, forecast, actual, timely, fits, fit_of, history)
    return WalkForward(
        model.name,
        origins,
        asked,
        forecast,
        actual,
        ln(actual) - ln(forecast),
        fit_of.astype(np.int64),
        fits,
        failures,
        refit,
    )


def calibrate(
    model: Model, history: ChainHistory, *, horizons: Sequence[int] = HORIZONS, refit: str = "monthly"
) -> Model:
    """Return the model fitted to a history, with intervals from its walk-forward errors in it.

    Raises
    ------
    InsufficientDataError
        When the history is too short for the fit, or for any walk-forward error quantiles.
    """
    return model.fit(history).calibrated(
        lambda each: errors_of(walk_forward(each, history, horizons=horizons, refit=refit))
    )


def calibrate_or_flag(
    model: Model, history: ChainHistory, *, horizons: Sequence[int] = HORIZONS, refit: str = "monthly"
) -> Model:
    """Return the model fitted, with intervals from walk-forward errors, or from residuals if those are few.

    The second kind is flagged in every prediction (``metadata.interval``).

    Raises
    ------
    InsufficientDataError, FitError
        When the history does not even give a fit.
    """
    fitted = model.fit(history)
    try:
        return fitted.calibrated(
            lambda each: errors_of(walk_forward(each, history, horizons=horizons, refit=refit))
        )
    except InsufficientDataError:
        return fitted


def errors_of(walk: WalkForward) -> ErrorQuantiles:
    """Return the quantiles of the errors of a walk-forward.

    Raises
    ------
    InsufficientDataError
        When no horizon has enough of them.
    """
    return walk_forward_quantiles(walk.error, walk.horizons)


def first_origin(model: PriceModel, history: ChainHistory, *, unit: str = "M") -> date:
    """Return the first day on which a refit finds a year of complete days.

    Raises
    ------
    InsufficientDataError
        When the history never has one.
    """
    complete = model.complete(history)
    enough = np.flatnonzero(np.cumsum(complete) >= LEAST_POINTS)
    if not enough.size:
        raise InsufficientDataError(
            f"{model.name} has too few complete days for a walk-forward",
            "history",
            int(complete.sum()),
            f">= {LEAST_POINTS} days",
            "take a longer history",
        )
    ready = history.date[enough[0]] + DAY
    start = ready.astype(f"datetime64[{unit}]")
    return (start if start == ready else start + 1).astype("datetime64[D]").item()


def _origins(
    model: PriceModel, history: ChainHistory, start: date | None, end: date | None, unit: str
) -> Time1D:
    if not history.n:
        raise InsufficientDataError("there is no chain history", "history", 0, ">= 1 row")
    beyond = history.date[-1] + 2 * DAY
    if start is None:
        begin = np.asarray(first_origin(model, history, unit=unit), "datetime64[D]")[()]
    else:
        begin = np.asarray(start, "datetime64[D]")[()]
    stop = beyond if end is None else min(beyond, np.asarray(end, "datetime64[D]")[()])
    if begin >= stop:
        raise InsufficientDataError(
            "the window holds no day to forecast from",
            "start, end",
            (str(begin), str(stop)),
            "start before end, both inside the history",
        )
    return begin + np.arange(int((stop - begin) / DAY)) * DAY


def _fits(model: PriceModel, history: ChainHistory, days: Time1D) -> tuple[Refit, ...]:
    given = model.estimates(history, list(days))
    return tuple(
        Refit(day.item(), None, each.what) if isinstance(each, BellsError) else Refit(day.item(), each, None)
        for day, each in zip(days, given, strict=True)
    )


def _failures(
    origins: Time1D,
    horizons: tuple[int, ...],
    forecast: Float2D,
    actual: Float2D,
    timely: Any,
    fits: tuple[Refit, ...],
    fit_of: Int1D,
    history: ChainHistory,
) -> tuple[Failure, ...]:
    """List what is missing: whole origins once, then forecasts and targets one by one."""
    found: list[Failure] = []
    for row in np.flatnonzero(~np.isfinite(forecast).all(axis=1)):
        day, reason = origins[row].item(), fits[fit_of[row]].reason
        if reason is not None:
            found.append(Failure(day, None, f"no fit: {reason}"))
        elif not timely[row]:
            found.append(Failure(day, None, "the row of the day before is missing or came late"))
        else:
            missing = [h for i, h in enumerate(horizons) if not np.isfinite(forecast[row, i])]
            whole = len(missing) == len(horizons)
            reason = "the model gives no price from the state of the day before"
            found += [Failure(day, h, reason) for h in ([None] if whole else missing)]
    past = origins[:, None] + (np.array(horizons, np.int64) - 1) * DAY <= history.date[-1]
    for row, column in zip(*np.nonzero(past & ~np.isfinite(actual) & np.isfinite(forecast)), strict=True):
        found.append(Failure(origins[row].item(), horizons[column], "the target day has no price"))
    return tuple(found)
