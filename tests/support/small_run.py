"""A backtest of a strategy that switches every few days: something to draw and to report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from pipeline.backtest.book import Member, backtest_book
from pipeline.backtest.engine import backtest
from pipeline.backtest.rerun import Account
from pipeline.backtest.result import BacktestResult, Provenance
from pipeline.backtest.rules import Rules, Tradable
from pipeline.calendar.sessions import expected_h4
from pipeline.market.panel import build_panel
from pipeline.strategies.context import Context
from pipeline.strategies.port import Parameters
from tests.support.small_market import CALENDARS, START

ASSETS = tuple(
    Tradable(symbol, "equity" if calendar == "XNYS" else "crypto", always_open=calendar != "XNYS")
    for symbol, calendar in CALENDARS.items()
)


class SwitchingParameters(Parameters):
    """How long each weighting lasts, and how much of NAV it uses."""

    bars: int = 30
    most: float = 0.35


@dataclass(frozen=True)
class Switching:
    """Holds another random weighting every ``bars`` bars."""

    name: str = "Switching"
    version: str = "1.0.0"
    universe: tuple[str, ...] = tuple(CALENDARS)

    def features(self, params):
        return ()

    def weights(self, context, params):
        bars, assets = context.shape
        drawn = np.random.default_rng(7).uniform(0.0, params.most, (bars // params.bars + 1, assets))
        drawn[drawn < 0.15] = 0.0
        return np.repeat(drawn, params.bars, axis=0)[:bars].copy()


def small_run(
    *,
    days: int = 400,
    seed: int = 3,
    most: float = 0.35,
    simulated: bool = True,
    source: str = "sample",
    name: str = "Switching",
    parameters: Mapping[str, int] | None = None,
) -> BacktestResult:
    """Run it; ``most = 0`` never trades."""
    return backtest(
        small_context(days, seed),
        Switching(name=name),
        SwitchingParameters(most=most, **(parameters or {})),
        rules=Rules(),
        assets=ASSETS,
        provenance=Provenance(source, simulated=simulated),
    )


def small_book(days: int = 400, seed: int = 3) -> BacktestResult:
    """Run a book of three: one that switches often, one that switches rarely, and one that never trades."""
    members = [
        Member(Switching(name="Often"), SwitchingParameters(), 0.5),
        Member(Switching(name="Rarely", version="2.1.0"), SwitchingParameters(bars=200), 0.3),
        Member(Switching(name="Never"), SwitchingParameters(most=0.0), 0.2),
    ]
    return backtest_book(
        small_context(days, seed),
        members,
        rules=Rules(),
        assets=ASSETS,
        provenance=Provenance("sample", simulated=True),
    )


def small_account(days: int = 400, seed: int = 3, most: float = 0.35) -> Account:
    """The account of that run, to be run again."""
    context = small_context(days, seed)
    weights = Switching().weights(context, SwitchingParameters(most=most))
    return Account(context.panel, weights, ASSETS, Rules())


def small_context(days: int, seed: int) -> Context:
    """Three random walks on their calendars."""
    rng, end, frames = np.random.default_rng(seed), START + timedelta(days=days), []
    for symbol, calendar in CALENDARS.items():
        frame = expected_h4(calendar, START, end)
        close = 100.0 * np.exp(np.cumsum(rng.normal(0.0002, 0.009, frame.height)))
        opened = close * np.exp(rng.normal(0.0, 0.002, frame.height))
        prices = {
            "open": opened, "high": 1.01 * np.maximum(opened, close), "low": 0.99 * np.minimum(opened, close),
            "close": close, "volume": rng.lognormal(10.0, 0.3, frame.height),
        }  # fmt: skip
        columns = {key: pl.Series(value) for key, value in prices.items()}
        frames.append(frame.with_columns(symbol=pl.lit(symbol), known_at=pl.col("close_at"), **columns))
    panel = build_panel(pl.concat(frames), tuple(CALENDARS), START, end)
    return Context(panel=panel, features={})
