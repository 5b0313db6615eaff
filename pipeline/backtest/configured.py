"""From settings to the rules of an account: the one place where configuration meets the kernel's numbers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipeline.backtest.crisis import Window
from pipeline.backtest.robustness import Plan
from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.calendar.sessions import ALWAYS_OPEN
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.config.instruments import Instrument
    from pipeline.config.system import System


def rules_of(system: System) -> Rules:
    """Return the account rules that the settings describe."""
    risk, trading, run = system.risk, system.trading, system.backtest
    return Rules(
        per_asset_cap=risk.per_asset_cap,
        class_caps={"crypto": risk.crypto_class_cap},
        max_leverage=risk.max_leverage,
        drawdown_trigger=risk.drawdown_trigger,
        drawdown_release=risk.drawdown_release,
        drawdown_halt=risk.drawdown_halt,
        derisking_factor=risk.derisking_factor,
        resume_after_bars=run.resume_after_bars if run.on_halt == "resume_after_bars" else None,
        rebalance_band_nav=trading.rebalance_band_nav,
        rebalance_band_target=trading.rebalance_band_target,
        min_trade_nav=trading.min_trade_nav,
        min_trade_usd=trading.min_trade_usd,
        volume_share=trading.volume_share,
        volume_lookback=trading.volume_lookback,
        carry_unfilled=run.carry_unfilled,
        costs={
            "equity": Costs(system.costs.equity.slippage_bps, system.costs.equity.fee_bps),
            "crypto": Costs(system.costs.crypto.slippage_bps, system.costs.crypto.fee_bps),
        },
    )


def plan_of(system: System, trials: int) -> Plan:
    """Return what the settings ask of a run that is the ``trials``-th configuration of its family."""
    asked = system.controls
    windows = {}
    for crisis in asked.crises:
        name, first, end = crisis.split()
        windows[name] = Window(date.fromisoformat(first), date.fromisoformat(end))
    return Plan(random=asked.random, seed=asked.seed, crises=windows, trials=trials)


def tradables_of(symbols: Sequence[str], instruments: Mapping[str, Instrument]) -> tuple[Tradable, ...]:
    """Return what the account must know of each symbol.

    Raises
    ------
    ConfigError
        When the symbols are priced in more than one currency: the account keeps its cash in one.
    """
    chosen = [instruments[symbol] for symbol in symbols]
    currencies = sorted({_currency(each) for each in chosen})
    if len(currencies) > 1:
        raise ConfigError(
            "the universe is priced in several currencies",
            field="universe",
            value=", ".join(currencies),
            constraint="one currency",
            fix="run one strategy for each currency",
        )
    return tuple(_tradable(each) for each in chosen)


def _currency(instrument: Instrument) -> str:
    return instrument.currency


def _tradable(instrument: Instrument) -> Tradable:
    return Tradable(
        symbol=instrument.symbol,
        asset_class=instrument.asset_class.value,
        always_open=instrument.calendar == ALWAYS_OPEN,
        lot=instrument.lot,
        min_notional=instrument.min_notional,
    )
