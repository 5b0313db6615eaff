"""A finished search, judged: its ranks and best member, what other days say, and how much of it is luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.backtest.population import cash_table, window_in_cells
from assets.optimization.runs import Judges
from pipeline.errors import InsufficientDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from assets.backtest.context import MarketContext
    from assets.backtest.population import Member, Search
    from pipeline.arrays import Float1D, Float2D, Time1D
    from pipeline.backtest.result import BacktestResult, Simulation
    from pipeline.backtest.robustness import Robustness
    from pipeline.config.experiment import Experiment
    from pipeline.optimization.evidence import Family, Luck
    from pipeline.optimization.guards import Guard
    from pipeline.optimization.out_of_sample import Fold, Paths
    from pipeline.optimization.space import Space
    from warehouse.table import Table


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that is known of a finished search.

    Parameters
    ----------
    best
        The member that the search chose.
    ranks
        By member number; 1 is best.
    front
        Numbers of the members that no other dominates.
    run, days
        The best member's run, and the labels of the decisions that end the days of all members.
    points
        By member number, every parameter that some part of the search varied.
    robustness
        What that run was asked: buy-and-hold, costs, delay, random strategies, crises.
    path
        The account that follows the walk-forward choices; None where the window is too short.
    folds
        Walk-forward choices, then those of the cross-validation.
    paths
        Test paths of the cross-validation; None where the window is too short.
    luck
        The luck statistics.
    guards
        The guard rails.
    coverage
        Share of each parameter's range that random search visited; empty unless asked for.
    refused
        Points that the strategy's model does not take; they were not run.
    controls
        Ledger rows of the runs above.
    """

    best: Member
    ranks: Mapping[int, int]
    front: tuple[int, ...]
    run: BacktestResult
    days: Time1D
    points: Mapping[int, Mapping[str, Any]]
    robustness: Robustness
    path: Simulation | None
    folds: tuple[Fold, ...]
    paths: Paths | None
    luck: Luck
    guards: tuple[Guard, ...]
    coverage: Mapping[str, float]
    refused: int
    controls: tuple[Table, pl.DataFrame]

    @property
    def benchmark(self) -> Simulation:
        """Buy-and-hold, over the same decisions."""
        return self.robustness.hold


def evidence_of(
    market: MarketContext,
    search: Search,
    experiment: Experiment,
    spaces: Mapping[str, Space],
    members: Sequence[Member],
    *,
    refused: int = 0,
) -> Evidence:
    """Judge a finished search.

    Raises
    ------
    TamperedError
        When the best member, run again, differs from what was stored of it.
    """
    import numpy as np

    from pipeline.optimization import out_of_sample
    from pipeline.optimization.goals import best_first, goals_of
    from pipeline.optimization.pareto import undominated
    from pipeline.optimization.plan import objectives_of
    from pipeline.optimization.sampling import coverage

    judges = Judges(market, search, market.code)
    metrics, points = [m.metrics for m in members], _points(market, members)
    goals = goals_of(metrics, objectives_of(experiment))
    ranked = goals_of(metrics, [_ranking(experiment)])[:, 0]
    returns = np.array([member.daily_returns for member in members])
    order = best_first(ranked)
    chosen = int(order[0])
    run, days, cash = judges.again(members[chosen])
    folds = out_of_sample.walk_forward(returns, days, experiment.walk_forward, cash=cash)
    if experiment.method == "walk_forward":
        newest = out_of_sample.newest_choice(returns, days, experiment.walk_forward, cash=cash)
        if newest is not None and newest != chosen:
            chosen = newest
            run, days, cash = judges.again(members[chosen])
    best = members[chosen]
    family = _family(market, members, days)
    robustness = judges.asked(best, run, family.n_trials)
    path = judges.followed(members, folds, days, best.config_hash)
    paths = _cross_validated(returns, days, cash, experiment)
    luck = _luck(experiment, members, points, chosen, run, robustness, family, days, cash, ranked)
    drawn = spaces.get("parameter_distributions")
    asked = experiment.random_search is not None and experiment.random_search.estimate_coverage
    return Evidence(
        best=best,
        ranks={members[row].number: place + 1 for place, row in enumerate(order)},
        front=tuple(members[row].number for row in np.flatnonzero(undominated(goals))),
        run=run,
        days=days,
        points={member.number: point for member, point in zip(members, points, strict=True)},
        robustness=robustness,
        path=path,
        folds=(*folds, *(paths.folds if paths is not None else ())),
        paths=paths,
        luck=luck,
        guards=_guards(market, spaces, best, run, robustness, folds, points, days, path),
        coverage=coverage(drawn, points) if drawn is not None and asked else {},
        refused=refused,
        controls=judges.frame(),
    )


def _points(market: MarketContext, members: Sequence[Member]) -> list[dict[str, Any]]:
    """Return the same parameters of each member; what a part of the search left alone is as configured."""
    names = dict.fromkeys(name for member in members for name in member.params)
    legal = (market.parameters(member.params).model_dump(mode="json") for member in members)
    return [{name: values[name] for name in names} for values in legal]


def _cross_validated(returns: Float2D, days: Time1D, cash: Float1D, experiment: Experiment) -> Paths | None:
    """Return the cross-validation; None where the window is too short for its folds."""
    from pipeline.optimization import out_of_sample

    try:
        return out_of_sample.cross_validated(
            returns,
            days,
            experiment.cross_validation,
            experiment.walk_forward.select_best_by,
            cash=cash,
        )
    except InsufficientDataError:
        return None


def _luck(
    experiment: Experiment,
    members: Sequence[Member],
    points: Sequence[Mapping[str, Any]],
    chosen: int,
    run: BacktestResult,
    robustness: Robustness,
    family: Family,
    days: Time1D,
    cash: Float1D,
    ranked: Float1D,
) -> Luck:
    import numpy as np

    from pipeline.backtest.benchmark import on_days
    from pipeline.optimization.evidence import luck_of
    from pipeline.optimization.luck.bootstrap import Trips

    held, done = robustness.hold, run.metrics
    benchmark = on_days(held, np.searchsorted(held.ts, days)).daily_returns
    exposure = [member.metrics["mean_exposure"] for member in members]
    won = 0 if done.win_rate is None else round(done.win_rate * done.round_trips)
    return luck_of(
        np.array([member.daily_returns for member in members]),
        np.array(exposure, dtype=np.float64),
        chosen,
        benchmark=benchmark.astype(np.float32).astype(np.float64),
        cash=cash,
        family=family,
        years=done.years,
        trips=Trips(won, done.round_trips),
        points=points,
        scores=ranked,
        error=done.sharpe_se if experiment.optimization.metric == "sharpe_ratio" else None,
        seed=_seed(experiment),
    )


def _guards(
    market: MarketContext,
    spaces: Mapping[str, Space],
    best: Member,
    run: BacktestResult,
    robustness: Robustness,
    folds: Sequence[Fold],
    points: Sequence[Mapping[str, Any]],
    days: Time1D,
    path: Simulation | None,
) -> tuple[Guard, ...]:
    from pipeline.optimization.guards import Judged, guards_of

    return guards_of(
        Judged(
            free=len({axis.name for space in spaces.values() for axis in space.axes if len(axis.probes) > 1}),
            best=run.metrics,
            benchmark=robustness.hold.metrics,
            path=None if path is None else path.metrics,
            same_days=_growth(best.daily_returns, days, path),
            folds=folds,
            points=points,
            leverage=market.rules.max_leverage,
            beaten=robustness.random.percentile_best,
            crises=robustness.crises,
        )
    )


def _family(market: MarketContext, members: Sequence[Member], days: Time1D) -> Family:
    """Return what the ledger knows of the family beside the members, and N."""
    import numpy as np

    from pipeline.optimization.evidence import Family

    first, last = window_in_cells(market)
    window = {"window_start": first, "window_end": last}
    counted = market.desk.warehouse.query("family_trials", family=market.family, **window)
    own = {member.config_hash for member in members}
    rows = [
        row
        for row in market.desk.warehouse.query(
            "family_returns",
            family=market.family,
            data_hash=market.data_hash,
            code_version=market.code,
            **window,
        ).iter_rows(named=True)
        if row["config_hash"] not in own
        and row["exposure"] is not None
        and row["cash_returns"] is not None
        and len(row["daily_returns"]) == days.size
    ]
    table = np.array([row["daily_returns"] for row in rows], dtype=np.float64).reshape(-1, days.size)
    cash = cash_table([row["cash_returns"] for row in rows], days.size)
    exposure = np.array([row["exposure"] for row in rows], dtype=np.float64)
    return Family(table, cash, exposure, max(int(counted["trials"].sum()), len(members)))


def _growth(returns: Float1D, days: Time1D, path: Simulation | None) -> float | None:
    """Return the CAGR of daily returns over the days of the walk-forward account."""
    import numpy as np

    from pipeline.backtest.metrics import cagr

    if path is None:
        return None
    inside = (days > path.ts[0]) & (days <= path.ts[-1])
    return cagr(1.0, float(np.prod(1.0 + returns[inside])), path.metrics.years)


def _ranking(experiment: Experiment) -> Any:
    from pipeline.config.search import Objective

    chosen = experiment.optimization
    return Objective(metric=chosen.metric, maximize=chosen.maximize)


def _seed(experiment: Experiment) -> int:
    """Return the seed of the file; the statistics draw from streams of their own."""
    settings = experiment.evolutionary or experiment.random_search
    return 42 if settings is None else settings.seed
