"""Whether a source tells another history than before: closes of bars that are stored and come again.

A split, or a change of unit, shows in every old bar at once; comparing a few of them is enough to notice.
"""

from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from pipeline.market.bars import BarState

TOLERANCE = 0.01
"""Relative change of a close from which the whole history counts as restated."""
_ALIKE = 0.005
_MOST_PARTS = 4
"""Largest denominator of a ratio that is called a split: 3 for 2, 5 for 4."""


@dataclass(frozen=True)
class Restated:
    """How the history of one symbol has changed.

    Parameters
    ----------
    factor
        New close over stored close, the median over the bars that changed.
    split
        The simple ratio behind it as new shares for old ones; None where there is none.
    """

    factor: float
    split: Fraction | None

    def __str__(self) -> str:
        text = f"closes are {self.factor:.6g} times what is stored"
        if self.split is None:
            return text
        return f"{text}, as after a split of {self.split.numerator} for {self.split.denominator}"


def restated(stored: pl.DataFrame, fetched: pl.DataFrame) -> dict[str, Restated]:
    """Return the symbols whose closes differ by more than 1 % from what is stored.

    Parameters
    ----------
    stored, fetched
        Columns ``symbol, ts, close, venue, covered_minutes, state``.  Only final bars of one venue and of
        equal coverage are compared: another venue has other prices, and what was partial or provisional may
        end elsewhere.
    """
    key = ["symbol", "ts", "venue", "covered_minutes"]
    final = stored.filter(pl.col("state") == BarState.FINAL)
    both = fetched.join(final.select(*key, was="close"), on=key, nulls_equal=True)
    ratios = both.with_columns(ratio=pl.col("close") / pl.col("was"))
    moved = ratios.filter((pl.col("ratio") - 1.0).abs() > TOLERANCE)
    return {str(symbol): _of(rows["ratio"].sort().to_list()) for (symbol,), rows in moved.group_by("symbol")}


def _of(ratios: list[float]) -> Restated:
    factor = ratios[len(ratios) // 2]
    alike = ratios[-1] / ratios[0] - 1.0 < _ALIKE
    shares = Fraction(1.0 / factor).limit_denominator(_MOST_PARTS)
    if factor > 1.0:  # a reverse split: fewer shares than before
        shares = 1 / Fraction(factor).limit_denominator(_MOST_PARTS)
    simple = alike and shares != 1 and abs(float(shares) * factor - 1.0) < _ALIKE
    return Restated(factor, shares if simple else None)
