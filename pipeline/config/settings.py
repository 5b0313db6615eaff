"""All settings together, and the rules that span files."""

from typing import Self

from pydantic import model_validator

from pipeline.config.instruments import AssetClass, Instrument
from pipeline.config.model import Strict, broken_rule
from pipeline.config.regimes import RegimeSettings
from pipeline.config.strategies import StrategySettings
from pipeline.config.system import System

SECTIONS = ("system", "instruments", "strategies", "regimes")
"""The files of ``configs/base``, one section each."""


class Settings(Strict):
    """What ``configs/base`` and the layers above it say."""

    system: System
    instruments: dict[str, Instrument]
    strategies: dict[str, StrategySettings]
    regimes: RegimeSettings

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
        self._regimes_have_instruments()
        return self

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
