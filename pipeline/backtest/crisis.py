"""How a run came through named windows of trouble, beside buying and holding the same universe."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.backtest import metrics as m
from pipeline.backtest.result import Simulation
from pipeline.calendar.grid import CELL64


@dataclass(frozen=True)
class Window:
    """Days ``[start, end)``, UTC."""

    start: date
    end: date


@dataclass(frozen=True)
class Crisis:
    """One window of a run; every number is None where the run does not cover all of it.

    Parameters
    ----------
    name, window
        As configured.
    total_return, max_drawdown, mean_exposure
        Of the run inside the window; the drawdown starts anew with it.
    hold_return, hold_drawdown
        Of buying and holding the universe since the start of the run.
    """

    name: str
    window: Window
    total_return: float | None
    max_drawdown: float | None
    mean_exposure: float | None
    hold_return: float | None
    hold_drawdown: float | None

    @property
    def covered(self) -> bool:
        """Whether the run holds the whole window."""
        return self.total_return is not None


def crises(run: Simulation, hold: Simulation, windows: Mapping[str, Window]) -> list[Crisis]:
    """Return what happened in each window, in the order given.

    Parameters
    ----------
    run, hold
        The run and its benchmark, over the same decisions.
    windows
        By name.
    """
    found = []
    decisions = run.ts + CELL64
    for name, window in windows.items():
        first, last = np.datetime64(window.start, "us"), np.datetime64(window.end, "us")
        if run.ts[0] > first or decisions[-1] < last:
            found.append(Crisis(name, window, None, None, None, None, None))
            continue
        rows = slice(
            int(np.searchsorted(decisions, first, "right")), int(np.searchsorted(decisions, last)) + 1
        )
        gain, fall = _inside(run, rows)
        held, deepest = _inside(hold, rows)
        found.append(Crisis(name, window, gain, fall, float(run.gross[rows].mean()), held, deepest))
    return found


def _inside(done: Simulation, rows: slice) -> tuple[float, float]:
    before = float(done.nav[rows.start - 1]) if rows.start else done.initial_nav
    nav = done.nav[rows]
    return float(nav[-1]) / before - 1.0, float(m.drawdown(nav, before).max())
