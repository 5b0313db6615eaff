"""Several strategies in one account: budgets, netting, one run of the kernel, and who owns what of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import Bool1D, Float2D, Float3D
from pipeline.backtest.engine import simulate
from pipeline.backtest.flags import flags_of
from pipeline.backtest.member_numbers import numbers_of
from pipeline.backtest.members import BookParts, MemberResult, attribution_of
from pipeline.backtest.result import BacktestResult, Provenance, Simulation
from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.backtest.weighing import weights_of
from pipeline.backtest.window import rows_between
from pipeline.calendar.grid import CELL64
from pipeline.errors import ConfigError, ModelError
from pipeline.market.panel import Panel
from pipeline.portfolio.attribution import Ledger, open_ledger, worst_error
from pipeline.portfolio.netting import net
from pipeline.risk.postconditions import most_above_a_cap

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy

PORTFOLIO = "portfolio"
"""What a book stands under among the strategies of runs."""
ROUNDING = 1e-12


@dataclass(frozen=True)
class Member:
    """A strategy in a book.

    Parameters
    ----------
    strategy, params
        What decides, and with which parameters.
    budget
        Its share of NAV before regimes, a fraction.
    """

    strategy: "Strategy"
    params: BaseModel
    budget: float


def backtest_book(
    context: "Context",
    members: Sequence[Member],
    *,
    rules: Rules,
    assets: Sequence[Tradable],
    provenance: Provenance,
    budgets: Float2D | None = None,
    initial_nav: float = 100_000.0,
    start: datetime | None = None,
    end: datetime | None = None,
    killed: Bool1D | None = None,
) -> BacktestResult:
    """Run the members of a book in one account.

    The weight of an asset is the sum over members of budget times weight, opposite signs netted; it may not
    be short.  Budget that nobody uses stays cash.

    Parameters
    ----------
    context
        Bars and features of the union of all universes, in the order of ``assets``.
    members
        At least one, each strategy once.
    rules, assets, provenance, initial_nav, start, end, killed
        As for `pipeline.backtest.engine.backtest`.
    budgets
        The members' shares of NAV at each decision, shape ``(bars, members)``, each row at most 1 in sum;
        None: their own, at every decision.

    Raises
    ------
    ConfigError
        When budgets are negative or exceed 1 in sum, a strategy stands twice in the book, or as
        `pipeline.backtest.engine.backtest`.
    ModelError
        As `simulate_book`, and as `pipeline.strategies.asking.weights_of`.
    """
    names = [member.strategy.name for member in members]
    shares = _checked_budgets(members, names, budgets, context.shape[0])
    assets = tuple(assets)
    first, last = rows_between(context.panel, start, end)
    contributions = contributions_of(context, members, shares)[:last]
    panel = context.panel.upto(last - 1)
    simulation, ledger = simulate_book(
        panel, contributions, rules=rules, assets=assets, initial_nav=initial_nav, start=first,
        killed=None if killed is None else killed[:last],
    )  # fmt: skip
    in_force = shares[first:last]
    results = tuple(
        MemberResult(
            strategy=member.strategy.name,
            version=member.strategy.version,
            parameters=member.params.model_dump(mode="json"),
            universe=member.strategy.universe,
            **numbers_of(ledger, column, in_force, simulation),
        )
        for column, member in enumerate(members)
    )
    universe = tuple(symbol for symbol in context.symbols if any(symbol in r.universe for r in results))
    return BacktestResult(
        strategy=PORTFOLIO,
        version=" ".join(f"{result.strategy}-{result.version}" for result in results),
        parameters={result.strategy: result.parameters for result in results},
        universe=universe,
        rules=rules,
        provenance=provenance,
        start=panel.ts[first],
        end=panel.ts[last - 1] + CELL64,
        simulation=simulation,
        flags=flags_of(
            simulation, rules, assets, provenance,
            has_bar=~np.isnan(panel.close[first:]), universe=universe,
        ),
        book=BookParts(results, in_force, attribution_of(ledger, names)),
    )  # fmt: skip


def simulate_book(
    panel: Panel,
    contributions: Float3D,
    *,
    rules: Rules,
    assets: Sequence[Tradable],
    initial_nav: float = 100_000.0,
    start: int = 0,
    killed: Bool1D | None = None,
) -> tuple[Simulation, Ledger]:
    """Run the account of a book through history and say who owns what of it.

    Parameters
    ----------
    panel, rules, assets, initial_nav, start, killed
        As for `pipeline.backtest.engine.simulate`.
    contributions
        Budget times weight of every member at every decision, shape ``(bars, members, assets)``; opposite
        signs net, the sum of none may be short.

    Raises
    ------
    ConfigError, InsufficientDataError, DataError, BankruptcyError
        As `pipeline.backtest.engine.simulate`.
    ModelError
        As there, and when the rules left a target above a cap or shares that do not add up to it.
    """
    ledger = open_ledger(contributions, start)
    simulation = simulate(
        panel, net(contributions), rules=rules, assets=assets, initial_nav=initial_nav, start=start,
        ledger=ledger, killed=killed,
    )  # fmt: skip
    _require_rules_held(simulation.target, ledger, rules, tuple(assets))
    return simulation, ledger


def contributions_of(
    context: "Context", members: Sequence[Member], budgets: Float2D | None = None
) -> Float3D:
    """Return budget times weight of every member, shape ``(bars, members, assets)``.

    Parameters
    ----------
    context, members, budgets
        As for `backtest_book`; `pipeline.portfolio.netting.net` makes the weights of the account of it.

    Raises
    ------
    ConfigError, ModelError
        As `backtest_book`.
    """
    names = [member.strategy.name for member in members]
    bars, assets = context.shape
    shares = _checked_budgets(members, names, budgets, bars)
    contributions = np.empty((bars, len(names), assets))
    for column, member in enumerate(members):
        weights = weights_of(context, member.strategy, member.params)
        if weights.shape != (bars, assets):
            raise ModelError(f"the weights of {names[column]} do not fit the panel", "weights", weights.shape)
        np.multiply(weights, shares[:, column : column + 1], out=contributions[:, column])
    return contributions


def _checked_budgets(
    members: Sequence[Member], names: list[str], budgets: Float2D | None, bars: int
) -> Float2D:
    if not members or len(set(names)) != len(names):
        raise ConfigError("a book needs strategies, each once", "members", names, "distinct names")
    own = np.array([member.budget for member in members])
    shares = np.broadcast_to(own, (bars, own.size)) if budgets is None else budgets
    if shares.shape != (bars, own.size):
        raise ConfigError("budgets do not fit the book", "budgets", shares.shape, f"({bars}, {own.size})")
    fits = (shares >= 0.0).all() and (shares.sum(axis=1) <= 1.0 + ROUNDING).all()
    if not fits:
        raise ConfigError(
            "the budgets of a book are negative, unknown or exceed 1 in sum",
            "budgets",
            float(shares.sum(axis=1).max()),
            "each >= 0, at most 1 together",
            "lower the budgets in strategies.yaml",
        )
    return shares


def _require_rules_held(target: Float2D, ledger: Ledger, rules: Rules, assets: tuple[Tradable, ...]) -> None:
    """Refuse a run whose risk rules did not do what they promise, however they came to it."""
    above = most_above_a_cap(target, *kernel_rules(rules, assets))
    error = worst_error(ledger, target)
    if above > ROUNDING or error > ROUNDING:
        raise ModelError(
            "the risk rules left a target above a cap, or shares that do not add up to it",
            "target",
            max(above, error),
            f"<= {ROUNDING}",
            "this is a fault of the program: report it with the run's settings",
        )
