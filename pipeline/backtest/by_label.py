"""A run parted by what the world was like: regimes, and seasons of two and three bars.

A day belongs to the label that was in force at the decision that ended the day before, so no return is
sorted by what was learned from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.arrays import Bool1D, Int1D, Int8
from pipeline.backtest import metrics as m
from pipeline.backtest.result import Simulation
from pipeline.calendar.grid import from_time64

UNKNOWN = "unknown"
TWO_BARS, THREE_BARS = "two bars", "three bars"
_NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Part:
    """The days of a run under one label; what is not defined there is None.

    Parameters
    ----------
    label
        Of a regime or season.
    days, share
        Number of days, and their share of all days.
    total_return
        Of those days, compounded.
    sharpe, sharpe_se
        Of those days, annualised with the days a year of the whole run.
    max_drawdown
        Of those days put end to end.
    mean_exposure
        Gross exposure at the decisions before those days.
    hold_return
        What the benchmark made of the same days.
    """

    label: str
    days: int
    share: float
    total_return: float | None
    sharpe: float | None
    sharpe_se: float | None
    max_drawdown: float | None
    mean_exposure: float | None
    hold_return: float | None


def by_codes(
    run: Simulation, codes: Int8, labels: Sequence[str], hold: Simulation | None = None
) -> list[Part]:
    """Return the run under each label of one dimension, in the order of the codes.

    Parameters
    ----------
    run
        The run.
    codes
        Label in force at each decision of the run, a place in ``labels``, -1 where it is not known, shape
        ``(bars,)``.
    labels
        The words of the dimension; one that never was has a part without numbers.
    hold
        Its benchmark on the same days, or None.

    Returns
    -------
    list
        One part per label, and one ``unknown`` where there are such days.
    """
    before = _before(run)
    told = codes[before]
    parts = [_part(run, name, told == code, before, hold) for code, name in enumerate(labels)]
    unknown = _part(run, UNKNOWN, told < 0, before, hold)
    return [*parts, unknown] if unknown.days else parts


def by_season(run: Simulation, hold: Simulation | None = None) -> list[Part]:
    """Return the run in the seasons in which a New York session has two H4 bars (summer time) and three."""
    ends = run.ts[run.daily]
    summer = np.array([bool(from_time64(at).astimezone(_NEW_YORK).dst()) for at in ends], dtype=np.bool_)
    before = _before(run)
    chosen = ((TWO_BARS, summer), (THREE_BARS, ~summer))
    return [_part(run, name, mine, before, hold) for name, mine in chosen]


def _before(run: Simulation) -> Int1D:
    """Return the decision that ended the day before each day; the first decision for the first day."""
    return np.concatenate([[0], run.daily[:-1]])[: run.daily.size]


def _part(run: Simulation, label: str, mine: Bool1D, before: Int1D, hold: Simulation | None) -> Part:
    days = int(np.count_nonzero(mine))
    if not days:
        return Part(label, 0, 0.0, None, None, None, None, None, None)
    returns = run.daily_returns[mine]
    years = run.metrics.years * days / mine.size
    ratio = m.sharpe(run.excess_returns[mine], years)
    grown = np.cumprod(1.0 + returns, dtype=np.float64)
    return Part(
        label=label,
        days=days,
        share=days / mine.size,
        total_return=float(grown[-1] - 1.0),
        sharpe=ratio.value,
        sharpe_se=ratio.error,
        max_drawdown=float(m.drawdown(grown, 1.0).max()),
        mean_exposure=float(run.gross[before[mine]].mean()),
        hold_return=None if hold is None else float(np.prod(1.0 + hold.daily_returns[mine]) - 1.0),
    )
