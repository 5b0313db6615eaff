"""Errors of a model in ln units: their quantiles by horizon, from which intervals come, and diagnostics.

An error is ``ln(actual / forecast)``.  Quantiles come from walk-forward errors at the same horizon, or,
flagged, from the residuals of the fit.
"""

from dataclasses import asdict, dataclass
from math import sqrt

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.line import explained
from pipeline.valuation.prediction import Interval

PROBABILITIES = np.arange(1, 200) / 200.0
"""At which quantiles are kept: 0.005 to 0.995; those of the levels 0.68 and 0.95 are among them."""
HORIZONS = (1, 30, 90, 365)
"""Days ahead at which errors are measured."""
LEVELS = (0.68, 0.95)
LEAST_ERRORS = 100
"""Errors that quantiles need."""
WALK_FORWARD, IN_SAMPLE = "walk_forward", "in_sample"
_MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class ErrorQuantiles:
    """Quantiles of ln errors.

    Parameters
    ----------
    kind
        ``walk_forward`` or ``in_sample``.
    horizons
        Days ahead, ascending; one entry for residuals of a fit, which hold at all horizons.
    table
        Shape ``(horizons, 199)``: the quantiles at `PROBABILITIES`.
    n
        Errors behind each row.
    """

    kind: str
    horizons: tuple[int, ...]
    table: Float2D
    n: tuple[int, ...]

    def at(self, horizon: int) -> Float1D:
        """Return the 199 quantiles at a horizon in days.

        Between two horizons of the grid each quantile is linear in the square root of the horizon, as the
        spread of a random walk is; below the first one the first holds, beyond the last one the last is
        widened by ``sqrt(horizon / last)``.
        """
        if self.kind == IN_SAMPLE or horizon <= self.horizons[0]:
            return self.table[0]
        last = self.horizons[-1]
        if horizon >= last:
            return self.table[-1] * sqrt(horizon / last)
        after = int(np.searchsorted(self.horizons, horizon, side="right"))
        low, high = sqrt(self.horizons[after - 1]), sqrt(self.horizons[after])
        share = (sqrt(horizon) - low) / (high - low)
        return (1.0 - share) * self.table[after - 1] + share * self.table[after]

    def bounds(self, level: float, horizon: int) -> tuple[float, float]:
        """Return the lower and the upper ln error of a central interval.

        Raises
        ------
        ConfigError
            When the level needs quantiles that are not kept.
        """
        low, high = tails(level)
        lower, upper = np.interp((low, high), PROBABILITIES, self.at(horizon))
        return float(lower), float(upper)


def tails(level: float) -> tuple[float, float]:
    """Return the probabilities that bound a central interval.

    Raises
    ------
    ConfigError
        Outside 0 to 0.99.
    """
    if not 0.0 < level <= 1.0 - 2.0 * PROBABILITIES[0]:
        raise ConfigError(
            "no interval of this level can be given",
            field="level",
            value=level,
            constraint=f"above 0 and at most {1.0 - 2.0 * PROBABILITIES[0]:.2f}",
            fix="take 0.68 or 0.95",
        )
    return 0.5 * (1.0 - level), 0.5 * (1.0 + level)


def in_sample_quantiles(residual: Float1D) -> ErrorQuantiles:
    """Return the quantiles of the residuals of a fit."""
    known = residual[np.isfinite(residual)]
    return ErrorQuantiles(IN_SAMPLE, (0,), np.quantile(known, PROBABILITIES)[None, :], (known.size,))


def walk_forward_quantiles(errors: Float2D, horizons: tuple[int, ...]) -> ErrorQuantiles:
    """Return the quantiles of walk-forward errors at the horizons that have enough of them.

    Parameters
    ----------
    errors
        Shape ``(origins, horizons)``; NaN where a target has not come yet.
    horizons
        Days ahead, ascending.

    Raises
    ------
    InsufficientDataError
        When no horizon has `LEAST_ERRORS` errors.
    """
    known = [errors[np.isfinite(errors[:, i]), i] for i in range(len(horizons))]
    enough = [i for i, each in enumerate(known) if each.size >= LEAST_ERRORS]
    if not enough:
        raise InsufficientDataError(
            "there are too few walk-forward errors for an interval",
            "history",
            max(each.size for each in known),
            f">= {LEAST_ERRORS} errors at one horizon",
            "take a longer history",
        )
    table = np.array([np.quantile(known[i], PROBABILITIES) for i in enough])
    return ErrorQuantiles(
        WALK_FORWARD, tuple(horizons[i] for i in enough), table, tuple(known[i].size for i in enough)
    )


def stretched(price: Float2D, lower: Float2D, upper: Float2D) -> tuple[Float2D, Float2D]:
    """Return bounds that hold their price: those of `interval_around`, for arrays of any shape."""
    return np.minimum(lower, price * (1.0 - _MARGIN)), np.maximum(upper, price * (1.0 + _MARGIN))


def interval_around(price: float, lower: float, upper: float) -> tuple[Interval, bool]:
    """Return an interval that holds its price, and whether it had to be stretched to it.

    The errors of a biased model all lie on one side; then the nearer bound is put just beyond the price.
    """
    kept = Interval(min(lower, price * (1.0 - _MARGIN)), max(upper, price * (1.0 + _MARGIN)))
    return kept, (kept.lower, kept.upper) != (lower, upper)


@dataclass(frozen=True)
class Diagnostics:
    """How the residuals of a fit look, in ln units; descriptions of the sample, never evidence.

    Parameters
    ----------
    r_squared
        Of ln price, clamped to [0, 1].  Random walks with Bitcoin's drift exceed 0.93 in a third of cases.
    residual_sd
        Standard deviation about 0.
    autocorrelation
        Of one day; None where it is undefined.
    durbin_watson
        2 for independent residuals, near 0 for those of a trend that is none.
    coverage_1sd, coverage_2sd
        Share of the sample within one and two ``residual_sd``: in sample.
    """

    n: int
    r_squared: float
    residual_sd: float
    autocorrelation: float | None
    durbin_watson: float | None
    coverage_1sd: float
    coverage_2sd: float

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the numbers by name."""
        return asdict(self)


def diagnose(residual: Float1D, ln_price: Float1D) -> Diagnostics:
    """Describe the residuals of a fit; days that lack one are left out."""
    good = np.isfinite(residual) & np.isfinite(ln_price)
    e, y = residual[good], ln_price[good]
    squares = float(np.sum(e * e))
    total = float(np.sum((y - y.mean()) ** 2))
    sd = sqrt(squares / e.size)
    step = np.diff(e)
    centred = e - e.mean()
    spread = float(np.sum(centred * centred))
    return Diagnostics(
        n=int(e.size),
        r_squared=explained(squares, total, y),
        residual_sd=sd,
        autocorrelation=float(np.sum(centred[1:] * centred[:-1])) / spread if spread > 0.0 else None,
        durbin_watson=float(np.sum(step * step)) / squares if squares > 0.0 else None,
        coverage_1sd=float(np.mean(np.abs(e) <= sd)),
        coverage_2sd=float(np.mean(np.abs(e) <= 2.0 * sd)),
    )
