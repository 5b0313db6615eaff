"""Stock-to-flow: ``ln P = a + b ln S2F``, S2F = supply / issuance of the trailing 365 days."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.arrays import Float1D, Time1D
from pipeline.chain.issuance import BLOCKS_PER_DAY, DAYS_PER_YEAR, SATOSHI, annual_flow, supplies, supply_at
from pipeline.errors import ConfigError, DataError
from pipeline.valuation.history import DAY, ChainHistory, rows_of
from pipeline.valuation.line import fit_line, ln
from pipeline.valuation.model import PriceModel
from pipeline.valuation.registry import register


@dataclass(frozen=True)
class StockToFlowParameters:
    """A fitted line of ln price on ln S2F: ``intercept`` a, ``slope`` b, ``sigma`` in ln units."""

    intercept: float
    slope: float
    sigma: float
    r_squared: float
    n: int


def scheduled_s2f(height: int) -> float:
    """Return the stock-to-flow of an ideal chain of ``height`` blocks: what they created over a year's flow.

    The flow is that of 365 days of 144 blocks at the reward of the next block, number ``height``.

    Raises
    ------
    DataError
        When the height is not above 0, or so high that nothing is created any more.

    Examples
    --------
    >>> round(scheduled_s2f(892_800), 4)
    120.8676
    """
    flow = annual_flow(height)
    if flow == 0:
        raise DataError("nothing is created any more", "height", height, "height < 6,930,000")
    return supply_at(height - 1) / flow


def fair_value(s2f: float, *, intercept: float, slope: float) -> float:
    """Return ``exp(intercept + slope ln s2f)``, USD; infinite where nothing is issued any more.

    Examples
    --------
    >>> round(fair_value(27.3982, intercept=-1.84, slope=3.36), 1)
    10755.8
    """
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
    first = np.minimum(row + 1 - DAYS_PER_YEAR + ahead, row + 1)
    head = np.clip(first, 0, history.n)
    last = history.column("height")[at]
    known = (row >= 0) & (first >= 0) & (gaps[at + 1] == gaps[head]) & (last >= 0.0)
    height = np.where(known, last, 0.0).astype(np.int64)
    mined = supplies(height + BLOCKS_PER_DAY * ahead)
    before = supplies(height + BLOCKS_PER_DAY * np.maximum(ahead - DAYS_PER_YEAR, 0))
    supply = history.column("supply_btc")[at] + (mined - supplies(height)) / SATOSHI
    flow = total[at + 1] - total[head] + (mined - before) / SATOSHI
    return np.where(known & (flow > 0.0), supply / np.where(flow > 0.0, flow, 1.0), np.nan)


def _running(values: Float1D) -> tuple[Float1D, Float1D]:
    """Return the sums, and the counts of unknowns, of the first 0, 1, ... n values."""
    unknown = ~np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(unknown, 0.0, values))])
    return total, np.concatenate([[0.0], np.cumsum(unknown)])
