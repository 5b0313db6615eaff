"""Every metric that quantstats or empyrical-reloaded also has, on runs of the product and on random series.

``python -m benchmarks.metrics_parity`` runs every strategy and the book on the sample world in a passing
home, takes the numbers that those runs report, and prints the largest relative difference to either library.
Metrics that neither has (standard errors, Newey-West, balanced score, turnover) are named, not compared.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.seeds import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.arrays import Float1D
    from pipeline.backtest.result import Simulation

BOUND = 1e-9
SEED = 8
STRATEGIES = ("EquityTrend", "IndexMeanReversion", "CryptoMomentum", "portfolio")

Compared = tuple[str, str, float | None, float]
"""Metric, library, ours, theirs."""


def of_returns(returns: Float1D, years: float, cash: float = 0.0) -> Iterator[Compared]:
    """Yield the metrics of one series of simple returns, annualised by its own length.

    Parameters
    ----------
    returns
        Shape ``(n,)``.
    years
        Length of the series.
    cash
        Return of cash per period.
    """
    from pipeline.backtest import metrics as m

    nav = np.cumprod(1.0 + returns, dtype=np.float64)
    growth, deepest = m.cagr(1.0, float(nav[-1]), years), float(m.drawdown(nav, 1.0).max())
    ours = {
        "sharpe": m.sharpe(returns, years, cash).value,
        "sortino": m.sortino(returns, years, cash),
        "volatility": m.volatility(returns, years),
        "total_return": float(nav[-1]) - 1.0,
        "cagr": growth,
        "max_drawdown": deepest,
        "calmar": m.calmar(growth, deepest),
    }
    for name, library, theirs in _series(returns, years, cash):
        yield name, library, ours[name], theirs


def of_run(done: Simulation) -> Iterator[Compared]:
    """Yield the reported metrics of a run beside what the libraries make of its NAV and round trips."""
    import empyrical
    import pandas as pd
    import quantstats.stats

    from pipeline.backtest import metrics as m

    qs: Any = quantstats.stats
    ours, years = done.metrics, done.metrics.years
    daily, h4 = done.daily_returns, m.simple_returns(done.nav, done.initial_nav)
    of_days, of_bars = {"sharpe", "sortino", "volatility"}, {"total_return", "cagr", "max_drawdown", "calmar"}
    for name, library, theirs in _series(daily, years):
        if name in of_days:
            yield name, library, getattr(ours, name), theirs
    for name, library, theirs in _series(h4, years):
        if name in of_bars:
            yield name, library, getattr(ours, name), theirs
        if name == "sharpe":
            yield "sharpe_h4", library, ours.sharpe_h4, theirs
    gains = done.trips["pnl"][done.trips["exit_row"] >= 0]
    if gains.size and gains.min() < 0.0 < gains.max():
        profits = pd.Series(gains)
        yield "win_rate", "quantstats", ours.win_rate, float(qs.win_rate(profits, prepare_returns=False))
        yield (
            "profit_factor",
            "quantstats",
            ours.profit_factor,
            float(qs.profit_factor(profits, prepare_returns=False)),
        )
    months = empyrical.aggregate_returns(pd.Series(h4, index=pd.DatetimeIndex(done.ts)), "monthly")
    for own, theirs in zip(done.monthly_returns[1], months, strict=True):
        yield "monthly_returns", "empyrical", float(own), float(theirs)


def _series(returns: Float1D, years: float, cash: float = 0.0) -> Iterator[tuple[str, str, float]]:
    import empyrical
    import pandas as pd
    import quantstats.stats

    qs: Any = quantstats.stats  # its annotations take whole numbers of periods a year only
    n = returns.size / years
    series = pd.Series(returns, index=pd.date_range("2020-01-01", periods=returns.size))
    annual = (1.0 + cash) ** n - 1.0
    quantstats_says = {
        "sharpe": qs.sharpe(series, rf=annual, periods=n),
        "sortino": qs.sortino(series, rf=annual, periods=n),
        "volatility": qs.volatility(series, periods=n),
        "total_return": qs.comp(series),
        "cagr": qs.cagr(series, periods=n),
        "max_drawdown": -qs.max_drawdown(series),
        "calmar": qs.calmar(series, periods=n),
    }
    em: Any = empyrical
    empyrical_says = {
        "sharpe": em.sharpe_ratio(series, risk_free=cash, annualization=n),
        "sortino": em.sortino_ratio(series, required_return=cash, annualization=n),
        "volatility": em.annual_volatility(series, annualization=n),
        "total_return": em.cum_returns_final(series),
        "cagr": em.cagr(series, annualization=n),
        "max_drawdown": -em.max_drawdown(series),
        "calmar": em.calmar_ratio(series, annualization=n),
    }
    for library, said in (("quantstats", quantstats_says), ("empyrical", empyrical_says)):
        for name, theirs in said.items():
            yield name, library, float(theirs)


def random_series(number: int) -> tuple[Float1D, float, float]:
    """Return one of the random series: its returns, its years, and a return of cash per period."""
    rng = stream(SEED, "metrics-parity", number)
    n = int(rng.integers(120, 2600))
    scale, drift = float(rng.uniform(0.002, 0.03)), float(rng.normal(0.0004, 0.001))
    shocks = rng.standard_t(4, n) if number % 2 else rng.standard_normal(n)
    returns = np.maximum(drift + scale * shocks, -0.6)
    if number % 3 == 0:
        returns[rng.random(n) < 0.5] = 0.0
    return (
        returns,
        n / float(rng.uniform(240.0, 366.0)),
        float(rng.uniform(0.0, 2e-4)) if number % 5 == 0 else 0.0,
    )


def runs_of_the_sample_world(strategies: tuple[str, ...]) -> Iterator[Simulation]:
    """Yield a run of each strategy by the product's own door, in a passing home."""
    from assets.backtest.trials import run_trial
    from resources.desk import open_desk
    from service.cli.updating import update_all

    with tempfile.TemporaryDirectory(prefix="parity-") as home:
        environ = {"EIGHTBELLS_HOME": home}
        update_all(open_desk(environ))
        for name in strategies:
            overrides = {"system": {"backtest": {"strategy": name}}}
            yield run_trial(open_desk(environ, overrides=overrides), kind="verify").result.simulation


def worst(compared: Iterator[Compared], found: dict[str, dict[str, float]]) -> int:
    """Enter the largest relative difference of each metric and library; return how many were compared."""
    count = 0
    for name, library, ours, theirs in compared:
        if ours is None:
            raise ValueError(f"{name} is unknown to us and {theirs} to {library}")
        difference = abs(ours - theirs) / max(abs(theirs), 1e-12)
        seen = found.setdefault(name, {})
        seen[library] = max(seen.get(library, 0.0), difference)
        count += 1
    return count


def main() -> int:
    """Compare and report; 1 when a metric differs by more than the bound."""
    from pipeline.backtest.metrics import Metrics

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--strategies", nargs="*", default=STRATEGIES)
    chosen = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "Agg")
    found: dict[str, dict[str, float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = sum(worst(of_returns(*random_series(k)), found) for k in range(chosen.series))
        runs = list(runs_of_the_sample_world(tuple(chosen.strategies)))
        numbers += sum(worst(of_run(run), found) for run in runs)
    largest = max(value for libraries in found.values() for value in libraries.values())
    print(
        json.dumps(
            {
                "series": chosen.series,
                "runs": len(runs),
                "numbers": numbers,
                "metrics": len(found),
                "worst": largest,
                "by_metric": found,
                "in_neither": [each.name for each in fields(Metrics) if each.name not in found],
                "holds": largest <= BOUND,
            }
        )
    )
    return 0 if largest <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
