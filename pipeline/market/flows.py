"""What holders are paid and borrowers charged beside prices: dividends, splits, interest on cash.

How they come to lie on cells is `pipeline.market.cell_flows`, what an account does with them
`pipeline.portfolio.payments`.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.errors import SchemaError


@dataclass(frozen=True, eq=False)
class Flows:
    """Payments on the cells of a panel, each due when its cell begins, before anything is filled in it.

    Attributes
    ----------
    dividend
        Cash for each unit held, shape ``(bars, assets)``; 0 where nothing is paid.
    split
        Units that one unit becomes, shape ``(bars, assets)``; 1 where nothing is split.
    credit, debit
        Interest on one unit of cash held or owed for the length of the cell, shape ``(bars,)``.

    Raises
    ------
    SchemaError
        When the shapes do not fit one another, or a number is unknown or negative.
    """

    dividend: Float2D
    split: Float2D
    credit: Float1D
    debit: Float1D

    def __post_init__(self) -> None:
        bars = self.credit.shape
        if not (
            self.dividend.shape == self.split.shape and self.dividend.shape[:1] == bars == self.debit.shape
        ):
            raise SchemaError("payments do not fit one another", "flows", self.dividend.shape, f"{bars} bars")
        for name in ("dividend", "split", "credit", "debit"):
            values = getattr(self, name)
            if not (values >= 0.0).all() or not np.isfinite(values).all():
                raise SchemaError("a payment is negative or unknown", name, None, ">= 0 and finite")

    def upto(self, i: int) -> "Flows":
        """Return the payments that end with cell ``i``, views on the same memory."""
        return Flows(*(getattr(self, name)[: i + 1] for name in ("dividend", "split", "credit", "debit")))

    @property
    def interest(self) -> bool:
        """Whether cash ever earns or costs anything."""
        return bool(self.credit.any() or self.debit.any())

    @property
    def actions(self) -> bool:
        """Whether anything is ever paid out or split."""
        return bool(self.dividend.any() or (self.split != 1.0).any())
