"""What the members of a population share, and the running of one block of them.

`population` cuts blocks and hands them to threads; the loop over decisions is `kernel_population`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Bool1D, Float2D, Float3D, Int1D
from pipeline.backtest import kernel_sums as sums
from pipeline.backtest import metrics as m
from pipeline.backtest.kernel_population import Bench, bench_for, run_members, sheet_of
from pipeline.backtest.kernel_summary import SUMMARY, Summary
from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.backtest.window import (
    history_of,
    require_columns,
    require_universe,
    rows_between,
    session_cells,
)
from pipeline.calendar.grid import CELL64
from pipeline.errors import ModelError
from pipeline.portfolio.account import BOOK, open_book, records

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy

METRICS = tuple(field.name for field in fields(m.Metrics))
"""Names of the metrics, in the order of the columns of `Outcome.metrics`."""
_values = attrgetter(*METRICS)


def row_of(metrics: m.Metrics) -> list[float]:
    """Return the metrics in the order of `METRICS`, NaN where unknown."""
    return [math.nan if value is None else value for value in _values(metrics)]


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

    def bench(self) -> Bench:
        """Return working memory for one thread."""
        return bench_for(self.last - self.first, self.panel.n_assets)

    def run(self, params: Sequence[BaseModel], block: range, outcome: Outcome, bench: Bench) -> None:
        """Run the members ``block`` and write their rows of ``outcome``.

        Raises
        ------
        ModelError
            As `pipeline.backtest.engine.backtest`.
        """
        with self._asking:
            weights = self._weights([params[k] for k in block])
        alike = self._first_alike(weights)
        rows = slice(block.start, block.stop)
        found, returns = records(SUMMARY, len(block)), outcome.returns[rows]
        opening = self.opening.copy()
        for daily, members in self._groups(weights, np.unique(alike)):
            run_members(
                members, weights, self.first, self.last, self.sheet, self.record, self.terms, opening, bench,
                daily, self.days, returns, found, outcome.bankrupt[rows],
            )  # fmt: skip
        for k, like in enumerate(alike):
            if like < k:
                returns[k] = returns[like]
                for part in (outcome.bankrupt, outcome.metrics):
                    part[block[k]] = part[block[like]]
            elif outcome.bankrupt[block[k]]:
                outcome.metrics[block[k], METRICS.index("total_return")] = -1.0
                outcome.metrics[block[k], METRICS.index("max_drawdown")] = 1.0
            else:
                numbers = m.of_summary(Summary(*found[k].item()), self.initial_nav, self.years)
                outcome.metrics[block[k]] = row_of(numbers)

    def _weights(self, params: list[BaseModel]) -> Float3D:
        """Return the weights of the parameters, shape ``(params, bars, assets)``."""
        shape = (len(params), *self.context.shape)
        many = getattr(self.strategy, "weights_many", None)
        if many is not None:
            weights = np.ascontiguousarray(many(self.context, params))
        else:
            weights = np.array([self.strategy.weights(self.context, each) for each in params])
        if weights.shape != shape or weights.dtype != np.float64:
            raise ModelError("weights do not fit the panel", "weights", weights.shape, f"shape {shape}")
        if not self.traded.all() and np.any(weights[:, :, ~self.traded] != 0.0):
            raise ModelError(
                f"{self.strategy.name} weighs assets outside its universe", "weights", None, "0 there"
            )
        for member in weights[:, : self.last]:
            if sums.count_unfit(member):
                raise ModelError(
                    "a weight is not a number, infinite or below zero",
                    "weights",
                    float(member.min()),
                    ">= 0 and finite",
                    "say 0 where nothing is known; short sales are not simulated (no borrow cost)",
                )
        return weights

    def _first_alike(self, weights: Float3D) -> list[int]:
        """Return for each member the first one of the block with the same weights in the window."""
        window = weights[:, self.first : self.last]
        seen: dict[float, list[int]] = {}
        alike = []
        for k, member in enumerate(window):
            others = seen.setdefault(sums.mean(member.reshape(-1)), [])
            like = next((j for j in others if np.array_equal(window[j], member)), k)
            if like == k:
                others.append(k)
            alike.append(like)
        return alike

    def _groups(self, weights: Float3D, members: Int1D) -> list[tuple[Int1D, Int1D]]:
        """Return the members that share the decisions which end their days, with those decisions."""
        if all(asset.always_open for asset in self.assets):
            return [(self.days, members)]
        used = weights[members, self.first : self.last].any(axis=1)
        kinds, kind = np.unique(used, axis=0, return_inverse=True)
        return [(self._day_rows(flags), members[kind.reshape(-1) == k]) for k, flags in enumerate(kinds)]

    def _day_rows(self, used: Bool1D) -> Int1D:
        key = used.tobytes()
        if key not in self._rows:
            ts = self.panel.ts[self.first :].view(np.int64)
            cells = session_cells(self.panel, used[None].astype(np.float64), self.assets, self.first)
            self._rows[key] = m.daily_rows(ts, cells)
        return self._rows[key]
