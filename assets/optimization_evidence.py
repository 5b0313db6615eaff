"""What a finished search is judged by: the best member run again, buy-and-hold, the walk-forward account.

These runs of the kernel serve the search and count as no trial; each leaves a control row in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.manifests import code_version
from assets.trial_population import control_row, window_in_cells
from pipeline.errors import InsufficientDataError, TamperedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from assets.market_context import MarketContext
    from assets.trial_population import Member, Search
    from pipeline.arrays import Float1D, Float2D, Time1D
    from pipeline.backtest.result import BacktestResult, Simulation
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
    run
        The best member's run.
    benchmark
        Buy-and-hold on the same days.
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
    controls
        Ledger rows of the runs above.
    """

    best: Member
    ranks: Mapping[int, int]
    front: tuple[int, ...]
    run: BacktestResult
    benchmark: Simulation
    path: Simulation | None
    folds: tuple[Fold, ...]
    paths: Paths | None
    luck: Luck
    guards: tuple[Guard, ...]
    coverage: Mapping[str, float]
    controls: tuple[tuple[Table, pl.DataFrame], ...]


def evidence_of(
    market: MarketContext,
    search: Search,
    experiment: Experiment,
    spaces: Mapping[str, Space],
    members: Sequence[Member],
) -> Evidence:
    """Judge a finished search.

    Raises
    ------
    TamperedError
        When the best member, run again, differs from what was stored of it.
    """
    import numpy as np

    from pipeline.optimization import out_of_sample
    from pipeline.optimization.evidence import luck_of
    from pipeline.optimization.goals import best_first, goals_of
    from pipeline.optimization.guards import Judged, guards_of
    from pipeline.optimization.luck.bootstrap import Trips
    from pipeline.optimization.pareto import undominated
    from pipeline.optimization.plan import objectives_of
    from pipeline.optimization.sampling import coverage

    metrics = [member.metrics for member in members]
    goals = goals_of(metrics, objectives_of(experiment))
    ranked = goals_of(metrics, [_ranking(experiment)])[:, 0]
    returns = np.array([member.daily_returns for member in members])
    order = best_first(ranked)
    first = _run(market, members[order[0]])
    days = first.simulation.ts[first.simulation.daily]
    folds = out_of_sample.walk_forward(returns, days, experiment.walk_forward)
    chosen = int(order[0])
    if experiment.method == "walk_forward":
        newest = out_of_sample.newest_choice(returns, days, experiment.walk_forward)
        chosen = chosen if newest is None else newest
    best = members[chosen]
    run = first if chosen == order[0] else _run(market, best)
    benchmark = _held(market, run)
    path = _followed(market, members, folds, run)
    try:
        paths = out_of_sample.cross_validated(
            returns, days, experiment.cross_validation, experiment.walk_forward.select_best_by
        )
    except InsufficientDataError:
        paths = None  # too short a window has no cross-validation, and the answer says null
    done = run.metrics
    won = 0 if done.win_rate is None else round(done.win_rate * done.round_trips)
    luck = luck_of(
        returns,
        np.array([member.metrics["mean_exposure"] for member in members], dtype=np.float64),
        chosen,
        benchmark=benchmark.daily_returns.astype(np.float32).astype(np.float64),
        family=_family(market, members, days),
        years=done.years,
        trips=Trips(won, done.round_trips),
        points=[member.params for member in members],
        scores=ranked,
        error=done.sharpe_se if search.metric == "sharpe" else None,
        seed=_seed(experiment),
    )
    points = [member.params for member in members]
    walked = [fold for fold in folds if fold.kind == "walk_forward"]
    judged = Judged(
        free=max(space.free for space in spaces.values()),
        best=done,
        benchmark=benchmark.metrics,
        path=None if path is None else path.metrics,
        same_days=_growth(best.daily_returns, days, path),
        folds=walked,
        points=points,
        leverage=market.rules.max_leverage,
    )
    drawn = spaces.get("parameter_distributions")
    asked = experiment.random_search is not None and experiment.random_search.estimate_coverage
    runs = {"best": run.simulation, "held": benchmark, "path": path}
    return Evidence(
        best=best,
        ranks={members[row].number: place + 1 for place, row in enumerate(order)},
        front=tuple(members[row].number for row in np.flatnonzero(undominated(goals))),
        run=run,
        benchmark=benchmark,
        path=path,
        folds=(*folds, *(paths.folds if paths is not None else ())),
        paths=paths,
        luck=luck,
        guards=guards_of(judged),
        coverage=coverage(drawn, points) if drawn is not None and asked else {},
        controls=tuple(
            control_row(market, search, what, best.config_hash, done)
            for what, done in runs.items()
            if done is not None
        ),
    )


def _run(market: MarketContext, member: Member) -> BacktestResult:
    """Run one member again and compare it with what is stored.

    Raises
    ------
    TamperedError
        When the digests differ.
    """
    from pipeline.backtest.engine import backtest

    params = market.parameters(member.params)
    run = backtest(
        market.context([params]),
        market.strategy,
        params,
        rules=market.rules,
        assets=market.assets,
        provenance=market.read.provenance,
        initial_nav=market.initial_nav,
        start=market.window[0],
        end=market.window[1],
    )
    if run.digest != member.digest:
        raise TamperedError(
            "a member of the search, run alone, is not what is stored of it",
            field="optimization.results.digest",
            value=f"member {member.number}: stored {member.digest}, now {run.digest}",
            constraint="bit-identical",
            fix="run the experiment again without --resume",
        )
    return run


def _held(market: MarketContext, run: BacktestResult) -> Simulation:
    """Return buy-and-hold of the universe on the days of a run."""
    import numpy as np

    from pipeline.backtest.benchmark import buy_and_hold

    panel, ts = market.read.panel, run.simulation.ts
    first, last = (int(np.searchsorted(panel.ts, edge)) for edge in (ts[0], ts[-1]))
    return buy_and_hold(
        panel.upto(last),
        market.strategy.universe,
        assets=market.assets,
        rules=market.rules,
        initial_nav=market.initial_nav,
        start=first,
        daily=run.simulation.daily,
    )


def _followed(
    market: MarketContext, members: Sequence[Member], folds: Sequence[Fold], run: BacktestResult
) -> Simulation | None:
    """Run the account that holds, in every walk-forward window, what the window before it chose."""
    import numpy as np

    from pipeline.backtest.engine import simulate
    from pipeline.optimization.out_of_sample import stitched

    def weights(row: int) -> Float2D:
        params = market.parameters(members[row].params)
        return market.strategy.weights(market.context([params]), params)

    panel = market.read.panel
    days = np.searchsorted(panel.ts, run.simulation.ts[run.simulation.daily])
    followed = stitched(folds, days, weights)
    if followed is None:
        return None
    targets, first, end = followed
    return simulate(
        panel.upto(end - 1),
        targets[:end],
        rules=market.rules,
        assets=market.assets,
        initial_nav=market.initial_nav,
        start=first,
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
            code_version=code_version(),
            **window,
        ).iter_rows(named=True)
        if row["config_hash"] not in own
        and row["exposure"] is not None
        and len(row["daily_returns"]) == days.size
    ]
    table = np.array([row["daily_returns"] for row in rows], dtype=np.float64).reshape(-1, days.size)
    exposure = np.array([row["exposure"] for row in rows], dtype=np.float64)
    return Family(table, exposure, max(int(counted["trials"][0]), len(members)))


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
