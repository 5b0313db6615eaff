"""One account that can be run again with something changed: other weights, rules or money.

Controls, capacity and benchmarks ask for it, so what the kernel is given is written down once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.arrays import Bool1D, Float1D, Float2D
from pipeline.backtest.engine import simulate
from pipeline.backtest.result import Simulation
from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.errors import BankruptcyError
from pipeline.market.panel import Panel


@dataclass(frozen=True, eq=False)
class Ran:
    """What the ledger keeps of a control: its name, the digest of its series, its daily returns, cash beside.

    The digest is None where the account went bankrupt, the returns where they are not worth their room: the
    seed and the number of a random strategy give them again.
    """

    name: str
    digest: str | None
    daily_returns: Float1D | None
    cash_returns: Float1D | None

    @classmethod
    def of(cls, name: str, done: Simulation, *, keep: bool = True) -> "Ran":
        """Return what is kept of a simulation; ``keep``: its daily returns too."""
        if not keep:
            return cls(name, done.digest, None, None)
        return cls(name, done.digest, done.daily_returns, done.cash_returns)


@dataclass(frozen=True, eq=False)
class Account:
    """What `pipeline.backtest.engine.simulate` needs, ``weights`` and all.

    Parameters
    ----------
    panel, weights, assets, rules, initial_nav, start, killed
        As for `simulate`.
    runs
        Every run that was made of it, in order.
    """

    panel: Panel
    weights: Float2D
    assets: Sequence[Tradable]
    rules: Rules
    initial_nav: float = 100_000.0
    start: int = 0
    killed: Bool1D | None = None
    runs: list[Ran] = field(default_factory=list)

    def run(
        self,
        name: str,
        *,
        weights: Float2D | None = None,
        rules: Rules | None = None,
        initial_nav: float | None = None,
        keep: bool = False,
    ) -> Simulation | None:
        """Run it with what is given in place of its own; None when it goes bankrupt.

        Parameters
        ----------
        name
            What the run is for.
        keep
            Whether the ledger shall have its daily returns.

        Raises
        ------
        ModelError, DataError
            As `simulate`.
        """
        try:
            done = simulate(
                self.panel,
                self.weights if weights is None else weights,
                rules=self.rules if rules is None else rules,
                assets=self.assets,
                initial_nav=self.initial_nav if initial_nav is None else initial_nav,
                start=self.start,
                killed=self.killed,
            )
        except BankruptcyError:
            self.runs.append(Ran(name, None, None, None))
            return None
        self.runs.append(Ran.of(name, done, keep=keep))
        return done


def with_costs(rules: Rules, *, times: float = 1.0, extra_bps: float = 0.0) -> Rules:
    """Return the rules with every cost multiplied, then moved by ``extra_bps`` a side.

    A negative extra takes from slippage first and from fees with what is left; neither falls below zero.
    """

    def moved(costs: Costs) -> Costs:
        slippage, fee = costs.slippage_bps * times, costs.fee_bps * times
        below = min(0.0, slippage + extra_bps)
        return Costs(max(0.0, slippage + extra_bps), max(0.0, fee + below))

    return replace(rules, costs={name: moved(costs) for name, costs in rules.costs.items()})
