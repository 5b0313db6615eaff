"""What the members of a population share, and the running of one block of them.

`population` cuts blocks and hands them to threads; the loop over decisions is `kernel_population`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Bool1D, Float2D, Float3D, Int1D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest import metrics as m
from pipeline.backtest.kernel_population import Bench, bench_for, find_used, run_members, sheet_of
from pipeline.backtest.kernel_ratios import rate_members
from pipeline.backtest.kernel_summary import SUMMARY
from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.backtest.window import (
    history_of,
    require_columns,
    require_universe,
    rows_between,
    session_cells,
)
from pipeline.calendar.grid import CELL64
from pipeline.portfolio.account import BOOK, open_book, records
from pipeline.strategies.asking import weights_many_of

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy

METRICS = m.NAMES
"""Names of the metrics, in the order of the columns of `Outcome.metrics`."""
_SAMPLE = 16
"""Every so many rows are added up to find members that may be alike."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What members leave: daily returns, metrics and whether they went bankrupt, one row each."""

    returns: Float2D
    metrics: Float2D
    bankrupt: Bool1D

    @classmethod
    def of(cls, members: int, days: int) -> "Outcome":
        """Return room for ``members``."""
        return cls(
            np.empty((members, days)), np.full((members, len(METRICS)), np.nan), np.zeros(members, bool)
        )


class Stage:
    """One market, strategy and account, ready for any number of members.

    Parameters
    ----------
    context, strategy, rules, assets, initial_nav, start, end
        As for `pipeline.backtest.engine.backtest`.
    """

    def __init__(
        self,
        context: "Context",
        strategy: "Strategy",
        rules: Rules,
        assets: tuple[Tradable, ...],
        initial_nav: float,
        start: datetime | None,
        end: datetime | None,
    ) -> None:
        panel = context.panel
        require_universe(panel, strategy.name, strategy.universe)
        self.first, self.last = rows_between(panel, start, end)
        require_columns(panel, assets)
        self.context, self.strategy, self.assets = context, strategy, assets
        self.panel = panel.upto(self.last - 1)
        self.initial_nav = initial_nav
        self.record, self.terms = kernel_rules(rules, assets)
        self.opening = records(BOOK, 2)
        self.opening[0] = open_book(initial_nav)
        market = history_of(self.panel, rules.volume_lookback)
        self.sheet = sheet_of(market, self.record, self.first)
        self.traded = np.array([symbol in strategy.universe for symbol in panel.symbols])
        self.years = m.elapsed_years(
            int(panel.ts[self.first].astype(np.int64)),
            int((panel.ts[self.last - 1] + CELL64).astype(np.int64)),
        )
        self._rows: dict[bytes, Int1D] = {}
        self.days = self._day_rows(self.traded)
        self._asking = Lock()

    def memory(self, members: int) -> tuple[Bench, Float3D]:
        """Return working memory for one thread and for the weights of so many members."""
        bench = bench_for(self.last - self.first, self.panel.n_assets)
        return bench, np.empty((members, *self.context.shape))

    def run(
        self, params: Sequence[BaseModel], block: range, outcome: Outcome, bench: Bench, room: Float3D
    ) -> None:
        """Run the members ``block`` and write their rows of ``outcome``.

        Parameters
        ----------
        params
            Of all members.
        block
            Numbers of those to run.
        outcome
            Room for all members.
        bench, room
            Working memory of this thread, and for the weights of a block, ``(members, bars, assets)``.

        Raises
        ------
        ModelError
            As `pipeline.backtest.engine.backtest`.
        """
        weights = room[: len(block)]
        with self._asking:
            weights_many_of(self.context, self.strategy, [params[k] for k in block], weights)
        alike = self._first_alike(weights)
        rows = slice(block.start, block.stop)
        found, returns = records(SUMMARY, len(block)), outcome.returns[rows]
        opening = self.opening.copy()
        for daily, members in self._groups(weights, np.unique(alike)):
            run_members(
                members, weights, self.first, self.last, self.sheet, self.record, self.terms, opening, bench,
                daily, self.days, returns, found, outcome.bankrupt[rows],
            )  # fmt: skip
        ruined, metrics = outcome.bankrupt[rows], outcome.metrics[rows]
        rate_members(np.unique(alike), found, ruined, self.initial_nav, self.years, metrics)
        for k, like in enumerate(alike):
            if like < k:
                returns[k], ruined[k], metrics[k] = returns[like], ruined[like], metrics[like]

    def _first_alike(self, weights: Float3D) -> list[int]:
        """Return for each member the first one of the block with the same weights in the window."""
        window = weights[:, self.first : self.last]
        seen: dict[float, list[int]] = {}
        alike = []
        for k, member in enumerate(window):
            others = seen.setdefault(float(member[::_SAMPLE].sum()), [])
            like = next((j for j in others if sums.equal(window[j], member)), k)
            if like == k:
                others.append(k)
            alike.append(like)
        return alike

    def _groups(self, weights: Float3D, members: Int1D) -> list[tuple[Int1D, Int1D]]:
        """Return the members that share the decisions which end their days, with those decisions."""
        if all(asset.always_open for asset in self.assets):
            return [(self.days, members)]
        used = np.empty((members.size, self.panel.n_assets), np.bool_)
        find_used(members, weights, self.first, self.last, used)
        kinds, kind = np.unique(used, axis=0, return_inverse=True)
        return [(self._day_rows(flags), members[kind.reshape(-1) == k]) for k, flags in enumerate(kinds)]

    def _day_rows(self, used: Bool1D) -> Int1D:
        key = used.tobytes()
        if key not in self._rows:
            ts = self.panel.ts[self.first :].view(np.int64)
            cells = session_cells(self.panel, used[None].astype(np.float64), self.assets, self.first)
            self._rows[key] = m.daily_rows(ts, cells)
        return self._rows[key]
