"""All settings together, and the rules that span files."""

from typing import Self

from pydantic import model_validator

from pipeline.config.chain import ChainSettings
from pipeline.config.instruments import AssetClass, Instrument
from pipeline.config.model import Strict, broken_rule
from pipeline.config.regimes import RegimeSettings
from pipeline.config.service import ServiceSettings
from pipeline.config.strategies import StrategySettings
from pipeline.config.system import System
from pipeline.config.valuation import ValuationSettings

SECTIONS = ("system", "instruments", "strategies", "regimes", "chain", "valuation", "service")
"""The files of ``configs/base``, one section each."""
PORTFOLIO = "portfolio"
"""What ``backtest.strategy`` calls the book of all strategies with a budget."""


class Settings(Strict):
    """What ``configs/base`` and the layers above it say."""

    system: System
    instruments: dict[str, Instrument]
    strategies: dict[str, StrategySettings]
    regimes: RegimeSettings
    chain: ChainSettings
    valuation: ValuationSettings
    service: ServiceSettings

    @model_validator(mode="after")
    def _files_agree(self) -> Self:
        for name, strategy in self.strategies.items():
            at = f"strategies.{name}.universe"
            repeated = {symbol for symbol in strategy.universe if strategy.universe.count(symbol) > 1}
            if repeated:
                what = f"a symbol stands twice in the universe of {name}"
                raise broken_rule("every symbol once", f"remove one {min(repeated)}", what=what, at=at)
            for symbol in strategy.universe:
                if symbol not in self.instruments or not self.instruments[symbol].tradable:
                    raise broken_rule(
                        "one of " + ", ".join(key for key, item in self.instruments.items() if item.tradable),
                        f"declare {symbol} in instruments.yaml as equity or crypto, or take it out",
                        what=f"{symbol} in the universe of {name} is not a tradable instrument",
                        at=at,
                    )
        self._run_is_there()
        self._budgets_fit()
        self._regimes_have_instruments()
        return self

    @property
    def runs_book(self) -> bool:
        """Whether the main job runs several strategies in one account, by their budgets."""
        chosen = self.system.backtest.strategy
        return chosen == PORTFOLIO or not isinstance(chosen, str)

    @property
    def strategies_run(self) -> tuple[str, ...]:
        """The strategies that the main job runs."""
        chosen = self.system.backtest.strategy
        if chosen == PORTFOLIO:
            return tuple(name for name, each in self.strategies.items() if each.budget > 0.0)
        return (chosen,) if isinstance(chosen, str) else chosen

    def _run_is_there(self) -> None:
        names, at = self.strategies_run, "system.backtest.strategy"
        absent = [name for name in names if name not in self.strategies]
        if absent:
            raise broken_rule(
                "one of " + ", ".join((*self.strategies, PORTFOLIO)),
                "name a strategy of strategies.yaml",
                what=f"there is no strategy {absent[0]}",
                at=at,
            )
        if len(set(names)) < len(names):
            what = "a strategy stands twice in the book"
            raise broken_rule("every strategy once", "take one out", what=what, at=at)
        idle = [name for name in names if self.runs_book and self.strategies[name].budget == 0.0]
        if idle or not names:
            raise broken_rule(
                "strategies with a budget above 0",
                f"give {idle[0] if idle else 'a strategy'} a budget in strategies.yaml",
                what=f"{idle[0]} has no budget" if idle else "no strategy has a budget",
                at=at,
            )

    def _budgets_fit(self) -> None:
        if PORTFOLIO in self.strategies:
            raise broken_rule(
                f"any name but {PORTFOLIO}, which is the book of all strategies with a budget",
                "rename the strategy",
                what=f"a strategy is called {PORTFOLIO}",
                at=f"strategies.{PORTFOLIO}",
            )
        total = sum(each.budget for each in self.strategies.values())
        if total > 1.0 + 1e-12:
            last = [name for name, each in self.strategies.items() if each.budget > 0.0][-1]
            raise broken_rule(
                "a sum of at most 1",
                "lower a budget",
                what=f"the budgets of all strategies sum to {total:.6g}",
                at=f"strategies.{last}.budget",
            )

    def _regimes_have_instruments(self) -> None:
        rules = self.regimes
        read = {
            "equity.symbol": (rules.equity.symbol, AssetClass.EQUITY),
            "vol.symbol": (rules.vol.symbol, AssetClass.INDEX),
            "vol.realised.symbol": (rules.vol.realised.symbol, AssetClass.EQUITY),
            "crypto.symbol": (rules.crypto.symbol, AssetClass.CRYPTO),
        }
        for at, (symbol, wanted) in read.items():
            if symbol not in self.instruments or self.instruments[symbol].asset_class is not wanted:
                raise broken_rule(
                    f"an instrument of the class {wanted}",
                    f"declare {symbol} in instruments.yaml, or name another symbol",
                    what=f"{symbol} cannot tell this regime",
                    at=f"regimes.{at}",
                )
