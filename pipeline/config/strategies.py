"""What runs: one entry per strategy of ``strategies.yaml``.

The names and ranges of ``parameters`` belong to the strategy's own model (`pipeline.strategies`), which
rejects unknown ones; here they are carried as they were written.
"""

from typing import Annotated, Any

from pydantic import Field

from pipeline.config.model import Fraction, Name, Names, Strict
from pipeline.lifecycle.states import State


class StrategySettings(Strict):
    """One configured strategy."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = Field(
        description="MAJOR.MINOR.PATCH; a run is refused when the code has another"
    )
    description: Name = Field(description="One sentence for people")
    status: Annotated[State, Field(strict=False)] = Field(
        description="State of its life that it claims; the ledger grants it"
    )
    budget: Fraction = Field(0.0, description="Share of NAV in a book, before regimes; 0: in no book")
    universe: Names = Field(description="Symbols that it may hold")
    parameters: dict[str, Any] = Field(description="The strategy's own parameters")
