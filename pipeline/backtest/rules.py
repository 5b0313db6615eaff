"""The rules of a simulated account: limits, trading thresholds, costs, volume cap, and what each asset is.

Numbers only; how they act is in the kernel, `pipeline.risk` and `pipeline.portfolio`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import ConfigError
from pipeline.portfolio.account import RULE, TERM, Record, Records, records

BASIS_POINT = 1e-4


@dataclass(frozen=True)
class Costs:
    """Costs of one asset class, basis points per side."""

    slippage_bps: float = 5.0
    fee_bps: float = 1.0


@dataclass(frozen=True)
class Tradable:
    """What the account must know of one asset.

    Parameters
    ----------
    symbol
        Our form of the symbol.
    asset_class
        Chooses costs and class cap; comes from the instrument table.
    always_open
        Whether its market knows no closing hours.
    lot
        Smallest quantity step, 0 for any fraction.
    min_notional
        Smallest order the venue takes, in quote currency.
    """

    symbol: str
    asset_class: str
    always_open: bool = False
    lot: float = 0.0
    min_notional: float = 0.0


def _default_costs() -> dict[str, Costs]:
    return {"equity": Costs(5.0, 1.0), "crypto": Costs(5.0, 10.0)}


def _default_class_caps() -> dict[str, float]:
    return {"crypto": 0.20}


@dataclass(frozen=True)
class Rules:
    """The rules of an account; weights and bands are fractions of NAV.

    Parameters
    ----------
    per_asset_cap, class_caps, max_leverage
        Caps on ``|w|``, on its sum per asset class (a class not named has none) and on its sum.
    drawdown_trigger, drawdown_release, drawdown_halt, derisking_factor
        De-risking starts at or above the trigger, ends at or below the release; the halt flattens.
    resume_after_bars
        Bars after which a halt ends by itself and the peak restarts; None stays flat.
    rebalance_band_nav, rebalance_band_target, min_trade_nav, min_trade_usd
        The trading threshold and its two floors.
    volume_share, volume_lookback, carry_unfilled
        Largest share of the median volume of the same cell over so many known bars (fewer: no cap, flagged);
        whether the rest stays open for the next decision to replace or is dropped.
    max_borrowing
        How far below zero a purchase may take cash, as a fraction of NAV; None: what the leverage cap leaves.
    costs
        By asset class.

    Raises
    ------
    ConfigError
        When a number is out of range.
    """

    per_asset_cap: float = 0.40
    class_caps: Mapping[str, float] = field(default_factory=_default_class_caps)
    max_leverage: float = 1.2
    drawdown_trigger: float = 0.15
    drawdown_release: float = 0.12
    drawdown_halt: float = 0.20
    derisking_factor: float = 0.5
    resume_after_bars: int | None = None
    rebalance_band_nav: float = 0.01
    rebalance_band_target: float = 0.10
    min_trade_nav: float = 0.001
    min_trade_usd: float = 10.0
    volume_share: float = 0.10
    volume_lookback: int = 20
    carry_unfilled: bool = False
    max_borrowing: float | None = None
    costs: Mapping[str, Costs] = field(default_factory=_default_costs)

    def __post_init__(self) -> None:
        for name in (
            "per_asset_cap", "max_leverage", "drawdown_trigger", "drawdown_release", "drawdown_halt",
            "derisking_factor", "rebalance_band_nav", "rebalance_band_target", "min_trade_nav",
            "min_trade_usd", "volume_share",
        ):  # fmt: skip
            _require(name, getattr(self, name), at_least=0.0)
        for name, cap in self.class_caps.items():
            _require(f"class_caps.{name}", cap, at_least=0.0)
        for name, costs in self.costs.items():
            _require(f"costs.{name}.slippage_bps", costs.slippage_bps, at_least=0.0, below=10_000.0)
            _require(f"costs.{name}.fee_bps", costs.fee_bps, at_least=0.0, below=10_000.0)
        _require("derisking_factor", self.derisking_factor, at_least=0.0, below=1.0 + 1e-12)
        _require("volume_lookback", self.volume_lookback, at_least=1)
        if math.isinf(self.rebalance_band_target):
            raise ConfigError(
                "the relative band is infinite",
                "rebalance_band_target",
                self.rebalance_band_target,
                "finite",
                "make rebalance_band_nav infinite to trade on changed targets only",
            )
        if self.resume_after_bars is not None:
            _require("resume_after_bars", self.resume_after_bars, at_least=1)
        if self.max_borrowing is not None:
            _require("max_borrowing", self.max_borrowing, at_least=0.0)

    @property
    def borrowing(self) -> float:
        """The fraction of NAV that cash may fall below zero."""
        return max(0.0, self.max_leverage - 1.0) if self.max_borrowing is None else self.max_borrowing


def kernel_rules(rules: Rules, assets: Sequence[Tradable]) -> tuple[Record, Records]:
    """Return the rules and the terms of ``assets`` as records of `pipeline.portfolio.account`.

    Raises
    ------
    ConfigError
        When the asset class of an asset has no costs.
    """
    classes = [asset.asset_class for asset in assets]
    class_caps = [rules.class_caps.get(name, math.inf) for name in classes]
    values = {
        "asset_cap": rules.per_asset_cap,
        "max_gross": rules.max_leverage,
        "least_cap": min(rules.per_asset_cap, rules.max_leverage, *class_caps),
        "trigger": rules.drawdown_trigger,
        "release": rules.drawdown_release,
        "halt": rules.drawdown_halt,
        "derisk": rules.derisking_factor,
        "resume_after": rules.resume_after_bars or 0,
        "band_nav": rules.rebalance_band_nav,
        "band_target": rules.rebalance_band_target,
        "min_trade_nav": rules.min_trade_nav,
        "min_trade_usd": rules.min_trade_usd,
        "volume_share": rules.volume_share,
        "carry": rules.carry_unfilled,
        "borrowing": rules.borrowing,
    }
    record = np.array([tuple(values[name] for name in RULE.names or ())], RULE)[0]
    terms = records(TERM, len(assets))
    for i, asset in enumerate(assets):
        if asset.asset_class not in rules.costs:
            raise ConfigError(
                f"{asset.symbol} cannot be traded: its asset class has no costs",
                f"costs.{asset.asset_class}",
                None,
                f"one of {', '.join(sorted(rules.costs))}",
                "name its costs, or leave the asset out of the universe",
            )
        costs = rules.costs[asset.asset_class]
        terms[i] = (
            costs.slippage_bps * BASIS_POINT,
            costs.fee_bps * BASIS_POINT,
            asset.lot,
            asset.min_notional,
            class_caps[i],
            classes.index(asset.asset_class),
        )
    return record, terms


def _require(name: str, value: float, *, at_least: float, below: float = math.inf) -> None:
    if not (at_least <= value and (value < below or below == math.inf)):
        wanted = f">= {at_least}" + ("" if below == math.inf else f" and < {below}")
        raise ConfigError("a rule of the account is out of range", name, value, wanted, "correct the number")
