"""What a search runs on: the history of the configured strategy, read once, with features as they are needed.

Reads only; whoever runs the kernel on it goes through a door, `assets.backtest.trials` or
`assets.backtest.population`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assets.backtest.holdouts import refuse_held_out, refuse_seen
from assets.backtest.locks import code_of, locked
from assets.backtest.plan import plan_of, single
from assets.backtest.trials import data_hash, refuse_other_features, regimes_read, window_of
from assets.market.history import read_history
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    import duckdb

    from assets.market.history import History
    from pipeline.arrays import Float2D, Int8
    from pipeline.backtest.rules import Rules, Tradable
    from pipeline.strategies.context import Context
    from pipeline.strategies.lock import Lock
    from pipeline.strategies.port import Parameters, Strategy
    from resources.desk import Desk
    from warehouse.manifest import Input


@dataclass(frozen=True)
class MarketContext:
    """One strategy on one history.

    Parameters
    ----------
    desk
        Settings, warehouse, market source and clock.
    strategy
        The configured strategy.
    configured
        Its parameters in ``strategies.yaml``.
    read
        The history.
    window
        Start and end of the run.
    data_hash
        Over everything that was read.
    regimes
        Codes by dimension at each decision; empty for a strategy that reads none.
    inputs
        What was read, with digests, for manifests.
    locks
        The code of the strategy as it was when the search began.
    """

    desk: Desk
    strategy: Strategy
    configured: Mapping[str, Any]
    read: History
    window: tuple[datetime, datetime]
    data_hash: str
    regimes: Mapping[str, Int8]
    inputs: tuple[Input, ...]
    locks: tuple[tuple[Strategy, Lock], ...]
    _features: dict[str, Float2D] = field(default_factory=dict, repr=False)

    @property
    def rules(self) -> Rules:
        """Rules of the account."""
        from pipeline.backtest.configured import rules_of

        return rules_of(self.desk.loaded.settings.system)

    @property
    def assets(self) -> tuple[Tradable, ...]:
        """What the account must know of each symbol."""
        from pipeline.backtest.configured import tradables_of

        return tradables_of(self.strategy.universe, self.desk.loaded.settings.instruments)

    @property
    def family(self) -> str:
        """Strategy and universe, as the ledger names them."""
        return f"{self.strategy.name}[{','.join(sorted(self.strategy.universe))}]"

    @property
    def code(self) -> str:
        """Version of all code that runs; raises `TamperedError` when the strategy's has changed meanwhile."""
        return code_of(self.locks)

    def still_unseen(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Refuse to store what a hold-out window forbids that was declared since the search began.

        Raises
        ------
        RefusedError
            As `assets.backtest.holdouts.refuse_seen`.
        """
        refuse_seen(cursor, self.desk, (self.strategy.name,), self.window)

    @property
    def initial_nav(self) -> float:
        """Money at the start."""
        return self.desk.loaded.settings.system.backtest.initial_nav

    def parameters(self, point: Mapping[str, Any]) -> Parameters:
        """Return the configured parameters with those of a point in their place."""
        from pipeline.strategies.registry import parameters

        return parameters(self.strategy, {**self.configured, **point})

    def context(self, members: Sequence[Parameters]) -> Context:
        """Return bars and every feature that some member reads; a feature is computed once.

        Raises
        ------
        TamperedError
            When a stored feature differs from what the bars give.
        """
        from pipeline.features.registry import parse
        from pipeline.strategies.context import Context

        names = dict.fromkeys(name for each in members for name in self.strategy.features(each))
        lacking = [name for name in names if name not in self._features]
        if lacking:
            fresh = self.read.features([parse(name) for name in lacking])
            refuse_other_features(self.desk, self.read, fresh, self.window[1])
            self._features.update(fresh)
        chosen = {name: self._features[name] for name in names}
        return Context(panel=self.read.traded, features=chosen, regimes=self.regimes)


def market_context(desk: Desk) -> MarketContext:
    """Read what the configured strategy needs.

    Raises
    ------
    InsufficientDataError
        When the warehouse lacks the bars.
    ConfigError
        When the run is a book or a drill, or the code has no such strategy or another version of it.
    RefusedError
        When the window reaches into a closed hold-out window of the strategy.
    """
    window, settings = window_of(desk), desk.loaded.settings
    if settings.system.backtest.kill_from is not None:
        raise ConfigError(
            "a search is no drill of the kill switch",
            field="system.backtest.kill_from",
            value=settings.system.backtest.kill_from.isoformat(),
            constraint="null",
            fix="set it to null for the search",
        )
    plan = plan_of(desk)
    strategy = single(plan).strategy
    refuse_held_out(desk, (strategy.name,), window)
    read = read_history(
        strategy.universe,
        window[1],
        feed=desk.market.feed,
        warehouse=desk.warehouse,
        instruments=settings.instruments,
        cash=settings.system.costs.cash,
    )
    known = regimes_read(desk, plan, window[1])
    return MarketContext(
        desk=desk,
        strategy=strategy,
        configured=settings.strategies[strategy.name].parameters,
        read=read,
        window=window,
        data_hash=data_hash(read, known),
        regimes={} if known is None else known.at(read.panel.decisions).codes,
        inputs=(*read.inputs, *(() if known is None else known.inputs)),
        locks=locked([strategy]),
    )
