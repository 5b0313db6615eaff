"""What a run leaves: the series and fills of a simulation, its numbers, and what a reader must know.

Frozen values only; tables for the warehouse are made in `frames`, pages and pictures in `report`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int1D, Time1D, Time2D
from pipeline.backtest import metrics as m
from pipeline.backtest.cash import beyond_cash, cash_on_days
from pipeline.backtest.members import BookParts
from pipeline.backtest.metrics import Metrics
from pipeline.backtest.rules import Rules
from pipeline.portfolio.account import Records


@dataclass(frozen=True, eq=False)
class Simulation:
    """One simulated account.

    Attributes
    ----------
    symbols
        One per column.
    ts
        Labels of the decisions, shape ``(bars,)``, ``datetime64[us]``.
    initial_nav
        Money at the start.
    nav, cash, gross
        NAV and cash in money, gross exposure as a fraction of NAV, after each decision's fills ``(bars,)``.
    mask
        Risk rules that bound, bits as in `pipeline.portfolio.account.RULE_NAMES`.
    quantity, target
        Units held and clamped target weights, shape ``(bars, assets)``.
    fills
        FILL records; ``row`` counts from the first decision, ``filled_at`` gives instants.
    filled_at
        Shape ``(fills,)``.
    trips
        TRIP records.
    entered_at, exited_at
        Instants of the trips, NaT while open.
    counters
        As `pipeline.portfolio.account.COUNTERS`, and ``halted`` (1 when the account ends halted).
    daily
        Decisions that end a day, the sample of the headline Sharpe.
    metrics
        Headline numbers.
    interest, dividends
        Interest earned less paid, and dividends received, in money.
    credit
        What a unit of cash earned in each cell, shape ``(bars,)``; empty where cash earns nothing.
    """

    symbols: tuple[str, ...]
    ts: Time1D
    initial_nav: float
    nav: Float1D
    cash: Float1D
    gross: Float1D
    mask: Int1D
    quantity: Float2D
    target: Float2D
    fills: Records
    filled_at: Time1D
    trips: Records
    entered_at: Time1D
    exited_at: Time1D
    counters: Mapping[str, int]
    daily: Int1D
    metrics: Metrics
    interest: float = 0.0
    dividends: float = 0.0
    credit: Float1D = field(default_factory=lambda: np.empty(0))

    @property
    def final_nav(self) -> float:
        """NAV after the last decision."""
        return float(self.nav[-1])

    @cached_property
    def drawdown(self) -> Float1D:
        """Fall from the highest NAV so far, shape ``(bars,)``; a resumed halt does not reset it."""
        return m.drawdown(self.nav, self.initial_nav)

    @cached_property
    def daily_returns(self) -> Float1D:
        """Simple returns of NAV from one end of day to the next."""
        return m.simple_returns(self.nav[self.daily], self.initial_nav)

    @cached_property
    def cash_returns(self) -> Float1D:
        """What cash earned on the same days; empty where it earns nothing."""
        return cash_on_days(self.credit, self.daily)

    @cached_property
    def excess_returns(self) -> Float1D:
        """Daily returns less what cash earned on those days: what every Sharpe ratio is made of."""
        return beyond_cash(self.daily_returns, self.cash_returns)

    @cached_property
    def monthly_returns(self) -> tuple[Time1D, Float1D]:
        """Months (first days, ``datetime64[M]``) and the return of NAV over each.

        A decision at 00:00 of the first day of a month still belongs to the month before.
        """
        months = self.ts.astype("datetime64[M]")
        last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
        return months[last], m.simple_returns(self.nav[last], self.initial_nav)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the bytes of every series and fill, with names and shapes."""
        digest = hashlib.sha256(repr(self.symbols).encode())
        parts = {
            "ts": self.ts.astype(np.int64), "nav": self.nav, "cash": self.cash, "mask": self.mask,
            "quantity": self.quantity, "target": self.target, "fills": self.fills,
            "daily": self.daily,
        }  # fmt: skip
        for name, array in parts.items():
            digest.update(f"{name}{array.shape}{array.dtype.itemsize}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Flag:
    """Something a reader of the numbers must know."""

    name: str
    value: str | int | float | bool | Mapping[str, float | None]
    text: str


@dataclass(frozen=True)
class Provenance:
    """Where the prices come from.

    Parameters
    ----------
    source
        Name of the feed.
    simulated
        Whether they are made up.
    adjustment
        By symbol: ``raw``, ``split`` or ``split_dividend``; several words where its bars differ.
    vintage
        By symbol: ``as_published`` or ``latest_revision``.
    imputed
        How many of the bars are imputed.
    survivors
        Symbols that were chosen among those that are still there.
    pays
        Symbols whose dividends are known and paid beside their prices.
    """

    source: str
    simulated: bool
    adjustment: Mapping[str, str] = field(default_factory=dict)
    vintage: Mapping[str, str] = field(default_factory=dict)
    imputed: int = 0
    survivors: tuple[str, ...] = ()
    pays: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """A simulation together with the strategy, parameters and rules that made it.

    Of a book, ``strategy`` is ``portfolio``, ``parameters`` are by strategy and ``book`` holds its members; a
    single strategy has the whole account and no ``book``.
    """

    strategy: str
    version: str
    parameters: Mapping[str, Any]
    universe: tuple[str, ...]
    rules: Rules
    provenance: Provenance
    start: np.datetime64
    end: np.datetime64
    simulation: Simulation
    flags: tuple[Flag, ...]
    book: BookParts | None = None

    @property
    def metrics(self) -> Metrics:
        """Headline numbers."""
        return self.simulation.metrics

    @property
    def digest(self) -> str:
        """Digest of the full series."""
        return self.simulation.digest


def instants(times: Time2D, rows: Int1D, columns: Int1D) -> Time1D:
    """Return ``times[rows, columns]``, NaT where the row is negative."""
    taken = times[rows, columns]
    taken[rows < 0] = np.datetime64("NaT", "us")
    return taken
