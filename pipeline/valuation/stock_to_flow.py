"""Stock-to-flow: ``ln P = a + b ln S2F``, S2F = supply / issuance of the trailing 365 days."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.arrays import Float1D, Time1D
from pipeline.errors import ConfigError
from pipeline.valuation.history import DAY, ChainHistory, rows_of
from pipeline.valuation.line import fit_line, ln
from pipeline.valuation.model import PriceModel
from pipeline.valuation.registry import register

YEAR = 365
BLOCKS_A_DAY = 144
"""The pace at which future blocks are projected: one in ten minutes, which the difficulty aims at."""
HALVING = 210_000
FIRST_SUBSIDY = 50.0


@dataclass(frozen=True)
class StockToFlowParameters:
    """A fitted line of ln price on ln S2F: ``intercept`` a, ``slope`` b, ``sigma`` in ln units."""

    intercept: float
    slope: float
    sigma: float
    r_squared: float
    n: int


def subsidy(height: int) -> float:
    """Return the new coins of the block at a height, BTC.

    Raises
    ------
    ConfigError
        When the height is not above 0.
    """
    if height <= 0:
        raise ConfigError(
            "no chain has this height", "height", height, "a height above 0", "name a later block"
        )
    return FIRST_SUBSIDY / 2.0 ** (height // HALVING)


def scheduled_supply(height: Float1D) -> Float1D:
    """Return the coins of the first ``height`` blocks by the schedule of halvings, BTC.

    Lost and unspendable coins are counted; satoshis are not rounded (the error stays below 1e-7 of the supply
    for two centuries).
    """
    era = np.floor(height / HALVING)
    before = FIRST_SUBSIDY * HALVING * 2.0 * (1.0 - 0.5**era)
    return before + (height - era * HALVING) * FIRST_SUBSIDY * 0.5**era


def scheduled_s2f(height: int) -> float:
    """Return the stock-to-flow of an ideal chain: supply by schedule over a year at today's subsidy.

    Examples
    --------
    >>> round(scheduled_s2f(810_432), 4)
    59.3689
    """
    flow = subsidy(height) * BLOCKS_A_DAY * YEAR
    return float(scheduled_supply(np.array([float(height)]))[0]) / flow


def fair_value(s2f: float, *, intercept: float, slope: float) -> float:
    """Return ``exp(intercept + slope ln s2f)``, USD; infinite where nothing is issued any more."""
    return float(np.exp(intercept + slope * np.log(s2f)))


@register
@dataclass(frozen=True, kw_only=True)
class StockToFlow(PriceModel):
    """Price from scarcity: how many years of issuance the supply is worth.

    A future day's S2F is a projection: blocks come at 144 a day after the newest known height, and the
    schedule of halvings says what they issue.  The price follows; nothing else about the future is assumed.

    Parameters
    ----------
    variant
        ``classic``; ``s2fx`` is refused.
    """

    name: ClassVar[str] = "stock_to_flow"
    description: ClassVar[str] = "Price from supply over the issuance of the last 365 days"
    required_data: ClassVar[tuple[str, ...]] = ("price_usd", "supply_btc", "issuance_btc", "height", "s2f")

    variant: str = "classic"

    def __post_init__(self) -> None:
        if self.variant != "classic":
            reason = "s2fx needs prices and stocks of gold and silver, which no source of this desk has"
            raise ConfigError(
                reason if self.variant == "s2fx" else "stock-to-flow has no such variant",
                field="stock_to_flow.variant",
                value=self.variant,
                constraint="classic",
                fix="write variant: classic",
            )

    def estimate(self, history: ChainHistory) -> StockToFlowParameters:
        """Return the least squares line of ln price on ln S2F."""
        line = fit_line(ln(history.column("s2f")), ln(history.column("price_usd")))
        return StockToFlowParameters(line.intercept, line.slope, line.sigma, line.r_squared, line.n)

    def fair(self, parameters: Any, history: ChainHistory, origins: Time1D, targets: Time1D, /) -> Float1D:
        """Return the line at the S2F of the target days, projected from the row before each origin."""
        s2f = projected_s2f(history, origins, targets)
        return np.exp(parameters.intercept + parameters.slope * ln(s2f))


def projected_s2f(history: ChainHistory, origins: Time1D, targets: Time1D) -> Float1D:
    """Return the S2F of the target days as the row before each origin foresees it.

    With ``k`` days from that row to the target: supply = known supply + scheduled issuance of ``144 k``
    blocks after the known height; flow = the known issuance of the last ``365 - k`` days + the scheduled one,
    or the scheduled issuance of the last ``144 * 365`` blocks where ``k >= 365``.  No price enters.
    """
    row = rows_of(history, origins - DAY)
    ahead = np.maximum((targets - (origins - DAY)).astype(np.int64), 0)
    at = np.clip(row, 0, max(history.n - 1, 0))
    total, gaps = _running(history.column("issuance_btc"))
    first = np.minimum(row + 1 - YEAR + ahead, row + 1)
    head = np.clip(first, 0, history.n)
    kept = total[at + 1] - total[head]
    known = (row >= 0) & (first >= 0) & (gaps[at + 1] == gaps[head])
    height = history.column("height")[at] + 1.0
    then = height + BLOCKS_A_DAY * ahead.astype(np.float64)
    earlier = np.maximum(height, then - BLOCKS_A_DAY * YEAR)
    issued = scheduled_supply(then)
    supply = history.column("supply_btc")[at] + issued - scheduled_supply(height)
    flow = kept + issued - scheduled_supply(earlier)
    return np.where(known & (flow > 0.0), supply / np.where(flow > 0.0, flow, 1.0), np.nan)


def _running(values: Float1D) -> tuple[Float1D, Float1D]:
    """Return the sums, and the counts of unknowns, of the first 0, 1, ... n values."""
    unknown = ~np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(unknown, 0.0, values))])
    return total, np.concatenate([[0.0], np.cumsum(unknown)])
