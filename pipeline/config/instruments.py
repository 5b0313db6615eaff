"""What can be quoted or traded: one entry per symbol of ``instruments.yaml``.

The asset class comes from this table, never from the spelling of a symbol.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.model import Name, Strict


class AssetClass(StrEnum):
    """The kinds of instruments that limits and costs tell apart."""

    EQUITY = "equity"
    CRYPTO = "crypto"
    INDEX = "index"


class Instrument(Strict):
    """One instrument."""

    symbol: Name = Field(description="Our form of the symbol: SPY, BTC/USD")
    asset_class: Annotated[AssetClass, Field(strict=False)] = Field(description="equity | crypto | index")
    venue: Name = Field(description="Where it is quoted and traded")
    calendar: Literal["XNYS", "24/7"] = Field(description="Its session calendar")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217 code of its price")
    tick: Annotated[float, Field(gt=0)] = Field(description="Smallest price step, in its currency")
    lot: Annotated[float, Field(ge=0)] = Field(description="Smallest quantity step; 0 means any fraction")
    min_notional: Annotated[float, Field(ge=0)] = Field(description="Smallest order, in its currency")

    @property
    def tradable(self) -> bool:
        """Whether orders can be sent: an index is only looked at."""
        return self.asset_class is not AssetClass.INDEX
