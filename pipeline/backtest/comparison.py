"""Two runs on the days they share: differences in units of their own error, and how alike they move.

NAV at 00:00 UTC puts a book of sessions and one that never closes on the same days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Time1D
from pipeline.backtest.metrics import elapsed_years
from pipeline.calendar.grid import CELL64
from pipeline.errors import SchemaError
from pipeline.optimization.luck.bootstrap import FIGURES, NO_TRIPS, Trips
from pipeline.optimization.luck.ties import Difference, differences

_FEWEST = 3
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Curve:
    """NAV of one run at its decisions.

    Parameters
    ----------
    ts
        Labels of the cells, ascending, shape ``(bars,)``.
    nav
        Money, shape ``(bars,)``.
    trips
        Closed round trips, for the balanced score.

    Raises
    ------
    SchemaError
        When the shapes differ.
    """

    ts: Time1D
    nav: Float1D
    trips: Trips = NO_TRIPS

    def __post_init__(self) -> None:
        if self.ts.shape != self.nav.shape:
            raise SchemaError("one NAV per decision", "nav", self.nav.shape, f"{self.ts.shape}")

    @property
    def midnights(self) -> tuple[Time1D, Float1D]:
        """Instants of the decisions at 00:00 UTC, and NAV there."""
        at = self.ts + CELL64
        chosen = at == at.astype("datetime64[D]")
        return at[chosen], self.nav[chosen]


@dataclass(frozen=True)
class Pair:
    """Run ``b`` beside run ``a``.

    Parameters
    ----------
    days
        Daily returns that both have.
    correlation
        Of those returns; None where one of them does not move.
    differences
        ``b`` less ``a`` of Sharpe, CAGR, maximal drawdown and balanced score on those days, with standard
        errors; a tie is a difference under one of them, and what cannot be said is None.
    """

    days: int
    correlation: float | None
    differences: Mapping[str, Difference]


def pair(a: Curve, b: Curve, *, seed: int) -> Pair:
    """Compare two runs.

    Parameters
    ----------
    a, b
        The runs.
    seed
        Of the bootstrap that both share, so that what moves both cancels.
    """
    (days_a, nav_a), (days_b, nav_b) = a.midnights, b.midnights
    days, at_a, at_b = np.intersect1d(days_a, days_b, assume_unique=True, return_indices=True)
    if days.size < _FEWEST or (np.diff(days) != _DAY).any():
        return Pair(0, None, dict.fromkeys(FIGURES, Difference(None, None, None)))
    first, second = (nav[1:] / nav[:-1] - 1.0 for nav in (nav_a[at_a], nav_b[at_b]))
    years = elapsed_years(*days[[0, -1]].astype("datetime64[us]").astype(np.int64).tolist())
    moves = first.std() > 0.0 and second.std() > 0.0
    return Pair(
        days=first.size,
        correlation=float(np.corrcoef(first, second)[0, 1]) if moves else None,
        differences=differences(second, first, years, seed=seed, left_trips=b.trips, right_trips=a.trips),
    )
