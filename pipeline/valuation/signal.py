"""What a trader would have done who believed a model: full below the fair price, out above 1.5 times it.

Buy-and-hold of the same days stands beside it: a ratio above 0 in a rising market is no merit of the model.

The position of a day is the exposure that the close and the fair price of the day before called for; a
change of position costs 10 basis points of what is turned over.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D
from pipeline.backtest.metrics import YEAR_DAYS, drawdown, sharpe

EXIT_MULTIPLE = 1.5
"""Price over fair price at and above which nothing is held."""
COST = 0.0010
"""Of the value turned over."""


@dataclass(frozen=True)
class SignalResult:
    """The signal's record: ratio a year, deepest fall as a positive fraction; None where undefined.

    Parameters
    ----------
    sharpe_ratio, max_drawdown, turnover, mean_exposure
        Of the signal.
    buy_and_hold_sharpe, buy_and_hold_drawdown
        Of bitcoin bought on the first of the same days and kept.
    days
        Returns.
    """

    sharpe_ratio: float | None
    max_drawdown: float | None
    turnover: float | None
    mean_exposure: float | None
    buy_and_hold_sharpe: float | None
    buy_and_hold_drawdown: float | None
    days: int


def exposure(price: Float1D, fair: Float1D) -> Float1D:
    """Return the share held after each close: 1 below the fair price, 0 above 1.5 times it, linear between.

    Examples
    --------
    >>> import numpy as np
    >>> exposure(np.array([90.0, 125.0, 160.0]), np.array([100.0, 100.0, 100.0])).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.clip((EXIT_MULTIPLE - price / fair) / (EXIT_MULTIPLE - 1.0), 0.0, 1.0)


def signal_returns(price: Float1D, fair: Float1D) -> tuple[Float1D, Float1D]:
    """Return the signal's daily returns after costs and its positions, one fewer than the days.

    Parameters
    ----------
    price, fair
        Closing and fair price of consecutive days, USD; where the fair one is unknown nothing is held.
        A day without a price has return 0.
    """
    held = exposure(price, fair)[:-1]
    held = np.where(np.isfinite(held), held, 0.0)
    return _returns(price, held), held


def trade(price: Float1D, fair: Float1D) -> SignalResult:
    """Trade the signal of consecutive days; the ratio is annualised by days of a year of 365.25."""
    if price.size < 3:  # noqa: PLR2004 - two returns at least
        return SignalResult(None, None, None, None, None, None, max(price.size - 1, 0))
    returns, held = signal_returns(price, fair)
    return SignalResult(
        *_ratio_and_fall(returns),
        float(np.abs(np.diff(held, prepend=0.0)).sum()),
        float(held.mean()),
        *buy_and_hold(price),
        int(returns.size),
    )


def buy_and_hold(price: Float1D) -> tuple[float | None, float | None]:
    """Return the Sharpe ratio and the deepest fall of bitcoin bought on the first day and kept.

    The purchase costs what a change of the signal's position costs; both are None below three days.
    """
    if price.size < 3:  # noqa: PLR2004 - two returns at least
        return None, None
    return _ratio_and_fall(_returns(price, np.ones(price.size - 1)))


def _returns(price: Float1D, held: Float1D) -> Float1D:
    change = price[1:] / price[:-1] - 1.0
    change = np.where(np.isfinite(change), change, 0.0)
    return held * change - COST * np.abs(np.diff(held, prepend=0.0))


def _ratio_and_fall(returns: Float1D) -> tuple[float | None, float]:
    nav = np.asarray(np.cumprod(1.0 + returns), np.float64)
    return sharpe(returns, returns.size / YEAR_DAYS).value, float(drawdown(nav, 1.0).max())
