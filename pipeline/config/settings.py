"""All settings together, and the rules that span files."""

from typing import Self

from pydantic import model_validator

from pipeline.config.instruments import Instrument
from pipeline.config.model import Strict, broken_rule
from pipeline.config.strategies import StrategySettings
from pipeline.config.system import System

SECTIONS = ("system", "instruments", "strategies")
"""The files of ``configs/base``, one section each."""


class Settings(Strict):
    """What ``configs/base`` and the layers above it say."""

    system: System
    instruments: dict[str, Instrument]
    strategies: dict[str, StrategySettings]

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
        if self.system.backtest.strategy not in self.strategies:
            raise broken_rule(
                "one of " + ", ".join(self.strategies),
                "name a strategy of strategies.yaml",
                what=f"there is no strategy {self.system.backtest.strategy}",
                at="system.backtest.strategy",
            )
        return self
