"""What the configured run asks for: one strategy, or a book of several with their budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from assets.market.history import History
    from pipeline.arrays import Bool1D, Float2D, Float3D, Int8
    from pipeline.backtest.book import Member
    from pipeline.backtest.result import BacktestResult
    from pipeline.config.settings import Settings
    from pipeline.features.registry import FeatureSpec
    from pipeline.strategies.context import Context
    from resources.desk import Desk


@dataclass(frozen=True)
class Plan:
    """A run before its data.

    Parameters
    ----------
    settings
        What was configured.
    members
        The strategies; each in the version and with the universe and parameters that the settings name.
    is_book
        Whether they share one account by their budgets; else there is one, with the whole account.
    """

    settings: Settings
    members: tuple[Member, ...]
    is_book: bool

    @property
    def universe(self) -> tuple[str, ...]:
        """Every symbol that a member may hold, once, in the order of the members."""
        return tuple(dict.fromkeys(s for member in self.members for s in member.strategy.universe))

    @property
    def specs(self) -> list[FeatureSpec]:
        """Every feature that a member reads, once."""
        from pipeline.features.registry import parse
        from pipeline.strategies.asking import features_of

        asked = (name for m in self.members for name in features_of(m.strategy, [m.params]))
        return [parse(name) for name in dict.fromkeys(asked)]

    @property
    def needs_regimes(self) -> bool:
        """Whether a member reads regimes, or budgets follow them."""
        return self.is_book or any(member.strategy.regimes for member in self.members)

    def budgets(self, regimes: Mapping[str, Int8]) -> Float2D | None:
        """Return the budgets at each decision, shape ``(bars, members)``; None for a single strategy."""
        import numpy as np

        from pipeline.regimes.budgets import budgets, multiplier_table, require_strategies

        if not self.is_book:
            return None
        require_strategies(self.settings.regimes.multipliers, tuple(self.settings.strategies))
        base = np.array([member.budget for member in self.members])
        names = [member.strategy.name for member in self.members]
        return budgets(base, regimes, multiplier_table(self.settings.regimes.multipliers, names))

    def contributions(self, context: Context) -> Float3D:
        """Return budget times weight of every member of a book, shape ``(bars, members, assets)``."""
        from pipeline.backtest.book import contributions_of

        return contributions_of(context, self.members, self.budgets(context.regimes))

    def weights(self, context: Context) -> Float2D:
        """Return the weights asked of the account, before the risk rules, shape ``(bars, assets)``."""
        from pipeline.backtest.weighing import weights_of
        from pipeline.portfolio.netting import net

        if self.is_book:
            return net(self.contributions(context))
        return weights_of(context, self.members[0].strategy, self.members[0].params)

    def run(
        self,
        history: History,
        features: Mapping[str, Float2D],
        regimes: Mapping[str, Int8],
        window: tuple[datetime, datetime],
    ) -> BacktestResult:
        """Run it on a history.

        Raises
        ------
        ConfigError, ModelError, InsufficientDataError, DataError, BankruptcyError
            As `pipeline.backtest.book.backtest_book` and `pipeline.backtest.engine.backtest`.
        """
        from pipeline.backtest.book import backtest_book
        from pipeline.backtest.configured import rules_of, tradables_of
        from pipeline.backtest.engine import backtest
        from pipeline.strategies.context import Context

        context = Context(panel=history.traded, features=features, regimes=regimes)
        rules, assets = (
            rules_of(self.settings.system),
            tradables_of(self.universe, self.settings.instruments),
        )
        nav, (start, end) = self.settings.system.backtest.initial_nav, window
        if self.is_book:
            return backtest_book(
                context, self.members, budgets=self.budgets(regimes), rules=rules, assets=assets,
                provenance=history.provenance, initial_nav=nav, start=start, end=end,
                killed=self.killed(context),
            )  # fmt: skip
        (only,) = self.members
        return backtest(
            context, only.strategy, only.params, rules=rules, assets=assets,
            provenance=history.provenance, initial_nav=nav, start=start, end=end,
            killed=self.killed(context),
        )  # fmt: skip

    def killed(self, context: Context) -> Bool1D | None:
        """Return where the drill of the kill switch is on, shape ``(bars,)``; None without one."""
        import numpy as np

        from pipeline.calendar.grid import to_time64

        run = self.settings.system.backtest
        if run.kill_from is None:
            return None
        on = context.decisions >= to_time64(run.kill_from, "kill_from")
        if run.kill_until is not None:
            on &= context.decisions < to_time64(run.kill_until, "kill_until")
        return np.ascontiguousarray(on)


def plan_of(desk: Desk) -> Plan:
    """Return what the settings say is to be run.

    Raises
    ------
    ComponentNotFoundError
        When the code has no such strategy.
    ConfigError
        When the code has another version of one, or a parameter is wrong.
    """
    from pipeline.backtest.book import Member
    from pipeline.strategies.registry import parameters, strategy

    settings = desk.loaded.settings
    members = []
    for name in settings.strategies_run:
        described = settings.strategies[name]
        chosen = strategy(name, described.universe, version=described.version)
        members.append(Member(chosen, parameters(chosen, described.parameters), described.budget))
    return Plan(settings, tuple(members), settings.runs_book)


def single(plan: Plan) -> Member:
    """Return the only strategy of a plan.

    Raises
    ------
    ConfigError
        When it is a book.
    """
    if plan.is_book:
        raise ConfigError(
            "one strategy is needed here, not a book",
            "backtest.strategy",
            plan.settings.system.backtest.strategy,
            "the name of one strategy",
            f"name one of {', '.join(plan.settings.strategies)}",
        )
    return plan.members[0]
