"""Everything that is asked of a run before its numbers are believed, in one call.

The answers are plain numbers by topic, name and measure, as `backtest.robustness` stores them; unknown is
None.  The questions themselves are in the modules beside this one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from pipeline.arrays import Int8
from pipeline.backtest.benchmark import buy_and_hold
from pipeline.backtest.by_label import Part, by_codes, by_season
from pipeline.backtest.capacity import capacity
from pipeline.backtest.controls import break_even_bps, doubled_costs, one_bar_late
from pipeline.backtest.crisis import Crisis, Window, crises
from pipeline.backtest.random_controls import bests_of, percentile, random_runs
from pipeline.backtest.rerun import Account, Ran
from pipeline.backtest.result import BacktestResult, Simulation
from pipeline.backtest.stress import Stress, stress
from pipeline.optimization.luck.bootstrap import FIGURES, Intervals, Trips, intervals
from pipeline.regimes.vocabulary import DIMENSIONS

FEWEST_RANDOM = 20
"""Fewer random runs with a Sharpe ratio give no distribution to stand in."""
Value = tuple[str, str, str, float | None]
"""Topic, name, measure and value of one number."""
_COMPARED = ("total_return", "cagr", "sharpe", "max_drawdown", "turnover", "mean_exposure")


@dataclass(frozen=True)
class Plan:
    """What to ask.

    Parameters
    ----------
    random
        Number of random strategies; 0 asks none.
    seed
        Of every random stream.
    crises
        Windows by name.
    trials
        How many configurations of this family were tried, this one included.
    """

    random: int
    seed: int
    crises: Mapping[str, Window]
    trials: int = 1


@dataclass(frozen=True)
class AgainstRandom:
    """Where the Sharpe ratio of a run stands among random strategies that trade alike.

    Parameters
    ----------
    runs, trials
        Random strategies that were run, and the N of "best of N".
    median, high
        Median and 95 % quantile of their Sharpe ratios.
    best_median
        Median of the bests of N.
    percentile_single, percentile_best
        Share of random strategies, and of bests of N, that the run exceeds.
    """

    runs: int
    trials: int
    median: float | None
    high: float | None
    best_median: float | None
    percentile_single: float | None
    percentile_best: float | None


_RANDOM = tuple(each.name for each in fields(AgainstRandom))
_CRISIS = tuple(each.name for each in fields(Crisis) if each.name not in {"name", "window"})
_PART = tuple(each.name for each in fields(Part) if each.name != "label")


@dataclass(frozen=True, eq=False)
class Robustness:
    """The answers about one run; a control that went bankrupt or was not asked is None.

    Parameters
    ----------
    hold
        Buying and holding the universe.
    doubled, late
        The run at twice the costs, and with every order one bar later.
    break_even, break_even_hold
        Extra cost a side, in basis points, at which nothing is earned, and nothing beyond ``hold``.
    capacity
        Largest NAV at which the volume cap cuts one order in twenty.
    random
        Against random strategies.
    intervals
        Block-bootstrap intervals of the headline numbers.
    crises
        In the order of the plan.
    parts
        By dimension of regimes, and ``season`` for books that hold a session asset.
    stress
        What its books lose in gaps, and with all correlations high.
    runs
        Every run of the kernel that was made for this.
    """

    hold: Simulation
    doubled: Simulation | None
    late: Simulation | None
    break_even: float | None
    break_even_hold: float | None
    capacity: float | None
    random: AgainstRandom
    intervals: Intervals
    crises: tuple[Crisis, ...]
    parts: Mapping[str, tuple[Part, ...]]
    stress: Stress
    runs: tuple[Ran, ...]

    def values(self) -> Iterator[Value]:
        """Yield the topic, name, measure and value of every number."""
        for name, control in (("hold", self.hold), ("costs_x2", self.doubled), ("late", self.late)):
            yield from _told("control", name, control and control.metrics, _COMPARED)
        yield "control", "break_even", "extra_bps", self.break_even
        yield "control", "break_even_hold", "extra_bps", self.break_even_hold
        yield "control", "capacity", "nav", self.capacity
        yield from _told("control", "random", self.random, _RANDOM)
        for name in FIGURES:
            yield from _told("interval", name, getattr(self.intervals, name), ("low", "high", "error"))
        yield "stress", "gap", "loss", self.stress.gap_loss
        yield "stress", "correlation", "volatility_factor", self.stress.volatility_factor
        yield "stress", "correlation", "max_drawdown", self.stress.drawdown
        for crisis in self.crises:
            yield from _told("crisis", crisis.name, crisis, _CRISIS)
        for dimension, parts in self.parts.items():
            for part in parts:
                yield from _told(dimension, part.label, part, _PART)


def _told(topic: str, name: str, holder: object, measures: Iterable[str]) -> Iterator[Value]:
    for measure in measures:
        yield topic, name, measure, None if holder is None else getattr(holder, measure)


def robustness_of(
    result: BacktestResult, account: Account, plan: Plan, regimes: Mapping[str, Int8] | None = None
) -> Robustness:
    """Ask everything of a run.

    Parameters
    ----------
    result
        The run.
    account
        The same account, to be run again; its ``runs`` grow.
    plan
        What to ask.
    regimes
        Codes by dimension at each decision of the run, shape ``(bars,)``.

    Raises
    ------
    ConfigError, ModelError, DataError
        As `pipeline.backtest.engine.simulate`.
    """
    run, trades = result.simulation, result.simulation.fills.size > 0
    hold = buy_and_hold(
        account.panel,
        result.universe,
        assets=account.assets,
        rules=account.rules,
        initial_nav=account.initial_nav,
        start=account.start,
        daily=run.daily,
    )
    account.runs.append(Ran.of("hold", hold))
    numbers = result.metrics
    sessions = any(not a.always_open for a in account.assets if a.symbol in result.universe)
    labels = {name: [str(label) for label in DIMENSIONS[name]] for name in regimes or {}}
    parts = {name: by_codes(run, codes, labels[name], hold) for name, codes in (regimes or {}).items()}
    if sessions:
        parts["season"] = by_season(run, hold)
    return Robustness(
        hold=hold,
        doubled=doubled_costs(account) if trades else None,
        late=one_bar_late(account) if trades else None,
        break_even=break_even_bps(account, run),
        break_even_hold=break_even_bps(account, run, hold.metrics.total_return),
        capacity=capacity(account, run),
        random=_against_random(account, numbers.sharpe, plan if trades else None, plan.trials),
        intervals=intervals(
            run.daily_returns,
            numbers.years,
            seed=plan.seed,
            trips=Trips(round((numbers.win_rate or 0.0) * numbers.round_trips), numbers.round_trips),
            cash=run.cash_returns,
        ),
        crises=tuple(crises(run, hold, plan.crises)),
        parts={name: tuple(each) for name, each in parts.items()},
        stress=stress(account, run),
        runs=tuple(account.runs),
    )


def _against_random(account: Account, sharpe: float | None, plan: Plan | None, trials: int) -> AgainstRandom:
    runs = random_runs(account, plan.random, seed=plan.seed) if plan else []
    values = np.array([run.sharpe for run in runs if run.sharpe is not None], dtype=np.float64)
    if plan is None or values.size < FEWEST_RANDOM:
        return AgainstRandom(len(runs), trials, None, None, None, None, None)
    values.sort()
    bests = bests_of(values, trials, seed=plan.seed)
    return AgainstRandom(
        runs=len(runs),
        trials=trials,
        median=float(np.median(values)),
        high=float(np.quantile(values, 0.95)),
        best_median=float(np.median(bests)),
        percentile_single=None if sharpe is None else percentile(sharpe, values),
        percentile_best=None if sharpe is None else percentile(sharpe, bests),
    )
