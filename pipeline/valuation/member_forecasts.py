"""What the members of an ensemble forecast in walk-forwards, relative to what came: for fitted weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float2D, Time1D
from pipeline.errors import BellsError
from pipeline.valuation.history import ChainHistory, rows_of
from pipeline.valuation.model import PriceModel
from pipeline.valuation.walk_forward import walk_forward

WEIGHT_HORIZON = 30
"""Days ahead of the forecasts that weights are fitted to."""


@dataclass(frozen=True, eq=False)
class MemberForecasts:
    """Members' walk-forward forecasts over the prices that came, shape ``(days, members)``, by target day."""

    targets: Time1D
    ratio: Float2D

    def known_on(self, day: np.datetime64, history: ChainHistory) -> "MemberForecasts":
        """Return those whose price was known when a fit of that day was made."""
        rows = history.at_origin(day)
        where = rows_of(rows, self.targets)
        here = where >= 0
        price = rows.column("price_usd")
        here[here] = np.isfinite(price[where[here]])
        return MemberForecasts(self.targets[here], self.ratio[here])


def member_forecasts(members: Sequence[PriceModel], history: ChainHistory) -> MemberForecasts:
    """Return the forecasts of 30 days of each member over the prices that came; NaN where there is none."""
    targets = history.date
    ratio = np.full((targets.size, len(members)), np.nan)
    for column, member in enumerate(members):
        try:
            walk = walk_forward(member, history, horizons=(WEIGHT_HORIZON,))
        except BellsError:  # the same failure leaves the member out of the fit, with its reason
            continue
        rows = rows_of(history, walk.targets(WEIGHT_HORIZON))
        here = rows >= 0
        ratio[rows[here], column] = (walk.forecast / walk.actual)[here, 0]
    return MemberForecasts(targets, ratio)
